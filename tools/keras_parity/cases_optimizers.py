"""Optimizers over ten steps with given gradients and in compiled training; learning rate schedules."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

from typing import Any

import numpy as np
from keras_parity import runners
from keras_parity.calls import Call, Numbers, Table, grid
from keras_parity.goldens import NAMES, golden

optimizer_cases = golden("optimizer_cases")
_N = Numbers(34)
_T = Table("optimizers")
_S = Table("optimizers.schedules")
STEPS = 10
# A scalar, a vector, matrices (wide, tall), and kernels of convolutions.
_SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 5), (6, 2), (2, 2, 3, 4))
_NAMES = ("gain", "bias", "wide_kernel", "tall_kernel", "conv_kernel")

OWN: dict[str, list[dict[str, Any]]] = {
    "SGD": [*grid(learning_rate=(0.01, 0.3), momentum=(0.0, 0.9), nesterov=(False, True))],
    "RMSprop": [*grid(rho=(0.9, 0.5), momentum=(0.0, 0.7), centered=(False, True), epsilon=(1e-7, 1e-2))],
    "Adagrad": [*grid(learning_rate=(0.001, 0.2), initial_accumulator_value=(0.1, 0.0, 2.0), epsilon=(1e-7, 1e-2))],
    "Adadelta": [*grid(learning_rate=(0.001, 1.0), rho=(0.95, 0.5), epsilon=(1e-7, 1e-2))],
    "Adam": [*grid(beta_1=(0.9, 0.5), beta_2=(0.999, 0.7), epsilon=(1e-7, 1e-2), amsgrad=(False, True))],
    "AdamW": [*grid(weight_decay=(0.004, 0.2), beta_1=(0.9, 0.5), amsgrad=(False, True))],
    "Adamax": [*grid(beta_1=(0.9, 0.5), beta_2=(0.999, 0.7), epsilon=(1e-7, 1e-2))],
    "Nadam": [*grid(beta_1=(0.9, 0.5), beta_2=(0.999, 0.7), epsilon=(1e-7, 1e-2))],
    "Ftrl": [
        *grid(
            learning_rate_power=(-0.5, -0.3),
            initial_accumulator_value=(0.1, 0.5),
            l1_regularization_strength=(0.0, 0.2),
            l2_regularization_strength=(0.0, 0.1),
            l2_shrinkage_regularization_strength=(0.0, 0.02),
            beta=(0.0, 0.1),
        )
    ],
    "Lion": [*grid(beta_1=(0.9, 0.5), beta_2=(0.99, 0.7))],
    "Lamb": [*grid(beta_1=(0.9, 0.5), beta_2=(0.999, 0.7), epsilon=(1e-7, 1e-2), learning_rate=(0.001, 0.1))],
    "Adafactor": [
        *grid(relative_step=(True, False), beta_2_decay=(-0.8, -0.5), clip_threshold=(1.0, 0.3), epsilon_2=(1e-3, 0.1))
    ],
    "Muon": [
        *grid(nesterov=(True, False), momentum=(0.95, 0.5), ns_steps=(5, 3)),
        *grid(adam_lr_ratio=(0.5,), rms_rate=(0.2, None), weight_decay=(0.004, None), adam_weight_decay=(0.1, None)),
        {"exclude_layers": ["wide"]},
        {"muon_a": 3.0, "muon_b": -4.0, "muon_c": 2.0},
    ],
    "ScheduleFreeAdamW": [
        *grid(warmup_steps=(0, 3), beta_1=(0.9, 0.5), weight_decay=(None, 0.1), epsilon=(1e-8, 1e-2))
    ],
}
COMMON: list[dict[str, Any]] = [
    {"learning_rate": 0.05},
    {"weight_decay": 0.1},
    {"clipnorm": 0.5},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.8},
    {"use_ema": True},
    {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3},
    {"loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 2},
    {"gradient_accumulation_steps": 4, "clipnorm": 0.6, "weight_decay": 0.05},
    {"gradient_accumulation_steps": 2, "use_ema": True, "ema_overwrite_frequency": 2, "loss_scale_factor": 4.0},
    {"learning_rate": ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5})},
    {"learning_rate": ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 8, "alpha": 0.1})},
    {"learning_rate": ("PiecewiseConstantDecay", {"boundaries": [2, 5], "values": [0.1, 0.05, 0.01]})},
]


def _values() -> list[np.ndarray]:
    return [_N.normal(*s) for s in _SHAPES]


def _gradients() -> list[list[np.ndarray]]:
    """Steps of gradients of size one, none of them near zero: rules with signs and roots are not smooth there."""
    steps = []
    for _ in range(STEPS):
        step = [_N.between(0.2, 1.5, *s) for s in _SHAPES]
        steps.append([(g * np.where(_N.choice(*g.shape), 1, -1)).astype("float32") for g in step])
    return steps


for _name, _rows in OWN.items():
    for _options in [{}, *_rows, *COMMON]:
        _T.add(_name, _name, _options, _values(), _gradients(), _NAMES, function=runners.optimizer, label=str(_options))
    for _options in [{}, *COMMON]:
        _given = (_N.normal(8, 4), _N.normal(8, 2))
        _T.add(_name, _name, _options, *_given, function=runners.fit_with, label=f"training {_options}")
    _T.add(
        "serialize",
        function=runners.round_trip(
            "optimizers", _name, **{k: v for k, v in _rows[-1].items() if k != "exclude_layers"}
        ),
        label=_name,
    )
    _T.add("deserialize", function=runners.round_trip("optimizers", _name, clipnorm=0.5, use_ema=True), label=_name)
for _i, (_name, _options) in enumerate(optimizer_cases.CASES):
    _given = [optimizer_cases.gradients(step) for step in range(optimizer_cases.STEPS)]
    _how = runners.stateless_optimizer if _name == "LossScaleOptimizer" else runners.optimizer
    _T.add(_name, _name, _options, optimizer_cases.start(), _given, function=_how, label=f"table: {_i}")

# --- wrappers ---

_INNER = (("SGD", {"learning_rate": 0.1}), ("Adam", {"learning_rate": 0.02}), ("SGD", {"momentum": 0.9}))
for _inner in _INNER:
    for _options in grid(initial_scale=(2.0**15, 4.0), dynamic_growth_steps=(2000, 3)):
        _options["inner"] = _inner
        _T.add(
            "LossScaleOptimizer",
            "LossScaleOptimizer",
            _options,
            _values(),
            [[64 * g for g in step] for step in _gradients()],
            function=runners.stateless_optimizer,  # Keras on JAX has no other form of it outside of `fit`
            label=str(_options),
        )
        _given = (_N.normal(8, 4), _N.normal(8, 2))
        _T.add("LossScaleOptimizer", "LossScaleOptimizer", _options, *_given, function=runners.fit_with)
    _overflow = _gradients()
    _overflow[3][1][0] = np.inf
    _overflow[7][2][0, 0] = np.nan
    _T.add(
        "LossScaleOptimizer",
        "LossScaleOptimizer",
        {"inner": _inner, "initial_scale": 8.0},
        _values(),
        _overflow,
        function=runners.stateless_optimizer,
        label=f"overflow {_inner}",
    )


def _map(keras: Any) -> Any:
    opt = keras.optimizers
    return opt.OptimizerMap(opt.SGD(0.1), {"kernel": opt.Adam(0.05), "bias": opt.SGD(0.2, momentum=0.9)})


def _several(keras: Any, values: Any, gradients: Any) -> Any:
    """An optimizer for each group of variables, by their paths."""
    variables = [keras.Variable(v, name=n) for v, n in zip(values, _NAMES, strict=True)]
    found = keras.optimizers.MultiOptimizer(_map(keras))
    found.build(variables)
    results = []
    for step in gradients:
        found.apply(list(step), variables)
        results += [v.value for v in variables]
    return results


def _groups(keras: Any) -> Any:
    """Which optimizer each path gets."""
    return [np.array([type(_map(keras)[path]).__name__ for path in ("a/kernel", "a/bias", "gain")])]


_T.add("MultiOptimizer", _values(), _gradients(), function=_several)
_T.add("OptimizerMap", function=_groups)


def _own(keras: Any, values: Any, gradients: Any) -> Any:
    """A rule written by a user: a step against the sign, scaled by the mean of the squares."""

    class Own(keras.optimizers.Optimizer):  # type: ignore[misc,name-defined]
        def build(self, variables: Any) -> None:
            if not self.built:
                super().build(variables)
                self.squares = [self.add_variable_from_reference(v, name="square") for v in variables]

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            square = self.squares[self._get_variable_index(variable)]
            self.assign(square, 0.9 * square + 0.1 * keras.ops.square(gradient))
            rate = keras.ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, rate * gradient / (keras.ops.sqrt(square) + 1e-3))

    variables = [keras.Variable(v) for v in values]
    found = Own(learning_rate=0.1, weight_decay=0.01, clipnorm=0.9, use_ema=True, ema_overwrite_frequency=4)
    for step in gradients:
        found.apply(list(step), variables)
    return [v.value for v in [*variables, *found.variables]]


_T.add("Optimizer", _values(), _gradients(), function=_own)


def _excluded(keras: Any, values: Any, gradients: Any) -> Any:
    """Weight decay that leaves out what a user names."""
    variables = [keras.Variable(v, name=n) for v, n in zip(values, _NAMES, strict=True)]
    found = keras.optimizers.AdamW(0.01, weight_decay=0.3)
    found.exclude_from_weight_decay(var_list=[variables[2]], var_names=["bias"])
    for step in gradients:
        found.apply_gradients(zip(step, variables, strict=True))
    return [v.value for v in variables]


def _stateless(keras: Any, values: Any, gradients: Any) -> Any:
    """The functional form."""
    variables = [keras.Variable(v) for v in values]
    found = keras.optimizers.Adam(0.02, amsgrad=True, clipvalue=0.4)
    found.build(variables)
    state, current = [v.value for v in found.variables], [v.value for v in variables]
    for step in gradients:
        current, state = found.stateless_apply(state, list(step), current)
    return [*current, *state]


_T.add("AdamW", _values(), _gradients(), function=_excluded, label="excluded from weight decay")
_T.add("Adam", _values(), _gradients(), function=_stateless, label="stateless")
for _name in "sgd SGD adam rmsprop adagrad adadelta adamax nadam ftrl lion lamb adafactor muon adamw".split():
    _unnamed = "every optimizer can be had by its name; Keras does not know this one" if _name == "lamb" else ""
    _by_name = lambda keras, name: [np.array(type(keras.optimizers.get(name)).__name__)]  # noqa: E731
    _T.add("get", _name, function=_by_name, differs=_unnamed)

# --- schedules ---

_AT = [*range(14), 20, 35, 50, 99, 100, 101, 1000, 12345]
_SCHEDULES: dict[str, list[dict[str, Any]]] = {
    "ExponentialDecay": [
        *grid(initial_learning_rate=(0.1,), decay_steps=(7, 100), decay_rate=(0.5, 0.96), staircase=(False, True))
    ],
    "InverseTimeDecay": [
        *grid(initial_learning_rate=(0.1,), decay_steps=(7, 100), decay_rate=(0.5, 2), staircase=(False, True))
    ],
    "PiecewiseConstantDecay": [
        {"boundaries": [3, 7, 50], "values": [0.3, 0.2, 0.1, 0.01]},
        {"boundaries": [5.5], "values": [1.0, 0.5]},
    ],
    "PolynomialDecay": [
        *grid(
            initial_learning_rate=(0.1,),
            decay_steps=(7, 100),
            end_learning_rate=(1e-4, 0.02),
            power=(1.0, 0.5, 2),
            cycle=(False, True),
        )
    ],
    "CosineDecay": [
        *grid(initial_learning_rate=(0.1,), decay_steps=(9, 100), alpha=(0.0, 0.2)),
        *grid(
            initial_learning_rate=(0.1,),
            decay_steps=(9, 100),
            alpha=(0.0, 0.2),
            warmup_target=(0.5,),
            warmup_steps=(0, 4),
        ),
    ],
    "CosineDecayRestarts": [
        *grid(
            initial_learning_rate=(0.1,),
            first_decay_steps=(5, 30),
            t_mul=(1.0, 1.5, 2.0),
            m_mul=(1.0, 0.7),
            alpha=(0.0, 0.1),
        )
    ],
}
for _name, _rows in _SCHEDULES.items():
    for _options in _rows:
        _S.add(_name, _name, _options, _AT, function=runners.schedule, label=str(_options))
    _S.add("serialize", function=runners.round_trip("optimizers.schedules", _name, **_rows[0]), label=_name)
    _S.add("deserialize", function=runners.round_trip("optimizers.schedules", _name, **_rows[-1]), label=_name)


def _halves(keras: Any) -> Any:
    class Halves(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc,name-defined]
        def __call__(self, step: Any) -> Any:
            return 0.5 / (1 + keras.ops.cast(step, "float32"))

    w = keras.Variable(np.ones(3, "float32"))
    found = keras.optimizers.SGD(Halves())
    for _ in range(5):
        found.apply([keras.ops.ones((3,))], [w])
    return [w.value, found.learning_rate]


_S.add("LearningRateSchedule", function=_halves)

CASES: list[Call] = [*_T.calls, *_S.calls]
WITHOUT = {f"optimizers.legacy.{n}": "Keras 3 has the name only to refuse it" for n in NAMES["keras.optimizers.legacy"]}
