"""Optimizers, and `get`, `serialize`, `deserialize` for them."""

from __future__ import annotations

from typing import Any

from rustdl.optimizers import legacy, schedules
from rustdl.optimizers.adadelta import Adadelta
from rustdl.optimizers.adafactor import Adafactor
from rustdl.optimizers.adagrad import Adagrad
from rustdl.optimizers.adam import Adam
from rustdl.optimizers.adamax import Adamax
from rustdl.optimizers.adamw import AdamW
from rustdl.optimizers.ftrl import Ftrl
from rustdl.optimizers.lamb import Lamb
from rustdl.optimizers.lion import Lion
from rustdl.optimizers.loss_scale_optimizer import LossScaleOptimizer
from rustdl.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from rustdl.optimizers.muon import Muon
from rustdl.optimizers.nadam import Nadam
from rustdl.optimizers.optimizer import Optimizer
from rustdl.optimizers.rmsprop import RMSprop
from rustdl.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from rustdl.optimizers.sgd import SGD
from rustdl.saving import serialization_lib

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "legacy",
    "schedules",
    "serialize",
]

_ALL: dict[str, Any] = {
    name.lower(): value
    for name, value in list(globals().items())
    if isinstance(value, type) and issubclass(value, Optimizer | OptimizerMap)
}


def serialize(optimizer: Any) -> Any:
    """The JSON-able form of an optimizer."""
    return serialization_lib.serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The optimizer that a config stands for; class names in any case.

    Args:
        config: what `serialize` returned.
        custom_objects: names of your own classes.
    """
    if isinstance(config, dict) and str(config.get("class_name")).lower() in _ALL:
        config = {**config, "class_name": config["class_name"].lower()}
    return serialization_lib.deserialize_keras_object(config, module_objects=_ALL, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """An optimizer from a name, config or instance; None for None.

    Args:
        identifier: e.g. `"adam"`, `{"class_name": "Adam", "config": {...}}`, an `Optimizer`.

    Raises:
        ValueError: nothing is known by that name.

    Example:
        >>> import rustdl
        >>> type(rustdl.optimizers.get("rmsprop")).__name__
        'RMSprop'
    """
    if identifier is None:
        return None
    obj = identifier
    if isinstance(identifier, dict):
        obj = deserialize(identifier)
    elif isinstance(identifier, str):
        obj = deserialize({"class_name": identifier, "config": {}})
    if isinstance(obj, Optimizer):
        return obj
    from rustdl.utils.suggestions import unknown_identifier

    raise unknown_identifier("optimizer", identifier, _ALL)
