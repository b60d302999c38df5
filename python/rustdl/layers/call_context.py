"""What layers pass on to the layers that they call: `training` and arguments like it."""

from __future__ import annotations

from typing import Any


class CallContext:
    """The context of one call of a layer.

    Args:
        layer: The layer.
        outer: The context of the layer that calls it, or `None`.
    """

    __slots__ = ("entry_layer", "values")

    def __init__(self, layer: Any, outer: CallContext | None) -> None:
        self.entry_layer: Any = layer if outer is None else outer.entry_layer
        self.values: dict[str, Any] = {} if outer is None else dict(outer.values)

    def get_value(self, name: str, default: Any = None) -> Any:
        """The value of an argument in this context."""
        return self.values.get(name, default)

    def set_value(self, name: str, value: Any) -> None:
        """Sets the value of an argument for this layer and those inside."""
        self.values[name] = value

    @property
    def training(self) -> Any:
        """The value of `training`."""
        return self.values.get("training")

    def resolve(self, name: str, given: Any, spec: Any) -> Any:
        """The value of an argument: given explicitly, else the outer layer's, else the signature's default."""
        explicit = given if name not in spec.info.defaults or name in spec.given else None
        if explicit is None:
            explicit = self.values.get(name)
        if explicit is None:
            explicit = spec.info.defaults.get(name)
        self.values[name] = explicit
        return explicit
