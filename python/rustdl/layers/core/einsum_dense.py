"""Dense layers of any shape, described by an einsum equation."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rustdl import activations, ops
from rustdl.initializers import VarianceScaling
from rustdl.layers._weights import (
    LowRankAdaptation,
    add_weight,
    set_weight_arguments,
    weight_config,
)
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class EinsumDense(LowRankAdaptation, Layer):
    """`activation(einsum(equation, x, kernel) + bias)`.

    Args:
        equation: such as `"ab,bc->ac"` or `"...x,xy->...y"`; the kernel's shape follows from it.
        output_shape: sizes of the output without the batch axis and elided axes; None for unknown ones.
        activation: name or function, None for none.
        bias_axes: letters of the output's axes that the bias has, None for no bias.
        kernel_initializer: initializer of the kernel; variance scaling takes its fans from the equation.
        bias_initializer: initializer of the bias.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        kernel_constraint: projection of the kernel after each update.
        bias_constraint: projection of the bias after each update.
        lora_rank: rank of a low-rank adaptation, None for none.
        lora_alpha: its scale times the rank.
        gptq_unpacked_column_size: outputs of a kernel with 4-bit integers of GPTQ, which files of Keras mention; it
            follows from the shapes, and is only checked.
        quantization_config: how `quantize` does it by default.
        **kwargs: arguments of `Layer`, `activity_regularizer` among them.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")
        >>> layer(rustdl.ops.ones((2, 3, 4))).shape
        (2, 3, 5)
    """

    _modes = ("int8", "int4", "float8", "gptq", "awq")
    kernel_initializer: Any

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._init_quantization(quantization_config)
        self.gptq_unpacked_column_size = gptq_unpacked_column_size
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
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

    def build(self, input_shape: Any) -> None:
        plan = _analyze(self.equation, self.bias_axes, input_shape, self.partial_output_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        initializer = self.kernel_initializer
        if isinstance(initializer, VarianceScaling) and None in (initializer.input_axes, initializer.output_axes):
            config = {**initializer.get_config(), "seed": initializer.seed}
            config.update(input_axes=plan.input_axes, output_axes=plan.output_axes)
            initializer = type(initializer).from_config(config)
        self._contracted = tuple(plan.input_axes)
        if self.quantization_mode not in (None, "float8"):
            self.quantized_build(plan.kernel_shape, self.quantization_mode)
            self._check_column_size()
        else:
            self._kernel = add_weight(self, "kernel", plan.kernel_shape, initializer=initializer)
        self.bias = None if plan.bias_shape is None else add_weight(self, "bias", plan.bias_shape)
        if self.quantization_mode == "float8":
            self.quantized_build(plan.kernel_shape, "float8")
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def _check_column_size(self) -> None:
        size = self.gptq_unpacked_column_size
        if size is not None and self._stored_mode == "gptq" and size != self._matrix_shape()[1]:
            raise ValueError(
                f"Layer '{self.name}': the kernel has {self._matrix_shape()[1]} outputs, but "
                f"gptq_unpacked_column_size={size}"
            )

    def _shared_axes(self) -> tuple[int, ...]:
        return self._contracted

    def _contracted_inputs(self, rank: int) -> tuple[int, ...]:
        """The axes of an input of this rank that the product sums over."""
        operands, outputs = self.equation.replace(" ", "").split("->")
        letters = operands.split(",")[0]
        named = letters.replace("...", "")
        offset = rank - len(named) if letters.startswith("...") else 0
        return tuple(i + offset for i, letter in enumerate(named) if letter not in outputs)

    def _samples(self, x: Any) -> Any:
        # Contracted axes last, in the order of the kernel.
        operands, outputs = self.equation.replace(" ", "").split("->")
        letters, kernel = operands.split(",")
        summed = [letter for letter in letters.replace("...", "") if letter not in outputs]
        axes = dict(zip(summed, self._contracted_inputs(x.ndim), strict=True))
        last = [axes[letter] for letter in kernel if letter in axes]
        return super()._samples(ops.transpose(x, [a for a in range(x.ndim) if a not in last] + last))

    def _scale_letters(self) -> tuple[str, str]:
        """The letters of the kernel, and those of the output as the scale broadcasts with it."""
        operands, outputs = self.equation.replace(" ", "").split("->")
        return operands.split(",")[1], outputs.replace("...", "")

    def _scale_shape(self) -> tuple[int, ...]:
        kernel, outputs = self._scale_letters()
        sizes = dict(zip(kernel, self._stored_shape, strict=True))
        return tuple(sizes.get(letter, 1) for letter in outputs)

    def _scale_stored(self, scale: Any) -> Any:
        kernel, outputs = self._scale_letters()
        shared = [i for i, letter in enumerate(kernel) if letter not in outputs]
        kept = sorted((i for i in range(len(kernel)) if i not in shared), key=lambda i: outputs.index(kernel[i]))
        return ops.reshape(ops.transpose(scale, [*kept, *shared]), self._scale_shape())

    def _scale_of_weight(self, scale: Any) -> Any:
        kernel, outputs = self._scale_letters()
        sizes = dict(zip(kernel, self._stored_shape, strict=True))
        kept = [letter for letter in outputs if letter in kernel]
        scale = ops.reshape(scale, [sizes[letter] for letter in kept])
        order = [letter for letter in kernel if letter in kept]
        scale = ops.transpose(scale, [kept.index(letter) for letter in order])
        return ops.reshape(scale, [sizes[letter] if letter in kept else 1 for letter in kernel])

    @property
    def kernel(self) -> Any:
        """The kernel in use: with the low-rank term if there is one, as floats if it is quantized."""
        return self._lora_merged()

    def call(self, inputs: Any, training: Any = None) -> Any:
        if self.is_quantized:
            inputs = self._quantized_input(inputs, self._contracted_inputs(len(inputs.shape)))
        if self._float8:
            x = self._float8_product(lambda x, kernel: ops.einsum(self.equation, x, kernel), inputs, self.kernel)
        else:
            x = ops.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            x = ops.add(x, self.bias)
        if self.activation is not None:
            x = self.activation(x)
        return x

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return tuple(_analyze(self.equation, self.bias_axes, input_shape, self.partial_output_shape).output_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            **weight_config(self, "kernel", "bias"),
            "quantization_config": self._quantization_config(),
            **self._lora_config(),
        }


class _Plan(NamedTuple):
    """Shapes that follow from an equation and an input shape."""

    kernel_shape: list[Any]
    bias_shape: list[Any] | None
    output_shape: list[Any]
    input_axes: list[int]
    output_axes: list[int]


_FORMS = (
    (re.compile(r"^([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)$"), False),
    (re.compile(r"^\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)$"), True),
    (re.compile(r"^([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\.$"), False),
)


def _analyze(equation: str, bias_axes: str | None, input_shape: Any, output_shape: Any) -> _Plan:
    """Kernel, bias and output shapes, or ValueError for an equation that does not fit."""
    for form, left_elided in _FORMS:
        match = form.match(equation.replace(" ", ""))
        if match:
            return _shapes(match.groups(), bias_axes, tuple(input_shape), output_shape, left_elided)
    raise ValueError(
        f"Invalid einsum equation '{equation}'. Equations must be in the form [X],[Y]->[Z], ...[X],[Y]->...[Z], or "
        "[X]...,[Y]->[Z]...."
    )


def _shapes(
    parts: Any, bias_axes: str | None, input_shape: tuple[Any, ...], partial_shape: Any, left_elided: bool
) -> _Plan:
    inputs, weights, outputs = parts
    elided = len(input_shape) - len(inputs)
    offset = elided if left_elided else 0
    output_shape = [input_shape[0], *partial_shape]
    if elided > 0:
        # The first elided axis on the left is the batch axis, which is there already.
        output_shape = (
            [input_shape[0], *input_shape[1:elided], *partial_shape]
            if left_elided
            else [*output_shape, *input_shape[len(input_shape) - elided :]]
        )
    in_dim = {dim: input_shape[i + offset] for i, dim in enumerate(inputs)}
    out_dim = {dim: output_shape[i + offset] for i, dim in enumerate(outputs)}
    for i, dim in enumerate(outputs):
        if out_dim[dim] is None and dim in in_dim:
            out_dim[dim] = output_shape[i + offset] = in_dim[dim]
    for dim in inputs:
        if dim in out_dim and out_dim[dim] is not None and out_dim[dim] != in_dim[dim]:
            raise ValueError(
                f"Input shape and output shape do not match at shared dimension '{dim}'. Input shape is {in_dim[dim]}, "
                f"and output shape is {out_dim[dim]}."
            )
    for dim in outputs:
        if dim not in inputs and dim not in weights:
            raise ValueError(
                f"Dimension '{dim}' was specified in the output '{outputs}' but has no corresponding dim in the input "
                f"spec '{inputs}' or weight spec '{weights}'"
            )
    kernel_shape, input_axes, output_axes = [], [], []
    for i, dim in enumerate(weights):
        if dim in out_dim:
            kernel_shape.append(out_dim[dim])
            output_axes.append(i)
        elif dim in in_dim:
            kernel_shape.append(in_dim[dim])
            input_axes.append(i)
        else:
            raise ValueError(
                f"Weight dimension '{dim}' did not have a match in either the input spec '{inputs}' or the output spec "
                f"'{outputs}'. For this layer, the weight must be fully specified."
            )
    bias_shape = None
    if bias_axes is not None:
        bias_shape = _bias_shape(bias_axes, outputs, out_dim, 0 if left_elided else elided)
    return _Plan(kernel_shape, bias_shape, output_shape, input_axes, output_axes)


def _bias_shape(bias_axes: str, outputs: str, sizes: dict[str, Any], trailing: int) -> list[Any]:
    for dim in bias_axes:
        if dim not in outputs:
            raise ValueError(f"Bias dimension '{dim}' was requested, but is not part of the output spec '{outputs}'")
    first = min(outputs.find(dim) for dim in bias_axes)
    return [sizes[dim] if dim in bias_axes else 1 for dim in outputs[first:]] + [1] * trailing
