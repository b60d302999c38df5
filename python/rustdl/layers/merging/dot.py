"""Dot products between two tensors, example by example."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.merging.base_merge import Merge


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Sums products over one axis of each tensor, example by example.

    Args:
        x: tensor of rank >= 2.
        y: tensor of rank >= 2 with the same batch size.
        axes: int, or (axis of x, axis of y); default the last of x and the last but one (or last) of y.

    Returns:
        The remaining axes of x, then those of y; `(batch, 1)` when none remain.
    """
    a, b = _checked_axes(tuple(x.shape), tuple(y.shape), axes)
    x, y = ops.moveaxis(x, a, -1), ops.moveaxis(y, b, 1)
    x_rest, y_rest = tuple(x.shape[1:-1]), tuple(y.shape[2:])
    left = ops.reshape(x, (x.shape[0], -1 if x_rest else 1, x.shape[-1]))
    right = ops.reshape(y, (y.shape[0], y.shape[1], -1 if y_rest else 1))
    return ops.reshape(ops.matmul(left, right), (x.shape[0], *(x_rest + y_rest or (1,))))


def _checked_axes(x_shape: Any, y_shape: Any, axes: Any) -> tuple[int, int]:
    """Both axes, not negative; ValueError where they do not fit."""
    shapes = f"{x_shape} and {y_shape}"
    if len(x_shape) < 2 or len(y_shape) < 2:
        raise ValueError(f"Cannot do batch_dot on inputs with rank < 2. Received inputs with shapes {shapes}.")
    if None not in (x_shape[0], y_shape[0]) and x_shape[0] != y_shape[0]:
        raise ValueError(
            f"Cannot do batch_dot on inputs with different batch sizes. Received inputs with shapes {shapes}."
        )
    if axes is None:
        axes = (len(x_shape) - 1, len(y_shape) - (1 if len(y_shape) == 2 else 2))
    if isinstance(axes, int):
        axes = (axes, axes)
    if any(isinstance(a, list | tuple) for a in axes):
        raise ValueError(
            f"Multiple target dimensions are not supported. Expected: None, int, (int, int), Provided: {axes}"
        )
    a = axes[0] + len(x_shape) if axes[0] < 0 else axes[0]
    b = axes[1] + len(y_shape) if axes[1] < 0 else axes[1]
    if 0 in (a, b):
        raise ValueError(
            "Cannot perform batch_dot over axis 0. If your inputs are not batched, add a dummy batch dimension to your "
            "inputs using keras.ops.expand_dims(x, 0)"
        )
    if None not in (x_shape[a], y_shape[b]) and x_shape[a] != y_shape[b]:
        raise ValueError(
            f"Cannot do batch_dot on inputs with shapes {shapes} with axes={[a, b]}. x.shape[{a}] != y.shape[{b}] "
            f"({x_shape[a]} != {y_shape[b]})."
        )
    return a, b


class Dot(Merge):
    """Dot product of two tensors along one axis of each, example by example.

    Args:
        axes: int, or (axis of the first, axis of the second).
        normalize: whether both are scaled to unit length first, which gives the cosine.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.convert_to_tensor([[1.0, 2.0]])
        >>> rustdl.layers.Dot(axes=1)([x, x]).tolist()
        [[5.0]]
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, list | tuple):
                raise TypeError(
                    f"Invalid type for argument `axes`: it should be a list or an int. Received: axes={axes}"
                )
            if len(axes) != 2:
                raise ValueError(
                    f"Invalid format for argument `axes`: it should contain two elements. Received: axes={axes}"
                )
            if not all(isinstance(a, int) for a in axes):
                raise ValueError(
                    f"Invalid format for argument `axes`: list elements should be integers. Received: axes={axes}"
                )
        self.axes = axes
        self.normalize = normalize

    def _axis_pair(self, shapes: Any) -> tuple[int, int]:
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return tuple(a % len(s) if a < 0 else a for a, s in zip(axes, shapes, strict=True))  # type: ignore[return-value]

    def build(self, input_shape: Any) -> None:
        if (
            not isinstance(input_shape, list | tuple)
            or len(input_shape) != 2
            or not all(isinstance(s, list | tuple) for s in input_shape)
        ):
            raise ValueError(
                f"A `Dot` layer should be called on a list of 2 inputs. Received: input_shape={input_shape}"
            )
        first, second = input_shape
        a, b = self._axis_pair(input_shape)
        if None not in (first[a], second[b]) and first[a] != second[b]:
            raise ValueError(
                "Incompatible input shapes: axis values "
                f"{first[a]} (at axis {a}) != {second[b]} (at axis {b}). Full input shapes: {tuple(first)}, "
                f"{tuple(second)}"
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, list | tuple) or len(inputs) != 2:
            raise ValueError(f"A `Dot` layer should be called on exactly 2 inputs. Received: inputs={inputs}")
        return self._merge_function(inputs)

    def _merge_function(self, inputs: Any) -> Any:
        x, y = inputs
        a, b = self._axis_pair((x.shape, y.shape))
        if self.normalize:
            x, y = ops.normalize(x, axis=a), ops.normalize(y, axis=b)
        return batch_dot(x, y, (a, b))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        if not isinstance(input_shape, list | tuple) or len(input_shape) != 2:
            raise ValueError(
                f"A `Dot` layer should be called on a list of 2 inputs. Received: input_shape={input_shape}"
            )
        first, second = input_shape
        a, b = self._axis_pair(input_shape)
        rest = (
            *(n for i, n in enumerate(first) if i not in (0, a)),
            *(n for i, n in enumerate(second) if i not in (0, b)),
        )
        return (first[0], *(rest or (1,)))

    def compute_output_spec(self, inputs: Any) -> Any:
        return backend.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """`Dot` as a function.

    Args:
        inputs: list of two tensors.
        axes: int, or (axis of the first, axis of the second).
        **kwargs: arguments of the layer.
    """
    return Dot(axes=axes, **kwargs)(inputs)
