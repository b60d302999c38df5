"""A recurrent layer in both directions of time."""

from __future__ import annotations

from typing import Any

from rustdl import ops, saving, tree
from rustdl.layers.call_spec import call_info
from rustdl.layers.layer import Layer
from rustdl.ops.operation import Operation
from rustdl.saving import serialization_lib

_MERGE_MODES = ("sum", "mul", "ave", "concat", None)


def _copy(layer: Any, **changes: Any) -> Any:
    """A new layer with the configuration of `layer`, its classes known whether registered or not."""
    classes = {type(x).__name__: type(x) for x in layer._flatten_layers()}
    with saving.custom_object_scope(classes):
        return type(layer).from_config({**layer.get_config(), **changes})


class Bidirectional(Layer):
    """Runs one recurrent layer forwards and one backwards, and joins their outputs (Schuster & Paliwal, 1997).

    Masked steps put out zeros where sequences are returned.

    Args:
        layer: An `RNN`, or a layer with its attributes `go_backwards`, `return_sequences`, `return_state`, `stateful`
            and `input_spec`. It is copied, not used.
        merge_mode: `"concat"`, `"sum"`, `"mul"`, `"ave"`, or `None` for both outputs.
        weights: Initial weights: those of the forward layer, then those of the backward layer.
        backward_layer: The layer for the other direction; by default a copy of `layer` that goes backwards.
        **kwargs: Arguments of `Layer`.

    Call arguments:
        sequences: `(batch, time, ...)`.
        initial_state: States of the forward layer, then of the backward layer, in one list.
        mask: `(batch, time)`.
        training: Whether to run in training mode.

    Returns:
        The joined outputs (in the order of the sequences), or two; with `return_state` a tuple of these, the forward
        layer's states and the backward layer's states.

    Raises:
        ValueError: Not a layer, an unknown mode, or layers that do not fit one another.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.Bidirectional(rustdl.layers.LSTM(4, return_sequences=True))
        >>> layer(rustdl.ops.ones((2, 5, 3))).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: {layer}"
            )
        if backward_layer is not None and not isinstance(backward_layer, Layer):
            raise ValueError(f"`backward_layer` need to be a `keras.layers.Layer` instance. Received: {backward_layer}")
        if merge_mode not in _MERGE_MODES:
            raise ValueError(
                f"Invalid merge mode. Received: {merge_mode}. Merge mode should be one of "
                '{"sum", "mul", "ave", "concat", None}'
            )
        super().__init__(**kwargs)
        self.forward_layer = _copy(layer, name=f"forward_{layer.name.removeprefix('forward_')}")
        if backward_layer is None:
            name = f"backward_{layer.name.removeprefix('backward_')}"
            backward_layer = _copy(layer, go_backwards=True, name=name)
        self.backward_layer = backward_layer
        for half in (self.forward_layer, self.backward_layer):
            if hasattr(layer, "use_cudnn"):
                half.use_cudnn = layer.use_cudnn
            if getattr(half, "zero_output_for_mask", None) is not None:
                half.zero_output_for_mask = half.return_sequences
        self._check_halves()
        self.merge_mode = merge_mode
        self._initial_weights = None if weights is None else list(weights)
        self.stateful = self.forward_layer.stateful
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_halves(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. Received: "
                f"forward_layer.go_backwards {forward.go_backwards}, "
                f"backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            a, b = getattr(forward, name), getattr(backward, name)
            if a != b:
                raise ValueError(
                    f'Forward layer and backward layer are expected to have the same value for attribute "{name}", '
                    f'got "{a}" for forward layer and "{b}" for backward layer'
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for half in (self.forward_layer, self.backward_layer):
            if not half.built:
                half.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)

    # --- shapes and masks ---

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        forward = self.forward_layer.compute_output_shape(sequences_shape)
        output, states = (forward[0], tuple(forward[1:])) if self.return_state else (forward, ())
        joined = (*output[:-1], 2 * output[-1]) if self.merge_mode == "concat" else tuple(output)
        outputs = (joined,) if self.merge_mode else (joined, joined)
        if self.return_state:
            return (*outputs, *states, *states)
        return joined if self.merge_mode else list(outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as `KerasTensor`s, from those of the two layers."""
        return Operation.compute_output_spec(self, *args, **kwargs)

    def compute_mask(self, _: Any, mask: Any) -> Any:
        """The mask of the sequences for sequences that come out; states have none."""
        mask = tree.flatten(mask)[0] if self.return_sequences else None
        outputs = (mask,) if self.merge_mode else (mask, mask)
        if self.return_state:
            count = len(tree.flatten(self.forward_layer.state_size))
            return (*outputs, *(None for _ in range(2 * count)))
        return mask if self.merge_mode else outputs

    # --- computation ---

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
        forward_state, backward_state = self._split(initial_state)
        y = self._run_half(self.forward_layer, sequences, forward_state, mask, training)
        z = self._run_half(self.backward_layer, sequences, backward_state, mask, training)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*y[1:], *z[1:])
            y, z = y[0], z[0]
        y, z = ops.cast(y, self.compute_dtype), ops.cast(z, self.compute_dtype)
        if self.return_sequences:
            # Whichever of the two goes backwards gives its outputs in reverse.
            y = ops.flip(y, axis=1) if self.forward_layer.go_backwards else y
            z = ops.flip(z, axis=1) if self.backward_layer.go_backwards else z
        outputs = self._merge(y, z)
        if self.return_state:
            return (*outputs, *states) if self.merge_mode is None else (outputs, *states)
        return outputs

    def _split(self, initial_state: Any) -> tuple[Any, Any]:
        if initial_state is None:
            return None, None
        if not isinstance(initial_state, (list, tuple)) or len(initial_state) % 2:
            raise ValueError(
                f"Layer {self.name}: `initial_state` must be a list of the forward layer's states followed by the "
                f"backward layer's, an even number. Received: {initial_state}"
            )
        half = len(initial_state) // 2
        return list(initial_state[:half]), list(initial_state[half:])

    @staticmethod
    def _run_half(layer: Any, sequences: Any, initial_state: Any, mask: Any, training: Any) -> Any:
        names = call_info(layer.call).names
        given = {"initial_state": initial_state, "mask": mask, "training": training}
        return layer(sequences, **{k: v for k, v in given.items() if v is not None and k in names})

    def _merge(self, y: Any, z: Any) -> Any:
        if self.merge_mode == "concat":
            return ops.concatenate([y, z], axis=-1)
        if self.merge_mode == "sum":
            return y + z
        if self.merge_mode == "ave":
            return (y + z) / 2
        return y * z if self.merge_mode == "mul" else (y, z)

    # --- state ---

    @property
    def states(self) -> Any:
        """The states of both layers, or `None`."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return (*forward, *backward) if forward and backward else None

    def reset_states(self) -> None:
        """The same as `reset_state`."""
        self.reset_state()

    def reset_state(self) -> None:
        """Sets the states of both layers to zero.

        Raises:
            AttributeError: The layers are not stateful.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": serialization_lib.serialize_keras_object(self.forward_layer),
            "backward_layer": serialization_lib.serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = serialization_lib.deserialize_keras_object(config[name], custom_objects=custom_objects)
        return cls(**config)
