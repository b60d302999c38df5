"""One layer applied to each time step."""

from __future__ import annotations

from typing import Any

from rustdl import ops, tree
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.call_spec import call_info
from rustdl.layers.core.wrapper import Wrapper
from rustdl.layers.rnn.recurrence import swap_time_and_batch
from rustdl.ops.operation import Operation

# Layers of ours whose result for one row depends on other rows, or which count their calls.
_SEES_THE_BATCH = frozenset({"BatchNormalization", "SpectralNormalization", "Lambda"})


def _is_rowwise(layer: Any) -> bool:
    """Whether a layer treats the rows of a batch alike and apart, so that time steps may be rows too."""
    return all(
        type(inner).__module__.startswith("rustdl.")
        and type(inner).__name__ not in _SEES_THE_BATCH
        and inner.activity_regularizer is None
        and not getattr(inner, "stateful", False)
        and getattr(inner, "noise_shape", None) is None
        for inner in layer._flatten_layers()
    )


class TimeDistributed(Wrapper):
    """Applies a layer to each slice along axis 1, with the same weights.

    Layers that treat each row of a batch by itself see all time steps as one batch; the others (batch normalisation,
    layers with an activity regularizer, layers that are not rustdl's) are called once for each step.

    Args:
        layer: The layer.
        **kwargs: Arguments of `Layer`.

    Call arguments:
        inputs: `(batch, time, ...)`.
        training: Passed on to the layer.
        mask: `(batch, time, ...)`; passed on to the layer where it takes one, and the mask of the outputs.

    Raises:
        ValueError: Not a layer, inputs of less than 3 dimensions, or a mask that does not fit the inputs.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.TimeDistributed(rustdl.layers.Conv2D(4, 3))
        >>> layer(rustdl.ops.ones((2, 5, 8, 8, 3))).shape
        (2, 5, 6, 6, 4)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    @staticmethod
    def _step_shape(shape: Any) -> tuple[Any, ...]:
        if not isinstance(shape, (tuple, list)) or len(shape) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, received: "
                f"{shape}"
            )
        return (shape[0], *shape[2:])

    def build(self, input_shape: Any = None) -> None:
        super().build(self._step_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        found = self.layer.compute_output_shape(self._step_shape(input_shape))
        return tree.map_shape_structure(lambda s: (s[0], input_shape[1], *s[1:]), found)

    def compute_output_spec(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The outputs as `KerasTensor`s, found by tracing one time step."""
        self._check_mask(inputs, mask)

        def one_step(x: Any) -> Any:
            return KerasTensor((x.shape[0], 1, *x.shape[2:]), dtype=x.dtype)

        found = Operation.compute_output_spec(
            self, one_step(inputs), training=training, mask=None if mask is None else one_step(mask)
        )
        return tree.map_structure(
            lambda y: KerasTensor((y.shape[0], inputs.shape[1], *y.shape[2:]), dtype=y.dtype), found
        )

    @staticmethod
    def _check_mask(inputs: Any, mask: Any) -> None:
        if mask is None:
            return
        given, wanted = tuple(mask.shape), tuple(inputs.shape)
        if len(given) < 2:
            raise ValueError(
                "The `mask` passed to the `TimeDistributed` layer must be at least 2D (e.g., `(batch_size, "
                f"timesteps)`), but it has {len(given)} dimension(s) with shape {given}."
            )
        if any(None not in (m, n) and m != n for m, n in zip(given[:2], wanted[:2], strict=True)):
            raise ValueError(
                f"The `mask` passed to the `TimeDistributed` layer has a shape {given} that is incompatible with the "
                f"input shape {wanted}. The first two dimensions of the mask (batch size and timesteps) must match the "
                f"input's first two dimensions. Expected mask shape prefix: ({wanted[0]}, {wanted[1]})."
            )

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        self._check_mask(inputs, mask)
        names = call_info(self.layer.call).names
        kwargs = {"training": training} if "training" in names and training is not None else {}
        mask = mask if "mask" in names else None
        run = self._as_one_batch if _is_rowwise(self.layer) else self._step_by_step
        return run(inputs, mask, kwargs)

    def _as_one_batch(self, inputs: Any, mask: Any, kwargs: dict[str, Any]) -> Any:
        batch, steps = inputs.shape[:2]

        def fold(x: Any) -> Any:
            return ops.reshape(x, (batch * steps, *x.shape[2:]))

        if mask is not None:
            kwargs = {**kwargs, "mask": fold(mask)}
        outputs = self.layer(fold(inputs), **kwargs)
        return tree.map_structure(lambda y: ops.reshape(y, (batch, steps, *y.shape[1:])), outputs)

    def _step_by_step(self, inputs: Any, mask: Any, kwargs: dict[str, Any]) -> Any:
        steps = []
        for t in range(inputs.shape[1]):
            own = kwargs if mask is None else {**kwargs, "mask": mask[:, t]}
            steps.append(self.layer(inputs[:, t], **own))
        return tree.map_structure(lambda *ys: swap_time_and_batch(ops.stack(list(ys))), *steps)
