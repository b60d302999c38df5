"""What the layers that combine several tensors elementwise share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import backend, ops
from rustdl.layers.layer import Layer


class Merge(Layer):
    """Combines a list of tensors whose shapes broadcast; inputs of lower rank get axes of size 1 after the batch axis.

    Subclasses implement `_merge_function(inputs)`.

    Args:
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _merge_function(self, inputs: Any) -> Any:
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        if not input_shape or not isinstance(input_shape[0], list | tuple):
            raise ValueError(
                "A merge layer should be called on a list of inputs. Received: "
                f"input_shape={input_shape} (not a list of shapes)"
            )
        batch_sizes = {s[0] for s in input_shape if s} - {None}
        if len(batch_sizes) > 1:
            raise ValueError(
                f"Cannot merge tensors with different batch sizes. Received tensors with shapes {input_shape}"
            )
        self.compute_output_shape(input_shape)  # raises where shapes do not broadcast
        self.built = True

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, list | tuple):
            raise ValueError(
                f"A merge layer should be called on a list of inputs. Received: inputs={inputs} (not a list of tensors)"
            )
        rank = max(len(x.shape) for x in inputs)
        if any(len(x.shape) != rank for x in inputs):
            inputs = [
                ops.reshape(x, (x.shape[0], *(1,) * (rank - len(x.shape)), *x.shape[1:])) if len(x.shape) < rank else x
                for x in inputs
            ]
        return self._merge_function(inputs)

    def _accumulate(self, op: Callable[[Any, Any], Any], inputs: Any) -> Any:
        """Folds the inputs with `op`; where one side is masked and the other not, the other one is taken."""
        output = output_mask = None
        for i, x in enumerate(inputs):
            mask = backend.get_keras_mask(x)
            if mask is not None:
                mask = ops.broadcast_to(ops.expand_dims(mask, -1), x.shape)
            if i == 0:
                output, output_mask = x, mask
                continue
            if mask is not None:
                x = ops.where(mask, x, output)
            if output_mask is not None:
                output = ops.where(output_mask, output, x)
            both = mask is not None and output_mask is not None
            output_mask = ops.logical_or(output_mask, mask) if both else None
            output = op(output, x)
        if output_mask is not None:
            backend.set_keras_mask(output, ops.any(output_mask, axis=-1))
        return output

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        output: tuple[int | None, ...] = tuple(input_shape[0][1:])
        for shape in input_shape[1:]:
            output = _broadcast(output, tuple(shape[1:]), input_shape, self.name)
        batch_sizes = {s[0] for s in input_shape if s} - {None}
        return (batch_sizes.pop() if len(batch_sizes) == 1 else None, *output)

    def compute_output_spec(self, inputs: Any) -> Any:
        shape = self.compute_output_shape([x.shape for x in inputs])
        return backend.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return None
        check_masks(inputs, mask)
        if any(m is None for m in mask):
            return None
        output = mask[0]
        for m in mask[1:]:
            output = ops.logical_or(output, m)
        return output


def check_masks(inputs: Any, mask: Any) -> None:
    """Raises ValueError unless both are lists of one length."""
    if not isinstance(mask, list | tuple):
        raise ValueError(f"`mask` should be a list. Received: mask={mask}")
    if not isinstance(inputs, list | tuple):
        raise ValueError(f"`inputs` should be a list. Received: inputs={inputs}")
    if len(mask) != len(inputs):
        raise ValueError(
            "The lists `inputs` and `mask` should have the same length. Received: "
            f"inputs={inputs} of length {len(inputs)}, and mask={mask} of length {len(mask)}"
        )


def _broadcast(a: tuple[Any, ...], b: tuple[Any, ...], shapes: Any, layer: str) -> tuple[Any, ...]:
    if len(a) < len(b):
        a, b = b, a
    out = list(a[: len(a) - len(b)])
    for m, n in zip(a[len(a) - len(b) :], b, strict=True):
        if m is None or n is None:
            out.append(None)
        elif n in (m, 1):
            out.append(m)
        elif m == 1:
            out.append(n)
        else:
            raise ValueError(
                f"Inputs have incompatible shapes. Received shapes {a} and {b} (without the batch axis) in the layer "
                f"'{layer}' (all inputs: {shapes}). Axes must be equal or 1."
            )
    return tuple(out)
