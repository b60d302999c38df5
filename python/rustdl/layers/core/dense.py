"""The densely connected layer."""

from __future__ import annotations

from typing import Any

from rustdl import activations, ops
from rustdl.layers._weights import (
    LowRankAdaptation,
    add_weight,
    set_weight_arguments,
    weight_config,
)
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class Dense(LowRankAdaptation, Layer):
    """`activation(x @ kernel + bias)` over the last axis.

    Args:
        units: size of the output's last axis, > 0.
        activation: name or function, None for none.
        use_bias: whether a bias is added.
        kernel_initializer: initializer of the kernel, of shape `(inputs, units)`.
        bias_initializer: initializer of the bias, of shape `(units,)`.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of the kernel after each update.
        bias_constraint: projection of the bias after each update.
        lora_rank: rank of a low-rank adaptation, None for none.
        lora_alpha: its scale times the rank, default `lora_rank`.
        quantization_config: how `quantize` does it by default.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `units` is not a positive integer.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Dense(4)(rustdl.ops.ones((2, 3))).shape
        (2, 4)
    """

    _modes = ("int8", "int4", "float8", "gptq", "awq")

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(units, int) or units <= 0:
            raise ValueError(
                f"Received an invalid value for `units`, expected a positive integer. Received: units={units}"
            )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._init_quantization(quantization_config)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        set_weight_arguments(
            self,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self._init_lora(lora_rank, lora_alpha)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(
                f"Layer {self.name}: the last dimension of the input of a Dense layer must be known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        if self.quantization_mode not in (None, "float8"):
            self.quantized_build((inputs, self.units), self.quantization_mode)
        else:
            self._kernel = add_weight(self, "kernel", (inputs, self.units))
        self.bias = add_weight(self, "bias", (self.units,)) if self.use_bias else None
        if self.quantization_mode == "float8":
            self.quantized_build((inputs, self.units), "float8")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: inputs})
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def _shared_axes(self) -> tuple[int, ...]:
        return (0,)

    @property
    def kernel(self) -> Any:
        """The kernel in use: with the low-rank term if there is one, as floats if it is quantized."""
        return self._lora_merged()

    def call(self, inputs: Any, training: Any = None) -> Any:
        if self.is_quantized:
            inputs = self._quantized_input(inputs, (-1,))
        x = self._float8_product(ops.matmul, inputs, self.kernel) if self._float8 else ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            x = ops.add(x, self.bias)
        if self.activation is not None:
            x = self.activation(x)
        return x

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **weight_config(self, "kernel", "bias"),
            "quantization_config": self._quantization_config(),
            **self._lora_config(),
        }
        if self.activity_regularizer is None:
            del config["activity_regularizer"]  # as Keras writes it
        return config
