"""Smallest elements of several tensors."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.merging.base_merge import Merge


class Minimum(Merge):
    """The elementwise minimum of a list of tensors.

    Args:
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.convert_to_tensor([[1.0, 4.0]])
        >>> y = rustdl.ops.convert_to_tensor([[3.0, 2.0]])
        >>> rustdl.layers.Minimum()([x, y]).tolist()
        [[1.0, 2.0]]
    """

    def _merge_function(self, inputs: Any) -> Any:
        return self._accumulate(ops.minimum, inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """`Minimum` as a function.

    Args:
        inputs: list of tensors.
        **kwargs: arguments of the layer.
    """
    return Minimum(**kwargs)(inputs)
