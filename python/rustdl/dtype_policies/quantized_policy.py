"""Dtype policies of quantized layers: the kind of quantization, and the policy that the layer had before."""

from __future__ import annotations

from typing import Any, ClassVar

from rustdl.dtype_policies.dtype_policy import QUANTIZATION_MODES, DTypePolicy, dtype_policy


class QuantizedDTypePolicy(DTypePolicy):
    """The policy of a quantized layer.

    Args:
        mode: `"int8"`, `"int4"`, `"float8"`, `"gptq"` or `"awq"`.
        source_name: The name of the policy before, which still says in which dtype the layer computes; the global one
            by default.

    Raises:
        ValueError: An unknown mode, or `"int8"` with `float16`, whose range is too small for the sums.

    Example:
        >>> policy = QuantizedDTypePolicy("int8", "float32")
        >>> policy.name, policy.quantization_mode, policy.compute_dtype
        ('int8_from_float32', 'int8', 'float32')
    """

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        if source_name is None:
            source_name = dtype_policy().name
        super().__init__(source_name)
        if mode not in QUANTIZATION_MODES:
            raise ValueError(f"Invalid quantization mode. Expected one of {QUANTIZATION_MODES}. Received: mode={mode}")
        if mode == "int8" and self.compute_dtype == "float16":
            raise ValueError(f"Quantization mode='{mode}' doesn't work well with compute_dtype='float16'.")
        self._name = f"{mode}_from_{source_name}"
        self._source_name = source_name
        self._quantization_mode = mode

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self._quantization_mode, self._source_name)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"mode": self._quantization_mode, "source_name": self._source_name}


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """The policy of a layer that trains with products of 8-bit floats.

    Args:
        mode: `"float8"`.
        source_name: The name of the policy before.
        amax_history_length: Over how many steps the largest magnitudes are remembered, from which scales follow.
    """

    default_amax_history_length = 1024

    def __init__(self, mode: str, source_name: str | None = None, amax_history_length: int = 1024) -> None:
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise TypeError(
                f"`amax_history_length` must be an integer. Received: amax_history_length={amax_history_length}"
            )
        self._amax_history_length = amax_history_length

    @property
    def amax_history_length(self) -> int:
        """Over how many steps the largest magnitudes are remembered."""
        return self._amax_history_length

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self._amax_history_length)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "amax_history_length": self._amax_history_length}


class _ParametricPolicy(QuantizedDTypePolicy):
    """A policy whose mode carries numbers, such as `"gptq/4/128"`."""

    algorithm: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        algorithm, *numbers = mode.split("/")
        expected = "/".join([self.algorithm, *(f"<{field}>" for field in self.fields)])
        cls = type(self).__name__
        if algorithm != self.algorithm or len(numbers) != len(self.fields):
            raise ValueError(f"Invalid mode for {cls}. Expected format '{expected}', but got '{mode}'.")
        for field, number in zip(self.fields, numbers, strict=True):
            try:
                value = int(number)
            except ValueError:
                raise ValueError(
                    f"Invalid mode for {cls}. <{field}> must be an integer. Expected format '{expected}', but got "
                    f"'{mode}'."
                ) from None
            self._check(field, value, mode)
            setattr(self, field, value)
        super().__init__(algorithm, source_name)
        self._name = f"{mode}_from_{self._source_name}"
        self.mode = algorithm

    def _check(self, field: str, value: int, mode: str) -> None:
        if field in ("block_size", "group_size") and (value < -1 or value == 0):
            raise ValueError(
                f"Invalid {field} in mode. Supported values are -1 (one group) or a positive integer, but got {value} "
                f"from '{mode}'."
            )

    def _numbers(self) -> tuple[int, ...]:
        return tuple(getattr(self, field) for field in self.fields)

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), *self._numbers())

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "mode": "/".join([self.mode, *map(str, self._numbers())])}


class Int4DTypePolicy(_ParametricPolicy):
    """The policy of a layer with 4-bit weights.

    Args:
        mode: `"int4/<block_size>"`: so many inputs share a scale for each output; -1 for all of them.
        source_name: The name of the policy before.
    """

    algorithm = "int4"
    fields = ("block_size",)
    block_size: int


class GPTQDTypePolicy(_ParametricPolicy):
    """The policy of a layer quantized by GPTQ (Frantar et al. 2022).

    Args:
        mode: `"gptq/<weight_bits>/<group_size>"` with 2, 3, 4 or 8 bits; group size -1 for one group.
        source_name: The name of the policy before.
    """

    algorithm = "gptq"
    fields = ("weight_bits", "group_size")
    weight_bits: int
    group_size: int

    def _check(self, field: str, value: int, mode: str) -> None:
        if field == "weight_bits" and value not in (2, 3, 4, 8):
            raise ValueError(
                f"Invalid weight_bits in mode. Supported values are 2, 3, 4, and 8, but got {value} from '{mode}'."
            )
        super()._check(field, value, mode)


class AWQDTypePolicy(_ParametricPolicy):
    """The policy of a layer quantized by AWQ (Lin et al. 2023).

    Args:
        mode: `"awq/4/<group_size>"`; group size -1 for one group.
        source_name: The name of the policy before.
    """

    algorithm = "awq"
    fields = ("weight_bits", "group_size")
    weight_bits: int
    group_size: int

    def _check(self, field: str, value: int, mode: str) -> None:
        if field == "weight_bits" and value != 4:
            raise ValueError(
                f"Invalid weight_bits in mode. AWQ only supports 4-bit quantization, but got {value} from '{mode}'."
            )
        super()._check(field, value, mode)


def policy_of_name(name: str) -> QuantizedDTypePolicy:
    """The policy of a name such as `"int8_from_float32"`.

    Raises:
        ValueError: Not `mode_from_source`, or no such mode.
    """
    mode, separator, source_name = name.partition("_from_")
    if not separator or "_from_" in source_name:
        raise ValueError(
            "Cannot convert `policy` into a valid pair (`mode`, `source_name`) to instantiate `QuantizedDTypePolicy`. "
            f"Received: policy={name}"
        )
    algorithm = mode.split("/")[0]
    if algorithm == "float8" or name.startswith("float8"):
        return QuantizedFloat8DTypePolicy(mode, source_name)
    if name.startswith("gptq"):
        return GPTQDTypePolicy(mode, source_name)
    if name.startswith("awq"):
        return AWQDTypePolicy(mode, source_name)
    if algorithm == "int4" and "/" in mode:
        return Int4DTypePolicy(mode, source_name)
    return QuantizedDTypePolicy(mode, source_name)
