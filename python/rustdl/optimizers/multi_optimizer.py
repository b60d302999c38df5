"""Different optimizers for different variables of one model."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from rustdl.optimizers.arena import pack_variables
from rustdl.optimizers.loss_scale_optimizer import LossScaleOptimizer
from rustdl.optimizers.optimizer import Optimizer
from rustdl.saving import serialization_lib


class OptimizerMap(MutableMapping[str, Any]):
    """Which optimizer a variable gets: by its path, by a regular expression that matches the path, else the default.

    Args:
        default_optimizer: for paths that no key matches.
        optimizer_map: dict from path or regular expression to optimizer.

    Example:
        >>> import rustdl
        >>> sgd, adam = rustdl.optimizers.SGD(), rustdl.optimizers.Adam()
        >>> chosen = rustdl.optimizers.OptimizerMap(sgd, {".*bias": adam})
        >>> chosen["dense/bias"] is adam, chosen["dense/kernel"] is sgd
        (True, True)
    """

    def __init__(self, default_optimizer: Any, optimizer_map: dict[str, Any] | None = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"default_optimizer must be a Keras Optimizer instance. Received: {default_optimizer}")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"optimizer_map must be a dictionary. Received: {optimizer_map}")
        self._default_optimizer = default_optimizer
        self._optimizer_map: dict[str, Any] = optimizer_map or {}

    @property
    def default_optimizer(self) -> Any:
        """The optimizer for paths that no key matches."""
        return self._default_optimizer

    def __getitem__(self, key: str) -> Any:
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matching = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(f"Multiple optimizers assigned to variable {key}: keys {matching} match.")
        return self._optimizer_map[matching[0]] if matching else self._default_optimizer

    def __setitem__(self, key: str, optimizer: Any) -> None:
        if key in self._optimizer_map:
            raise ValueError(
                f"'{key}' already exists in the OptimizerMap with value {self._optimizer_map[key]}. Please make sure "
                "to not use duplicated keys."
            )
        if not isinstance(key, str):
            raise ValueError(f"key must be a string. Received: {key}")
        _check_inner(optimizer, "optimizer")
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __call__(self, variable: Any) -> Any:
        """The optimizer of a variable, by its path."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a JSON-able dict."""
        return {
            "default_optimizer": serialization_lib.serialize_keras_object(self._default_optimizer),
            "optimizer_map": serialization_lib.serialize_keras_object(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> OptimizerMap:
        """Makes a map from the dict that `get_config` returned."""
        default = serialization_lib.deserialize_keras_object(config["default_optimizer"], custom_objects=custom_objects)
        chosen = serialization_lib.deserialize_keras_object(config["optimizer_map"], custom_objects=custom_objects)
        return cls(default, chosen)


def _check_inner(optimizer: Any, what: str, place: str = "in an OptimizerMap") -> None:
    """Only plain optimizers may be inside a `MultiOptimizer`."""
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"{what} must be a Keras Optimizer instance. Received: {optimizer}")
    for kind in (LossScaleOptimizer, MultiOptimizer):
        if isinstance(optimizer, kind):
            raise ValueError(f"{what} cannot be {kind.__name__}. {kind.__name__} cannot be used {place}.")


class MultiOptimizer(Optimizer):
    """Updates each variable with the optimizer that a map chooses for it.

    Args:
        optimizer_map: `OptimizerMap`, or a callable from a variable to its optimizer.
        loss_scale_factor: common scale of the loss.
        name: name of the optimizer.
    """

    def __init__(self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None) -> None:
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._optimizer_map = optimizer_map
        self._inner_optimizers: list[Any] = []
        if hasattr(optimizer_map, "values"):
            for optimizer in optimizer_map.values():
                self._add_inner(optimizer)
        if getattr(optimizer_map, "default_optimizer", None) is not None:
            self._add_inner(optimizer_map.default_optimizer)

    def _add_inner(self, optimizer: Any) -> int:
        """Index of an inner optimizer, added if it is new."""
        for i, known in enumerate(self._inner_optimizers):
            if known is optimizer:
                return i
        optimizer.loss_scale_factor = self.loss_scale_factor
        self._inner_optimizers.append(optimizer)
        return len(self._inner_optimizers) - 1

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        self._var_to_optimizer_idx: dict[int, int] = {}
        for variable in var_list:
            optimizer = self._optimizer_map(variable)
            _check_inner(optimizer, f"Optimizer for variable {variable.path}", "inside an MultiOptimizer")
            self._var_to_optimizer_idx[self._var_key(variable)] = self._add_inner(optimizer)
        for optimizer, own in zip(self._inner_optimizers, self._split(var_list), strict=True):
            if own:
                optimizer.build(own)
                pack_variables(own, optimizer.variables)
        super().build(var_list)

    def _split(self, var_list: Sequence[Any]) -> list[list[Any]]:
        """The variables of each inner optimizer."""
        parts: list[list[Any]] = [[] for _ in self._inner_optimizers]
        for variable in var_list:
            parts[self._var_to_optimizer_idx[self._var_key(variable)]].append(variable)
        return parts

    @property
    def optimizers(self) -> list[Any]:
        """The inner optimizers."""
        return self._inner_optimizers

    @property
    def variables(self) -> list[Any]:
        return [*self._variables, *(v for optimizer in self._inner_optimizers for v in optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """Not defined: each inner optimizer has its own."""
        raise AttributeError(
            "Learning rate cannot be accessed on a MultiOptimizer. Access the learning rate on the individual "
            "sub-optimizers instead."
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(
            "Learning rate cannot be set on a MultiOptimizer. Set the learning rate on the individual sub-optimizers "
            "instead."
        )

    @property  # type: ignore[override]
    def loss_scale_factor(self) -> float | None:
        """The common scale of the loss; setting it sets it on all inner optimizers."""
        return getattr(self, "_loss_scale_factor", None)

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale_factor = value
        for optimizer in getattr(self, "_inner_optimizers", ()):
            optimizer.loss_scale_factor = value

    @property
    def iterations(self) -> Any:
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        grads = list(grads)
        if not grads:
            return
        if trainable_variables is None:
            trainable_variables = self._variables_for(grads)
        if not self.built:
            self.build(trainable_variables)
            self.built = True
        if len(grads) != len(self._trainable_variables):
            raise ValueError(
                f"Gradients must match trainable variables one-to-one. Received {len(grads)} gradients and "
                f"{len(self._trainable_variables)} variables."
            )
        by_variable = {self._var_key(v): g for g, v in zip(grads, trainable_variables, strict=True)}
        for optimizer, own in zip(self._inner_optimizers, self._split(trainable_variables), strict=True):
            if own:
                optimizer.apply([by_variable[self._var_key(v)] for v in own], own)
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        for optimizer, own in zip(self._inner_optimizers, self._split(var_list), strict=True):
            if own:
                optimizer.finalize_variable_values(own)

    def set_weights(self, weights: Sequence[Any]) -> None:
        if not self.built:
            super().set_weights(weights)
        for variable, weight in zip(self.variables, weights, strict=False):
            variable.assign(weight)

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": serialization_lib.serialize_keras_object(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        config = dict(config)
        config["optimizer_map"] = serialization_lib.deserialize_keras_object(
            config["optimizer_map"], custom_objects=custom_objects
        )
        return cls(**config)
