"""How a layer is quantized: the kind, and the quantizers of weights and activations."""

from __future__ import annotations

from typing import Any

from rustdl.dtype_policies.dtype_policy import QUANTIZATION_MODES


class QuantizationConfig:
    """Base class of what `quantize` takes as `config`.

    Args:
        weight_quantizer: The quantizer of weights, `None` for the mode's own.
        activation_quantizer: The quantizer of inputs, `None` to leave them floats.
    """

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = None) -> None:
        self.weight_quantizer = weight_quantizer
        self.activation_quantizer = activation_quantizer

    @property
    def mode(self) -> str:
        """The kind of quantization."""
        raise NotImplementedError(
            "Subclasses must implement this property. Do not instantiate QuantizationConfig directly."
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as configurations."""
        from rustdl.saving import serialize_keras_object

        return {
            "weight_quantizer": serialize_keras_object(self.weight_quantizer),
            "activation_quantizer": serialize_keras_object(self.activation_quantizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A configuration object from `get_config`'s result."""
        from rustdl.saving import deserialize_keras_object

        quantizers = {key: deserialize_keras_object(config.get(key)) for key in _QUANTIZERS}
        return cls(**quantizers, **{key: value for key, value in config.items() if key not in _QUANTIZERS})

    @staticmethod
    def weight_quantizer_or_default(config: Any, default: Any) -> Any:
        """The weight quantizer of a configuration, or `default` where there is none."""
        return default if config is None or config.weight_quantizer is None else config.weight_quantizer

    @staticmethod
    def activation_quantizer_or_default(config: Any, default: Any) -> Any:
        """The activation quantizer of a configuration (which may be `None`), or `default` without a configuration."""
        return default if config is None else config.activation_quantizer


_QUANTIZERS = ("weight_quantizer", "activation_quantizer")


def _require(config: QuantizationConfig, attribute: str, expected: Any) -> None:
    if config.weight_quantizer is not None and getattr(config.weight_quantizer, attribute) != expected:
        raise ValueError(
            f"{type(config).__name__} requires a weight_quantizer with {attribute}={expected!r}. Received: "
            f"{attribute}={getattr(config.weight_quantizer, attribute)}"
        )


class Int8QuantizationConfig(QuantizationConfig):
    """8-bit weights and, where they have a quantizer, 8-bit inputs.

    Args:
        weight_quantizer: The quantizer of weights, `AbsMaxQuantizer` by default.
        activation_quantizer: The quantizer of inputs: `AbsMaxQuantizer` by default, `None` to leave them floats.
    """

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default") -> None:
        from rustdl.quantizers.quantizer import AbsMaxQuantizer

        if isinstance(activation_quantizer, str) and activation_quantizer == "default":
            activation_quantizer = AbsMaxQuantizer()
        super().__init__(weight_quantizer, activation_quantizer)
        _require(self, "output_dtype", "int8")

    @property
    def mode(self) -> str:
        """The kind of quantization."""
        return "int8"


class Int4QuantizationConfig(QuantizationConfig):
    """4-bit weights, two in a byte.

    Args:
        weight_quantizer: The quantizer of weights with values in [-8, 7]; only without blocks.
        activation_quantizer: The quantizer of inputs; by default they stay floats. Only without blocks.
        block_size: So many inputs share a scale for each output; `None` or -1 for all of them.

    Raises:
        ValueError: A block size of 0 or below -1, a quantizer together with blocks, or one for other values.
    """

    def __init__(
        self, weight_quantizer: Any = None, activation_quantizer: Any = "default", block_size: int | None = 128
    ) -> None:
        if isinstance(activation_quantizer, str) and activation_quantizer == "default":
            activation_quantizer = None
        super().__init__(weight_quantizer, activation_quantizer)
        if block_size is not None and block_size != -1 and block_size <= 0:
            raise ValueError(f"block_size must be None, -1, or a positive integer. Received: block_size={block_size}")
        self.block_size = block_size
        if block_size is not None and block_size > 0 and (weight_quantizer or self.activation_quantizer):
            raise ValueError(
                "Int4 sub-channel quantization (block_size > 0) does not support custom quantizers. Set block_size to "
                f"None or -1, or remove the quantizers. Received: block_size={block_size}"
            )
        _require(self, "value_range", (-8, 7))
        _require(self, "output_dtype", "int8")

    @property
    def mode(self) -> str:
        """The kind of quantization."""
        return "int4"

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as configurations."""
        return {**super().get_config(), "block_size": self.block_size}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A configuration object from `get_config`'s result; without a block size there are no blocks."""
        return super().from_config({"block_size": None, **config})


class Float8QuantizationConfig(QuantizationConfig):
    """Training with products of 8-bit floats; there are no quantizers to choose."""

    def __init__(self) -> None:
        super().__init__(None, None)

    @property
    def mode(self) -> str:
        """The kind of quantization."""
        return "float8"

    def get_config(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The configuration object."""
        return cls()


def _check_mode(mode: Any) -> None:
    if mode is not None and mode not in QUANTIZATION_MODES:
        raise ValueError(f"Invalid quantization mode. Expected one of {QUANTIZATION_MODES}. Received: mode={mode}")


def resolve_config(mode: Any, config: Any) -> Any:
    """The configuration that `quantize(mode, config)` stands for.

    Raises:
        ValueError: No such mode, neither argument, both and different, or no configuration where the mode needs one.
    """
    if isinstance(config, str):
        mode, config = config, None
    _check_mode(mode)
    if config is None:
        defaults = {
            "int8": Int8QuantizationConfig,
            "int4": Int4QuantizationConfig,
            "float8": Float8QuantizationConfig,
        }
        if mode in defaults:
            return defaults[mode]()
        if mode is None:
            raise ValueError("You must provide either `mode` or `config` to `quantize`.")
        raise ValueError(f"For {mode.upper()}, you must pass a `{mode.upper()}Config` object in the `config` argument.")
    if not isinstance(config, QuantizationConfig):
        raise ValueError(
            "Argument `config` must be an instance of `QuantizationConfig`. "
            f"Received: config={config} (of type {type(config)})"
        )
    if mode is not None and config.mode != mode:
        raise ValueError(f"Contradictory arguments: mode='{mode}' but config.mode='{config.mode}'")
    _check_mode(config.mode)
    if config.mode in ("gptq", "awq"):
        from rustdl.quantizers import calibration_config

        expected = {"gptq": calibration_config.GPTQConfig, "awq": calibration_config.AWQConfig}[config.mode]
        if not isinstance(config, expected):
            raise ValueError(
                f"Mode '{config.mode}' requires a valid `config` argument of type `{expected.__name__}`. "
                f"Received: {type(config)}"
            )
    return config
