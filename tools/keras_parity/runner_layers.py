"""Runs a layer: outputs, gradients, state, and ten training steps.

Options of a case:
    seed: Where the formula of the weights starts.
    eager: Only outputs of a call on arrays (layers for preprocessing, random layers with degenerate ranges).
    adapt: Data that `adapt` is called with first.
    drawn: With `eager`: what a random layer has drawn for its images; only `transform_images` is called.
    initial: Weights stay as their initializers make them, and are compared; by default they follow a formula.
    batch: False if the layer needs a known batch size.
    steps: False if there is nothing to learn from ten steps.
    calls: The number of calls that follow each other (moving averages), 1 by default.
    carried: The number of plain calls that follow each other: Keras tracks no states of recurrent layers, so that
        compiled functions on JAX forget them.
    class: Public name of what is built instead, where `name` says what is counted (a wrapper, say).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
from keras_parity.case import Case, Make, call_leaves, fill, fill_call, leaves, values
from keras_parity.library import Library

STEPS = 10
LEARNING_RATE = 0.05
MOMENTUM = 0.9


def run(case: Case, keras: Any, wide: bool) -> dict[str, np.ndarray]:
    """All results of a case."""
    library = Library(keras, "float64" if wide else "float32")
    with _zero_initializers(library), _double_bands(library):
        layer = _make(case, library)
        if "adapt" in case.options:
            layer.adapt(case.options["adapt"])
        if case.options.get("eager"):
            return _eager(case, library, layer)
        return _Differentiable(case, library, layer).run()


@contextlib.contextmanager
def _zero_initializers(library: Library) -> Iterator[None]:
    """Keras draws no random weights: ours replace them, and JAX would compile a program for each shape."""
    names = ("GlorotUniform", "Orthogonal", "RandomUniform", "TruncatedNormal", "RandomNormal", "HeNormal")

    def zeros(_: Any, shape: Any, dtype: Any = None) -> Any:
        return library.tensor(np.zeros(shape, library.floatx))

    with contextlib.ExitStack() as stack:
        for name in names if library.is_keras else ():
            stack.enter_context(mock.patch.object(getattr(library.keras.initializers, name), "__call__", zeros))
        yield


@contextlib.contextmanager
def _double_bands(library: Library) -> Iterator[None]:
    """In double precision so are the mel bands of Keras, which has them in float32 whatever the dtype of the layer."""
    kind = library.keras.layers.MelSpectrogram
    bands = functools.partialmethod(kind.linear_to_mel_weight_matrix, dtype="float64")
    wide = library.is_keras and library.floatx == "float64"
    with mock.patch.object(kind, "linear_to_mel_weight_matrix", bands) if wide else contextlib.nullcontext():
        yield


def _make(case: Case, library: Library) -> Any:
    # In double precision so are layers of half precision: the truth that both libraries round.
    args = {k: "float64" if k == "dtype" and library.floatx == "float64" else v for k, v in case.args.items()}
    return library.make(Make(case.options.get("class", case.name), args))


def _eager(case: Case, library: Library, layer: Any) -> dict[str, np.ndarray]:
    """Outputs on plain arrays."""
    arrays = iter([library.array(x.value()) for x in [*leaves(case.inputs), *leaves(call_leaves(case.call))]])
    inputs = fill(case.inputs, arrays)
    call = fill_call(case.call, arrays)
    if "drawn" in case.options:
        drawn = library.keras.tree.map_structure(
            lambda x: library.tensor(library.array(x)) if isinstance(x, np.ndarray) else x, case.options["drawn"]
        )
        return library.named("y", [layer.transform_images(library.tensor(inputs), drawn)])
    found: dict[str, np.ndarray] = {}
    for repeat in range(case.options.get("calls", 1)):
        outputs = library.flatten(layer(inputs, **call))
        found.update(library.named(f"call{repeat}.y", outputs))
    return found


class _Differentiable:
    """A layer that is called with tensors, has gradients and may have weights."""

    def __init__(self, case: Case, library: Library, layer: Any) -> None:
        self.case, self.library, self.layer = case, library, layer
        self.count = len(leaves(case.inputs))
        self.arrays = [library.array(x.value()) for x in [*leaves(case.inputs), *leaves(call_leaves(case.call))]]
        self.found: dict[str, np.ndarray] = {}

    def arguments(self, inputs: Any) -> tuple[Any, dict[str, Any]]:
        """Positional argument and keyword arguments of the call."""
        stream = iter(inputs)
        first = fill(self.case.inputs, stream)
        if isinstance(first, np.ndarray):
            first = self.library.array(first)
        call = fill_call(self.case.call, stream)
        if any(isinstance(v, Make) for v in call.values()):
            call = self.library.make(call)
        return first, call

    def run(self) -> dict[str, np.ndarray]:
        """Builds, then compares everything."""
        self.build()
        tensors = [self.library.tensor(a) for a in self.arrays]
        variables = [v.value for v in self.layer.trainable_variables]
        state = [v.value for v in self.layer.non_trainable_variables]
        step = self.library.value_and_grad(self.loss, 2)
        for repeat in range(self.case.options.get("calls", 1)):
            prefix = f"call{repeat}." if self.case.options.get("calls", 1) > 1 else ""
            (_, (outputs, state, losses)), (by_input, by_weight) = step(tensors, variables, state, 1.0, 0.0)
            self.found.update(self.library.named(f"{prefix}y", outputs))
            for i, g in enumerate(by_input):
                self.found[f"{prefix}gradient by input {i}"] = self.library.numpy(g)
            for w, g in zip(self.layer.trainable_variables, by_weight, strict=True):
                self.found[f"{prefix}gradient by {w.name} {tuple(w.shape)}"] = self.library.numpy(g)
            self.state(f"{prefix}state", state)
            if losses:
                self.found[f"{prefix}losses"] = np.stack([self.library.numpy(x) for x in losses])
        for repeat in range(self.case.options.get("carried", 0)):
            first, call = self.arguments(tensors)
            self.found.update(
                self.library.named(f"carried {repeat} y", self.library.flatten(self.layer(first, **call)))
            )
        if not self.library.is_keras:
            self.found.update(self.compiled())
        if variables and self.case.options.get("steps", True):
            initial = [v.value for v in self.layer.non_trainable_variables]
            train = self.reference_steps if self.library.is_keras else self.own_steps
            train(step, tensors, variables, initial)
        return self.found

    def build(self) -> None:
        """Calls the layer on symbols, compares their shapes, and sets the weights."""
        symbol = self.library.keras.KerasTensor

        def symbols(batch: bool) -> list[Any]:
            return [symbol(a.shape if batch else (None, *a.shape[1:]), str(a.dtype)) for a in self.arrays]

        first, call = self.arguments(symbols(True))
        if isinstance(first, np.ndarray):
            first = symbol(first.shape, str(first.dtype))
        self.spec("spec", self.layer(first, **call))
        if self.case.options.get("batch", True):
            first, call = self.arguments(symbols(False))
            if isinstance(first, np.ndarray):
                first = symbol((None, *first.shape[1:]), str(first.dtype))
            if not any(isinstance(x, np.ndarray) for x in self.library.flatten(call)):
                self.spec("spec of any batch", self.layer.compute_output_spec(first, **call))
        weights = self.layer.weights
        self.found["weights"] = np.array([f"{w.name} {tuple(w.shape)} {w.dtype}" for w in weights])
        for i, w in enumerate(weights):
            if self.case.options.get("initial"):
                self.found[f"initial {w.name} {tuple(w.shape)}"] = self.library.numpy(w.value)
            elif "float" in w.dtype:
                value = values(w.shape, self.case.options.get("seed", 10) + i) * 0.6
                positive = "variance" in w.name or "stddev" in w.name
                w.assign((np.abs(value) + 0.5 if positive else value).astype("float32").astype(self.library.floatx))

    def spec(self, name: str, outputs: Any) -> None:
        """Shapes and dtypes that the layer foretells."""
        if self.library.floatx == "float32":
            text = [f"{tuple(y.shape)} {self.library.dtype(y)}" for y in self.library.flatten(outputs)]
            self.found[name] = np.array(text)

    def state(self, name: str, values: Any) -> None:
        """Non-trainable weights; the states of random generators are each library's own."""
        ours = {id(v) for v in self.layer.non_trainable_weights}
        for v, value in zip(self.layer.non_trainable_variables, values, strict=True):
            if id(v) in ours and "seed" not in v.path:
                self.found[f"{name} {v.name} {tuple(v.shape)}"] = self.library.numpy(value)

    def loss(self, inputs: Any, variables: Any, state: Any, product: Any, error: Any) -> Any:
        """`product` times a fixed linear function of the outputs, plus `error` times their mean squared error."""
        first, call = self.arguments(inputs)
        outputs, state, losses = self.stateless(variables, state, first, call)
        value = product * self.library.contract(outputs) + error * self.error(outputs) + sum(losses)
        return value, (outputs, state, losses)

    def stateless(self, variables: Any, state: Any, first: Any, call: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Outputs, new state and losses. Keras' `stateless_call` casts no inputs and regularizes no outputs."""
        layer = self.layer
        mapping = [*zip(layer.trainable_variables, variables, strict=True)]
        mapping += zip(layer.non_trainable_variables, state, strict=True)
        with self.library.keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            outputs = self.library.flatten(layer(first, **call))
            losses = list(layer.losses)
        new = [scope.get_current_value(v) for v in layer.non_trainable_variables]
        return outputs, [v if n is None else n for n, v in zip(new, state, strict=True)], losses

    def error(self, outputs: Any) -> Any:
        """The mean squared difference from fixed numbers."""
        ops, total = self.library.keras.ops, 0.0
        for i, y in enumerate(outputs):
            if "float" in self.library.dtype(y):
                target = self.library.tensor(values(tuple(y.shape), 70 + i).astype(self.library.floatx))
                total = total + ops.mean(ops.square(ops.cast(y, self.library.floatx) - target))
        return total

    def weights_after(self, variables: Any, state: Any) -> None:
        """What ten steps made of the weights."""
        for w, value in zip(self.layer.trainable_variables, variables, strict=True):
            self.found[f"after steps: {w.name} {tuple(w.shape)}"] = self.library.numpy(value)
        self.state("after steps:", state)

    def reference_steps(self, step: Any, tensors: Any, variables: Any, state: Any) -> None:
        """Ten steps: gradients by Keras; momentum in numpy, as its SGD defines it, since eager JAX is slow at that."""
        weights = [self.library.numpy(v) for v in variables]
        velocities = [np.zeros_like(w) for w in weights]
        rate, momentum = (weights[0].dtype.type(x) for x in (LEARNING_RATE, MOMENTUM))
        for _ in range(STEPS):
            (_, (_, state, _)), (_, gradients) = step(tensors, weights, state, 0.0, 1.0)
            velocities = [
                momentum * v - rate * self.library.numpy(g) for v, g in zip(velocities, gradients, strict=True)
            ]
            weights = [w + v for w, v in zip(weights, velocities, strict=True)]
            constraints = [variable.constraint for variable in self.layer.trainable_variables]
            weights = [self.library.numpy(c(w)) if c else w for c, w in zip(constraints, weights, strict=True)]
        self.weights_after(weights, state)

    def own_steps(self, step: Any, tensors: Any, variables: Any, state: Any) -> None:
        """Ten steps, as users make them: through a compiled model."""
        model = _wrapper(self)
        model.compile(self.library.keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM))
        for _ in range(STEPS):
            model.train_on_batch(self.arrays or [np.zeros((1, 1), "float32")])
        self.weights_after(
            [v.value for v in self.layer.trainable_variables], [v.value for v in self.layer.non_trainable_variables]
        )

    def compiled(self) -> dict[str, np.ndarray]:
        """Outputs of the compiled layer: fused loops instead of single ops."""
        if self.case.options.get("calls", 1) > 1 or "carried" in self.case.options or not self.arrays:
            return {}
        variables = [v.value for v in self.layer.trainable_variables]
        state = [v.value for v in self.layer.non_trainable_variables]

        def outputs(*inputs: Any) -> Any:
            first, call = self.arguments(inputs)
            return self.stateless(variables, state, first, call)[0]

        found = self.library.keras.jit(outputs)(*(self.library.tensor(a) for a in self.arrays))
        return {f"compiled y{i}": self.library.numpy(y) for i, y in enumerate(found)}


def _wrapper(parts: _Differentiable) -> Any:
    """A model around the layer of a case, whose loss is the mean squared error."""

    class Wrapper(parts.library.keras.Model):  # type: ignore[misc,name-defined]
        """Calls the layer with all arguments of the case."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = parts.layer
            self.built = True

        def call(self, inputs: Any) -> Any:
            first, call = parts.arguments(inputs if parts.arrays else [])
            return parts.library.flatten(self.layer(first, **call))

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
            return parts.error(y_pred) + sum(self.losses)

    return Wrapper()
