"""Product of several tensors."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.merging.base_merge import Merge


class Multiply(Merge):
    """The elementwise product of a list of tensors; masked elements count as 1.

    Args:
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.convert_to_tensor([[1.0, 4.0]])
        >>> y = rustdl.ops.convert_to_tensor([[3.0, 2.0]])
        >>> rustdl.layers.Multiply()([x, y]).tolist()
        [[3.0, 8.0]]
    """

    def _merge_function(self, inputs: Any) -> Any:
        masks = [backend.get_keras_mask(x) for x in inputs]
        output = output_mask = None
        for x, mask in zip(inputs, masks, strict=True):
            if mask is not None:
                mask = ops.broadcast_to(ops.expand_dims(mask, -1), x.shape)
                x = ops.where(mask, x, ops.ones_like(x))
                output_mask = mask if output_mask is None else ops.logical_or(output_mask, mask)
            output = x if output is None else ops.multiply(output, x)
        if output_mask is not None and all(mask is not None for mask in masks):
            output = ops.where(output_mask, output, ops.zeros_like(output))
            backend.set_keras_mask(output, ops.any(output_mask, axis=-1))
        return output


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """`Multiply` as a function.

    Args:
        inputs: list of tensors.
        **kwargs: arguments of the layer.
    """
    return Multiply(**kwargs)(inputs)
