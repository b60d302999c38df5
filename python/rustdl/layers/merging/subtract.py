"""Difference of several tensors."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.merging.base_merge import Merge


class Subtract(Merge):
    """The first of two tensors minus the second.

    Args:
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.convert_to_tensor([[1.0, 4.0]])
        >>> y = rustdl.ops.convert_to_tensor([[3.0, 2.0]])
        >>> rustdl.layers.Subtract()([x, y]).tolist()
        [[-2.0, 2.0]]
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(
                f"A `Subtract` layer should be called on exactly 2 inputs. Received: input_shape={input_shape}"
            )

    def _merge_function(self, inputs: Any) -> Any:
        return ops.subtract(inputs[0], inputs[1])


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """`Subtract` as a function.

    Args:
        inputs: list of tensors.
        **kwargs: arguments of the layer.
    """
    return Subtract(**kwargs)(inputs)
