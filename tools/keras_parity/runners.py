"""What is done with an object of a public class; each is the `function` of a `Call` and runs in both libraries."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras_parity.calls import resolve

STEPS = 10


def made(path: str, *arguments: Any, **options: Any) -> Callable[..., Any]:
    """A function that calls an object of the class `path`, made with the arguments."""

    def call(keras: Any, *inputs: Any, **kwargs: Any) -> Any:
        return resolve(keras, path)(*arguments, **options)(*inputs, **kwargs)

    return call


def round_trip(kind: str, name: str, **options: Any) -> Callable[..., Any]:
    """Serializes an object of `kind` (such as `losses`), makes it again from the configuration, and calls that.

    The configuration itself is compared too, letter by letter, and its numbers as float32 holds them: Keras writes some
    of them as it rounded them.
    """

    def call(keras: Any, *inputs: Any) -> Any:
        module = resolve(keras, kind)
        found = getattr(module, name)
        if isinstance(found, type):
            found = found(**options)
        config = module.serialize(found)
        again = module.deserialize(json.loads(json.dumps(config)))
        text = json.dumps(_rounded(config), sort_keys=True, default=str)
        return [again(*inputs), np.array(text)] if inputs else [np.array(text)]

    return call


def _rounded(config: Any) -> Any:
    if isinstance(config, dict):
        return {k: _rounded(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [_rounded(v) for v in config]
    return float(f"{config:.6g}") if isinstance(config, float) else config


def by_name(kind: str, name: str, **options: Any) -> Callable[..., Any]:
    """Finds an object of `kind` by the name that users give it, and calls it."""

    def call(keras: Any, *inputs: Any) -> Any:
        found = resolve(keras, kind).get(name)
        return (found(**options) if isinstance(found, type) else found)(*inputs)

    return call


def refuse_nothing(keras: Any, kind: str) -> list[bool]:
    """`get(None)` is None, `get` of a callable the callable, `get` of nonsense an error."""
    get = resolve(keras, kind).get

    def callable_(*_: Any) -> None:
        return None

    try:
        get("no such name")
    except ValueError:
        refused = True
    else:
        refused = False
    return [get(None) is None or kind == "activations", get(callable_) is callable_ or kind == "optimizers", refused]


def values(keras: Any, variables: Sequence[Any]) -> list[np.ndarray]:
    """What variables hold now, whatever is written to them later."""
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]


# --- losses ---


def loss_of(keras: Any, name: str, options: dict[str, Any], y_true: Any, y_pred: Any, weights: Any = None) -> Any:
    """A loss object's value."""
    return getattr(keras.losses, name)(**options)(y_true, y_pred, sample_weight=weights)


def masked(keras: Any, y_pred: Any, mask: Any) -> Any:
    """Predictions with a mask, as a layer leaves it: steps that it excludes are zero."""
    steps = keras.ops.where(keras.ops.expand_dims(mask, -1), y_pred, 0.0)
    return keras.layers.Masking()(steps)


def masked_loss_of(keras: Any, name: str, options: dict[str, Any], y_true: Any, y_pred: Any, mask: Any, w: Any) -> Any:
    """A loss object's value where the predictions have a mask."""
    return getattr(keras.losses, name)(**options)(y_true, masked(keras, y_pred, mask), sample_weight=w)


def dense(keras: Any, x: Any, units: int, activation: str | None, mask: bool = False) -> Any:
    """A model of one dense layer with weights of a formula; `mask`: steps of zeros are left out."""
    layers = [keras.Input(tuple(x.shape[1:]))]
    if mask:
        layers.append(keras.layers.Masking())
    layers.append(keras.layers.Dense(units, activation=activation))
    model = keras.Sequential(layers)
    kernel, bias = layers[-1].weights
    count = x.shape[-1] * units
    kernel.assign(0.4 * np.sin(np.arange(count) * 1.3 + 0.2).reshape(x.shape[-1], units))
    bias.assign(0.1 * np.cos(np.arange(units) * 0.9))
    return model


def train(
    keras: Any,
    name: str,
    options: dict[str, Any],
    x: Any,
    y: Any,
    weights: Any = None,
    units: int = 1,
    activation: str | None = None,
    mask: bool = False,
    rate: float = 0.1,
) -> list[Any]:
    """Ten steps of gradient descent of a dense model: the loss at each step, and the weights at the end."""
    model = dense(keras, x, units, activation, mask)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=getattr(keras.losses, name)(**options))
    given = [None if a is None else np.asarray(a) for a in (x, y, weights)]
    losses = [float(model.train_on_batch(given[0], given[1], sample_weight=given[2])) for _ in range(STEPS)]
    return [np.array(losses, "float32"), *values(keras, model.weights)]


# --- metrics ---


def metric(
    keras: Any, name: str, options: dict[str, Any], updates: Sequence[Sequence[Any]], once: Any = None
) -> list[Any]:
    """Results after each update, variables at the end, and the result after a reset and the first update again.

    An update is a tuple of labels, predictions and perhaps weights. `once`: another update, called as a function.
    """
    if "fn" in options:
        options = {**options, "fn": resolve(keras, options["fn"])}
    found = getattr(keras.metrics, name)(**options)
    results: list[Any] = []
    for update in updates:
        found.update_state(*update[:-1], sample_weight=update[-1])
        results.append(found.result())
    results += values(keras, found.variables)
    found.reset_state()
    results += values(keras, found.variables)
    results.append(found(*updates[0][:-1], sample_weight=updates[0][-1]))
    if once is not None:
        results.append(found(*once))
    return results


def compiled_metric(keras: Any, name: str, options: dict[str, Any], x: Any, y: Any, w: Any, units: int) -> list[Any]:
    """What `evaluate` of a small model reports, in batches of unequal size, with and without weights."""
    results = []
    for key in ("metrics", "weighted_metrics"):
        model = dense(keras, x, units, "sigmoid")
        model.compile(loss="mse", **{key: [getattr(keras.metrics, name)(**options)]})
        given = [np.asarray(a) for a in (x, y, w)]
        report = model.evaluate(given[0], given[1], sample_weight=given[2], batch_size=5, verbose=0, return_dict=True)
        results += [np.asarray(report[k], "float32") for k in sorted(report)]
    return results


# --- optimizers ---


def optimizer(
    keras: Any,
    name: str,
    options: dict[str, Any],
    start: Sequence[Any],
    gradients: Sequence[Sequence[Any]],
    names: Sequence[str] = (),
) -> list[Any]:
    """Steps with given gradients: the variables after each, the optimizer's own at the end."""
    names = names or [f"v{i}" for i in range(len(start))]
    variables = [keras.Variable(v, name=n) for v, n in zip(start, names, strict=True)]
    found = make_optimizer(keras, name, options)
    results = []
    for step in gradients:
        found.apply(list(step), variables)
        results += values(keras, variables)
    results += values(keras, found.variables)
    found.finalize_variable_values(variables)
    return [*results, *values(keras, variables), found.learning_rate]


def stateless_optimizer(
    keras: Any, name: str, options: dict[str, Any], start: Sequence[Any], gradients: Sequence[Sequence[Any]]
) -> list[Any]:
    """Steps with given gradients in the functional form: the variables after each, the state at the end."""
    variables = [keras.Variable(v) for v in start]
    found = make_optimizer(keras, name, options)
    found.build(variables)
    current, state = [v.value for v in variables], [v.value for v in found.variables]
    results = []
    for step in gradients:
        current, state = found.stateless_apply(state, list(step), current)
        results += current
    return [*results, *state]


def make_optimizer(keras: Any, name: str, options: dict[str, Any]) -> Any:
    """An optimizer; `learning_rate` may be a schedule as `(name, arguments)`, `inner` another optimizer likewise."""
    options = dict(options)
    if isinstance(options.get("learning_rate"), tuple):
        schedule, arguments = options["learning_rate"]
        options["learning_rate"] = getattr(keras.optimizers.schedules, schedule)(**arguments)
    if "inner" in options:
        inner, arguments = options.pop("inner")
        options["inner_optimizer"] = make_optimizer(keras, inner, arguments)
    return getattr(keras.optimizers, name)(**options)


def fit_with(keras: Any, name: str, options: dict[str, Any], x: Any, y: Any) -> list[Any]:
    """Ten compiled training steps of a model of two layers: losses, weights, the optimizer's variables."""
    layers = [keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input(tuple(x.shape[1:])), *layers])
    for i, w in enumerate(model.weights):
        size = int(np.prod(w.shape))
        w.assign(0.5 * np.sin(np.arange(size) * 1.1 + i + 0.3).reshape(w.shape))
    model.compile(optimizer=make_optimizer(keras, name, options), loss="mse")
    given = [np.asarray(a) for a in (x, y)]
    losses = [float(model.train_on_batch(*given)) for _ in range(STEPS)]
    return [np.array(losses, "float32"), *values(keras, model.weights), *values(keras, model.optimizer.variables)]


def schedule(keras: Any, name: str, options: dict[str, Any], steps: Sequence[float]) -> list[Any]:
    """A schedule at some steps, given as numbers and as one tensor each."""
    found = getattr(keras.optimizers.schedules, name)(**options)
    values = np.array([float(found(step)) for step in steps], "float32")
    tensors = np.array([float(found(keras.ops.convert_to_tensor(step))) for step in steps], "float32")
    return [values, tensors]
