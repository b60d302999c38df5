"""The state of a layer: its weights, the layers inside, saving and loading of values."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from rustdl.backend.dtypes import is_float_dtype, standardize_dtype
from rustdl.backend.variable import Variable
from rustdl.utils.tracking import Tracker

F = TypeVar("F", bound=Callable[..., Any])


def _unique(values: Any) -> list[Any]:
    """The values without repeats, by identity, in order."""
    return list({id(x): x for x in values}.values())


def _shape_first(method: F) -> F:
    """Explains to callers who give the name first, as older versions of Keras took it, what to write instead."""

    @functools.wraps(method)
    def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], str):
            raise ValueError(
                f"{type(self).__name__}.add_weight: the first argument is the shape; give the name as a keyword "
                f"argument: `add_weight(shape=..., name={args[0]!r})`"
            )
        if len(args) > 3:
            raise TypeError(
                f"{type(self).__name__}.add_weight takes at most 3 positional arguments: shape, initializer and dtype; "
                f"received {args}"
            )
        if args and "shape" in kwargs:
            raise ValueError(
                f"{type(self).__name__}.add_weight: `shape` was passed both positionally and as a keyword argument: "
                f"{args[0]} and {kwargs['shape']}"
            )
        return method(self, *args, **kwargs)

    return cast(F, add_weight)


class LayerState:
    """Mixin of `Layer` with everything about weights."""

    _tracker: Tracker
    _trainable_variables: list[Any]
    _non_trainable_variables: list[Any]
    _layers: list[Any]
    _metrics: list[Any]
    _seed_generators: list[Any]
    _trainable: bool
    name: str
    built: bool

    def _ensure_tracker(self) -> None:
        if "_tracker" in self.__dict__:
            return
        stores: dict[str, list[Any]] = {
            name: []
            for name in ("_trainable_variables", "_non_trainable_variables", "_layers", "_metrics", "_seed_generators")
        }
        tracker = Tracker(
            {
                "trainable_variables": (_is_trainable_variable, stores["_trainable_variables"]),
                "non_trainable_variables": (_is_frozen_variable, stores["_non_trainable_variables"]),
                "metrics": (_is_metric, stores["_metrics"]),
                "layers": (_is_layer, stores["_layers"]),
                "seed_generators": (_is_seed_generator, stores["_seed_generators"]),
            },
            exclusions={"non_trainable_variables": ["trainable_variables"]},
        )
        for name, store in stores.items():
            object.__setattr__(self, name, store)
        object.__setattr__(self, "_tracker", tracker)

    @_shape_first
    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Makes a weight.

        Args:
            shape: Sizes, all known; scalar by default.
            initializer: Name or object; `"glorot_uniform"` for floats and `"zeros"` for others by default.
            dtype: By default that of the policy.
            trainable: Whether it is updated in training.
            autocast: Whether it is read in the compute dtype.
            regularizer: Penalty on it, added to the loss.
            constraint: Applied after each update.
            aggregation: How replicas would be merged.
            overwrite_with_gradient: Whether the gradient is its new value.
            name: Its name.

        Returns:
            The variable.
        """
        self._check_super_called()  # type: ignore[attr-defined]
        from rustdl import initializers

        if isinstance(shape, str):
            raise ValueError(
                f"add_weight: the first argument is the shape, but got the string {shape!r}; pass the name as "
                "`name=` keyword argument: add_weight(shape=..., name=...)"
            )
        shape = () if shape is None else shape
        dtype = standardize_dtype(dtype) if dtype is not None else self.variable_dtype  # type: ignore[attr-defined]
        if initializer is None:
            initializer = "glorot_uniform" if is_float_dtype(dtype) else "zeros"
        initializer = initializers.get(initializer)
        with self._open_name_scope():  # type: ignore[attr-defined]
            variable = Variable(
                initializer,
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        if regularizer is not None:
            from rustdl import regularizers

            variable.regularizer = regularizers.get(regularizer)
        if constraint is not None:
            from rustdl import constraints

            variable.constraint = constraints.get(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        self._track_variable(variable)
        return variable

    def add_variable(self, *args: Any, **kwargs: Any) -> Variable:
        """Another name of `add_weight`, with its arguments."""
        return self.add_weight(*args, **kwargs)

    def _track_variable(self, variable: Any) -> None:
        self._tracker.add_to_store("trainable_variables" if variable.trainable else "non_trainable_variables", variable)

    def _untrack_variable(self, variable: Any) -> None:
        locked = self._tracker.locked
        self._tracker.unlock()
        self._tracker.untrack(variable)
        if locked:
            self._tracker.lock()

    @property
    def trainable(self) -> bool:
        """Whether the weights are updated in training; setting it sets it for the layers inside too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        pending = [self]
        while pending:
            layer = pending.pop()
            object.__setattr__(layer, "_trainable", value)
            for v in layer._trainable_variables:
                v.trainable = value
            pending.extend(layer._layers)

    def _walk(self) -> list[Any]:
        """This layer and those inside, depth first, each once."""
        found: dict[int, Any] = {}
        pending: list[Any] = [self]
        while pending:
            layer = pending.pop()
            if id(layer) in found:
                continue
            found[id(layer)] = layer
            pending.extend(reversed(layer._layers))
        return list(found.values())

    @property
    def variables(self) -> list[Variable]:
        """All variables, states of seed generators included, each once."""
        found: list[Any] = []
        for layer in self._walk():
            found.extend(layer._trainable_variables)
            found.extend(layer._non_trainable_variables)
            found.extend(generator.state for generator in layer._seed_generators)
        return _unique(found)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that are updated in training."""
        return [v for v in self.variables if v.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that are not updated in training."""
        return [v for v in self.variables if not v.trainable] if self.trainable else self.variables

    @property
    def weights(self) -> list[Variable]:
        """The weights of this layer and those inside, without states of seed generators and metrics."""
        found: list[Any] = []
        for layer in self._walk():
            found.extend(layer._trainable_variables)
            found.extend(layer._non_trainable_variables)
        return _unique(found)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that are updated in training."""
        return [v for v in self.weights if v.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that are not updated in training."""
        return [v for v in self.weights if not v.trainable] if self.trainable else self.weights

    @property
    def metrics(self) -> list[Any]:
        """The metrics of this layer and those inside."""
        return _unique(metric for layer in self._walk() for metric in layer._metrics)

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of the metrics."""
        return [v for metric in self.metrics for v in metric.variables]

    def get_weights(self) -> list[Any]:
        """The weights as numpy arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Sets the weights from arrays in the order of `get_weights`.

        Raises:
            ValueError: Another number of arrays, or other shapes.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length "
                f"{len(weights)}, "
                f"but the layer was expecting {len(own)} weights."
            )
        for variable, value in zip(own, weights, strict=True):
            if tuple(variable.shape) != tuple(np.shape(value)):
                raise ValueError(
                    f"Layer {self.name} weight shape {tuple(variable.shape)} is not compatible with provided weight "
                    f"shape {tuple(np.shape(value))}."
                )
            variable.assign(value)

    def count_params(self) -> int:
        """The number of elements of all weights.

        Raises:
            ValueError: The layer has no weights yet.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. You can build it "
                f"manually via: `layer.build(input_shape)`."
            )
        from rustdl.utils.summary_utils import count_params

        return count_params(self.weights)

    def save_own_variables(self, store: Any) -> None:
        """Writes the layer's own weights into a dictionary, under their numbers.

        Args:
            store: Something that maps names to arrays.
        """
        for i, v in enumerate([*self._trainable_variables, *self._non_trainable_variables]):
            store[f"{i}"] = v

    def load_own_variables(self, store: Any) -> None:
        """Reads the layer's own weights from a dictionary like `save_own_variables`'.

        Raises:
            ValueError: The layer has no, or another number of weights.
        """
        own = [*self._trainable_variables, *self._non_trainable_variables]
        self._check_load_own_variables(store)
        for i, v in enumerate(own):
            v.assign(store[f"{i}"])

    def _check_load_own_variables(self, store: Any) -> None:
        own = [*self._trainable_variables, *self._non_trainable_variables]
        if len(store) != len(own):
            if not own and not self.built:
                raise ValueError(
                    f"Layer '{self.name}' was never built and thus it doesn't have any variables. However the weights "
                    f"file lists {len(store)} variables for this layer.\nIn most cases, this error indicates "
                    "that "
                    "either:\n\n1. The layer is owned by a parent layer that implements a `build()` method, but "
                    "calling "
                    "the parent's `build()` method did NOT create the state of the child layer. A `build()` method "
                    "must create ALL state for the layer, including the state of any children layers.\n\n2. You need "
                    "to implement the `def build_from_config(self, config)` method on the layer, to specify how to "
                    "rebuild it during loading. In this case, you might also want to implement the method that "
                    "generates the build config at saving time, `def get_build_config(self)`."
                )
            raise ValueError(
                f"Layer '{self.name}' expected {len(own)} variables, but received {len(store)} variables during "
                f"loading. Expected: {[v.name for v in own]}"
            )


def _is_trainable_variable(x: Any) -> bool:
    return isinstance(x, Variable) and x.trainable


def _is_frozen_variable(x: Any) -> bool:
    return isinstance(x, Variable) and not x.trainable


def _is_layer(x: Any) -> bool:
    from rustdl.layers.layer import Layer

    return isinstance(x, Layer)


def _is_metric(x: Any) -> bool:
    # A metric only exists where its module was imported. (Layers that adapt have an `update_state` too.)
    module = sys.modules.get("rustdl.metrics.metric")
    return module is not None and isinstance(x, module.Metric)


def _is_seed_generator(x: Any) -> bool:
    cls = type(x)
    return cls.__name__ == "SeedGenerator" or hasattr(cls, "initial_seed")
