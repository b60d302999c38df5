"""Sum of several tensors."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.merging.base_merge import Merge


class Add(Merge):
    """The sum of a list of tensors.

    Args:
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.convert_to_tensor([[1.0, 4.0]])
        >>> y = rustdl.ops.convert_to_tensor([[3.0, 2.0]])
        >>> rustdl.layers.Add()([x, y]).tolist()
        [[4.0, 6.0]]
    """

    def _merge_function(self, inputs: Any) -> Any:
        output = inputs[0]
        for x in inputs[1:]:
            output = ops.add(output, x)
        return output


def add(inputs: Any, **kwargs: Any) -> Any:
    """`Add` as a function.

    Args:
        inputs: list of tensors.
        **kwargs: arguments of the layer.
    """
    return Add(**kwargs)(inputs)
