"""Tensors joined along an axis."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.merging.base_merge import Merge, check_masks


class Concatenate(Merge):
    """Joins a list of tensors along an axis; all other sizes must agree.

    Args:
        axis: the axis.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Concatenate()([rustdl.ops.ones((1, 2)), rustdl.ops.ones((1, 3))]).shape
        (1, 5)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        if len(input_shape) < 1 or not isinstance(input_shape[0], list | tuple):
            raise ValueError(
                "A `Concatenate` layer should be called on a list of at least 1 input. Received: "
                f"input_shape={input_shape}"
            )
        message = (
            "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. Received: "
            f"input_shape={input_shape}"
        )
        ranks = {len(shape) for shape in input_shape}
        if len(ranks) != 1:
            raise ValueError(message)
        rank = ranks.pop()
        if not -rank <= self.axis < rank:
            raise ValueError(f"Axis {self.axis} is out of bounds. {message}")
        for i in range(rank):
            if i != self.axis % rank and len({shape[i] for shape in input_shape} - {None}) > 1:
                raise ValueError(message)
        self.built = True

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, list | tuple):
            raise ValueError(f"A `Concatenate` layer should be called on a list of inputs. Received: inputs={inputs}")
        return self._merge_function(inputs)

    def _merge_function(self, inputs: Any) -> Any:
        return ops.concatenate(list(inputs), axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        if not isinstance(input_shape, list | tuple) or not isinstance(input_shape[0], list | tuple):
            raise ValueError(
                f"A `Concatenate` layer should be called on a list of inputs. Received: input_shape={input_shape}"
            )
        output = list(input_shape[0])
        sizes = [shape[self.axis] for shape in input_shape]
        output[self.axis] = None if None in sizes else sum(sizes)
        return tuple(output)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return None
        check_masks(inputs, mask)
        if all(m is None for m in mask):
            return None
        full = []
        for x, m in zip(inputs, mask, strict=True):
            if m is None:
                full.append(ops.ones_like(x, dtype="bool"))
            elif len(m.shape) < len(x.shape):
                full.append(ops.logical_or(ops.expand_dims(m, -1), ops.zeros_like(x, dtype="bool")))
            else:
                full.append(m)
        return ops.any(ops.concatenate(full, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate` as a function.

    Args:
        inputs: list of tensors.
        axis: the axis.
        **kwargs: arguments of the layer.
    """
    return Concatenate(axis=axis, **kwargs)(inputs)
