"""Layers that make their cell themselves: the cell's arguments are seen on the layer and stand in its configuration."""

from __future__ import annotations

from typing import Any

from rustdl import regularizers
from rustdl.layers.rnn.rnn import RNN

_OF_BASE_LAYER = ("name", "trainable", "dtype")


def of_cell(name: str) -> Any:
    """A property that is the cell's attribute of the same name."""
    return property(lambda self: getattr(self.cell, name), doc=f"`{name}` of the cell.")


class CellLayer(RNN):
    """`RNN` with a cell of its own: base class of `SimpleRNN`, `LSTM`, `GRU` and `ConvLSTM`."""

    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")
    seed = of_cell("seed")

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["cell"]
        cell = {k: v for k, v in self.cell.get_config().items() if k not in _OF_BASE_LAYER}
        return {**config, **cell, "activity_regularizer": regularizers.serialize(self.activity_regularizer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        return cls(**config)


class FusedLayer(CellLayer):
    """A layer for which there may be a fused kernel over all time steps.

    Args:
        use_cudnn: `"auto"`, True or False.
        **kwargs: arguments of `RNN`.
    """

    def __init__(self, cell: Any, use_cudnn: Any = "auto", **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                "Invalid valid received for argument `use_cudnn`. Expected one of {'auto', True, False}. "
                f"Received: use_cudnn={use_cudnn}"
            )
        self.use_cudnn = use_cudnn
