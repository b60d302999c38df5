"""Layers one after the other, as one layer."""

from __future__ import annotations

from typing import Any

from rustdl import tree
from rustdl.backend.masking import get_keras_mask
from rustdl.layers.call_spec import call_info
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.saving import serialization_lib


class Pipeline(DataLayer):
    """Calls layers in order: a chain of preprocessing layers without a model around it.

    Inputs reach the first layer as they are, so it may be one that takes text.

    Args:
        layers: the layers.
        name: automatic by default.

    Example:
        >>> import rustdl
        >>> pipeline = rustdl.layers.Pipeline([rustdl.layers.Rescaling(2.0), rustdl.layers.Rescaling(1.0, offset=1.0)])
        >>> pipeline(rustdl.ops.array([1.0, 2.0]), training=False).tolist()
        [3.0, 5.0]
    """

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._pipeline_layers = list(layers)
        self._convert_input_args = False

    @property
    def layers(self) -> list[Any]:
        """The layers, in order."""
        return list(self._pipeline_layers)

    def call(self, inputs: Any, training: Any = True, mask: Any = None) -> Any:
        for layer in self._pipeline_layers:
            names = call_info(layer.call).names
            kwargs = {"mask": mask} if "mask" in names else {}
            if training is not None and "training" in names:
                kwargs["training"] = training
            inputs = layer(inputs, **kwargs)
            mask = tree.map_structure(get_keras_mask, inputs)
        return inputs

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        layers = config.get("layers")
        if not isinstance(layers, list | tuple):
            raise ValueError(
                "`Pipeline` config must contain a `layers` key mapping to a list of serialized layers. "
                f"Received config with layers={layers}."
            )
        return cls(**{**config, "layers": [serialization_lib.deserialize_keras_object(x) for x in layers]})

    def get_config(self) -> dict[str, Any]:
        return {"layers": serialization_lib.serialize_keras_object(list(self._pipeline_layers)), "name": self.name}
