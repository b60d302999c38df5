"""`DTypePolicy`: the dtype of a layer's weights and the dtype of its computation."""

from __future__ import annotations

from typing import Any

from rustdl.backend import config
from rustdl.backend.dtypes import is_float_dtype, standardize_dtype
from rustdl.backend.global_state import settings

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")


class DTypePolicy:
    """The dtypes of a layer.

    Args:
        name: A dtype (weights and computation), or `"mixed_float16"` or `"mixed_bfloat16"`: weights in float32,
            computation in the lower precision. `None` is `floatx()`.

    Raises:
        TypeError: The name is not a string.
        ValueError: It names no dtype.

    Example:
        >>> policy = DTypePolicy("mixed_bfloat16")
        >>> policy.variable_dtype, policy.compute_dtype
        ('float32', 'bfloat16')
    """

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(
                f"'name' must be a string, such as 'mixed_float16'. Received: name={name} (of type {type(name)})"
            )
        self._name = name
        self._compute_dtype, self._variable_dtype = self._parse_name(name)
        self._quantization_mode: str | None = None

    def _parse_name(self, name: str) -> tuple[str, str]:
        if name == "mixed_float16":
            return "float16", "float32"
        if name == "mixed_bfloat16":
            return "bfloat16", "float32"
        try:
            dtype = standardize_dtype(name)
        except ValueError:
            raise ValueError(
                f"Cannot convert '{name}' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', "
                "'mixed_bfloat16', and the name of any float dtype such as 'float32'."
            ) from None
        return dtype, dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self._variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation and of the outputs."""
        return self._compute_dtype

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    @property
    def quantization_mode(self) -> str | None:
        """The quantization, `None` here."""
        return self._quantization_mode

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """One input of a layer, as a tensor; floats in `dtype` when `autocast`."""
        from rustdl import backend

        dtype = standardize_dtype(dtype)
        if isinstance(x, backend.Tensor):
            return backend.cast(x, dtype) if autocast and x.dtype != dtype and is_float_dtype(x.dtype) else x
        if isinstance(x, backend.KerasTensor):
            if autocast and x.dtype != dtype and is_float_dtype(x.dtype):
                cast = backend.cast(x, dtype)
                cast.name = x.name
                return cast
            return x
        if hasattr(x, "__array__") or backend.is_scipy_sparse(x):
            x = backend.convert_to_tensor(x)
            return backend.cast(x, dtype) if autocast and x.dtype != dtype and is_float_dtype(x.dtype) else x
        return x

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """A policy from `get_config`'s result."""
        return cls(**config)

    def _key(self) -> tuple[Any, ...]:
        """What equal policies have in common."""
        return (self._name,)

    def __repr__(self) -> str:
        cls = "DTypePolicy" if isinstance(self, FloatDTypePolicy) else type(self).__name__
        return f'<{cls} "{self._name}">'

    def __eq__(self, other: object) -> bool:
        plain = (DTypePolicy, FloatDTypePolicy)
        if type(self) is not type(other) and not (type(self) in plain and type(other) in plain):
            return False
        return isinstance(other, DTypePolicy) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._name)


class FloatDTypePolicy(DTypePolicy):
    """`DTypePolicy` under its older name."""


def set_dtype_policy(policy: Any) -> None:
    """Sets the policy that layers get without a `dtype` argument.

    Args:
        policy: A `DTypePolicy` or the name of one.

    Example:
        >>> set_dtype_policy("mixed_bfloat16")
        >>> dtype_policy().name
        'mixed_bfloat16'
        >>> set_dtype_policy("float32")
    """
    if not isinstance(policy, DTypePolicy):
        if not isinstance(policy, str):
            raise ValueError(
                "Invalid `policy` argument. Expected the string name of a policy (such as 'mixed_float16') or a "
                f"`DTypePolicy` instance. Received: policy={policy} (of type {type(policy)})"
            )
        if policy.startswith(QUANTIZATION_MODES):
            from rustdl.dtype_policies.quantized_policy import policy_of_name

            policy = policy_of_name(policy)
        else:
            policy = DTypePolicy(policy)
    settings["dtype_policy"] = policy


def dtype_policy() -> DTypePolicy:
    """The policy that layers get without a `dtype` argument."""
    policy: DTypePolicy | None = settings.get("dtype_policy")
    if policy is None:
        policy = DTypePolicy(config.floatx())
        settings["dtype_policy"] = policy
    return policy
