"""The optimizers that `make_optimizers.py` runs in Keras and `test_optimizers.py` runs here."""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 10
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adagrad", {}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "clipnorm": 0.5}),
    ("AdamW", {"global_clipnorm": 0.4}),
    ("Adamax", {"clipvalue": 0.2}),
    ("Nadam", {}),
    ("Ftrl", {}),
    (
        "Ftrl",
        {
            "l1_regularization_strength": 0.1,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.01,
            "beta": 0.1,
        },
    ),
    ("Lion", {}),
    ("Lamb", {}),
    ("Adafactor", {}),
    ("Muon", {}),
    ("ScheduleFreeAdamW", {"warmup_steps": 3}),
    ("Adam", {"use_ema": True, "ema_overwrite_frequency": 3}),
    ("Adam", {"gradient_accumulation_steps": 3}),
    (
        "SGD",
        {
            "gradient_accumulation_steps": 2,
            "use_ema": True,
            "ema_overwrite_frequency": 2,
            "loss_scale_factor": 4.0,
        },
    ),
    ("RMSprop", {"weight_decay": 0.1, "clipvalue": 0.4, "epsilon": 1e-2}),
    ("Adagrad", {"learning_rate": 0.2, "initial_accumulator_value": 0.5, "clipnorm": 0.7}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.5, "use_ema": True, "ema_momentum": 0.8}),
    ("AdamW", {"weight_decay": 0.2, "amsgrad": True, "beta_2": 0.7}),
    ("Adamax", {"gradient_accumulation_steps": 2, "weight_decay": 0.1}),
    ("Nadam", {"global_clipnorm": 0.7, "weight_decay": 0.1}),
    ("Ftrl", {"learning_rate": 0.1, "learning_rate_power": -0.3, "clipvalue": 0.4}),
    ("Lion", {"learning_rate": 0.01, "weight_decay": 0.1, "beta_2": 0.7}),
    ("Lamb", {"learning_rate": 0.1, "weight_decay": 0.1, "clipnorm": 0.8}),
    ("Adafactor", {"relative_step": False, "beta_2_decay": -0.5, "clip_threshold": 0.3, "weight_decay": 0.1}),
    ("Muon", {"nesterov": False, "ns_steps": 3, "adam_lr_ratio": 0.5, "rms_rate": None}),
    ("ScheduleFreeAdamW", {"weight_decay": 0.1, "beta_1": 0.5, "gradient_accumulation_steps": 2}),
    ("SGD", {"learning_rate": ("PolynomialDecay", {"initial_learning_rate": 0.2, "decay_steps": 6}), "momentum": 0.5}),
    (
        "Adam",
        {"learning_rate": ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5})},
    ),
    ("LossScaleOptimizer", {"inner": ("SGD", {"momentum": 0.9}), "initial_scale": 4.0, "dynamic_growth_steps": 3}),
    ("LossScaleOptimizer", {"inner": ("Adam", {"learning_rate": 0.1}), "initial_scale": 2.0}),
]
SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 7], "values": [0.3, 0.2, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "warmup_target": 0.5, "warmup_steps": 4}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5, "t_mul": 1.0, "m_mul": 0.5}),
]


def make(keras: Any, name: str, arguments: dict[str, Any]) -> Any:
    """The optimizer of a case; its schedule and its inner optimizer are pairs of a name and arguments themselves."""
    given = dict(arguments)
    if isinstance(given.get("learning_rate"), tuple):
        schedule, numbers = given["learning_rate"]
        given["learning_rate"] = getattr(keras.optimizers.schedules, schedule)(**numbers)
    if "inner" in given:
        given["inner_optimizer"] = make(keras, *given.pop("inner"))
    return getattr(keras.optimizers, name)(**given)


def start() -> list[np.ndarray]:
    """The variables at the start."""
    return [np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3), np.array([0.5, -0.3], "float32")]


def gradients(step: int) -> list[np.ndarray]:
    """The gradients of one step: smooth, of both signs, none near zero."""
    return [
        np.sin(np.arange(v.size, dtype="float32") * 1.7 + step * 0.9 + 0.3).reshape(v.shape).astype("float32")
        for v in start()
    ]
