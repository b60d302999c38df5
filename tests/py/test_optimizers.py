"""Optimizers against Keras, step by step; their arguments; eager against traced."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import ops, optimizers

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
from optimizer_cases import CASES, SCHEDULES, STEPS, gradients, make, start  # noqa: E402


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "optimizers.npz") as data:
        return dict(data)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}{i}")
def test_ten_steps_equal_keras(case, golden):
    name, arguments = CASES[case]
    variables = [rustdl.Variable(v) for v in start()]
    optimizer = make(rustdl, name, arguments)
    for step in range(STEPS):
        optimizer.apply([ops.convert_to_tensor(g) for g in gradients(step)], variables)
    found = [*variables, *optimizer.variables]
    assert len(found) == sum(key.startswith(f"{case}/") for key in golden)
    # Float32 rounding of ten steps; Muon multiplies matrices fifty times.
    tolerance = 2e-4 if name == "Muon" else 2e-5
    for j, v in enumerate(found):
        np.testing.assert_allclose(v.numpy(), golden[f"{case}/{j}"], rtol=tolerance, atol=2e-7, err_msg=v.path)


@pytest.mark.parametrize("case", range(len(SCHEDULES)), ids=lambda i: f"{SCHEDULES[i][0]}{i}")
def test_schedules_equal_keras(case, golden):
    name, arguments = SCHEDULES[case]
    schedule = getattr(optimizers.schedules, name)(**arguments)
    found = [float(schedule(step)) for step in range(25)]
    np.testing.assert_allclose(found, golden[f"schedule/{case}"], rtol=2e-5, atol=1e-8)
    again = optimizers.schedules.deserialize(optimizers.schedules.serialize(schedule))
    assert again.get_config() == schedule.get_config()


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}{i}")
def test_traced_step_equals_eager(case):
    name, arguments = CASES[case]
    results = []
    for traced in (False, True):
        variables = [rustdl.Variable(v) for v in start()]
        optimizer = make(rustdl, name, arguments)
        optimizer.build(variables)

        def step(*grads, optimizer=optimizer, variables=variables):
            optimizer.apply(list(grads), variables)
            return ops.sum(grads[0])

        run = rustdl.jit(step) if traced else step
        for i in range(4):
            run(*[ops.convert_to_tensor(g) for g in gradients(i)])
        results.append([v.numpy() for v in [*variables, *optimizer.variables]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}{i}")
def test_config_round_trip(case):
    name, arguments = CASES[case]
    optimizer = make(rustdl, name, arguments)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


def test_loss_scale_skips_steps_that_overflow():
    w = rustdl.Variable([1.0, 2.0])
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(1.0), initial_scale=8.0, dynamic_growth_steps=2)
    optimizer.apply([ops.convert_to_tensor([8.0, np.inf])], [w])
    assert w.numpy().tolist() == [1.0, 2.0]
    assert float(optimizer.dynamic_scale) == 4.0
    for _ in range(2):
        optimizer.apply([ops.convert_to_tensor([4.0, 0.0])], [w])
    assert w.numpy().tolist() == [-1.0, 2.0]
    assert float(optimizer.dynamic_scale) == 8.0
    assert int(optimizer.iterations) == 2


def test_constraint_is_applied_after_the_update():
    w = rustdl.Variable([1.0, -1.0])
    w.constraint = rustdl.constraints.NonNeg()
    optimizers.SGD(0.5).apply([ops.ones((2,))], [w])
    assert w.numpy().tolist() == [0.5, 0.0]


def test_excluded_variables_do_not_decay():
    kernel, bias = rustdl.Variable([1.0], name="kernel"), rustdl.Variable([1.0], name="bias")
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([ops.zeros((1,)), ops.zeros((1,))], [kernel, bias])
    np.testing.assert_allclose(kernel.numpy(), [0.95])
    assert bias.numpy().tolist() == [1.0]


def test_learning_rate_can_be_set_and_be_a_schedule():
    optimizer = optimizers.SGD(0.1)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
    assert len(optimizer.variables) == 1
    w = rustdl.Variable(0.0)
    for _ in range(3):
        optimizer.apply([ops.ones(())], [w])
    np.testing.assert_allclose(float(w), -(1 + 0.5 + 0.25))
    with pytest.raises(TypeError, match="not settable"):
        optimizer.learning_rate = 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.SGD(1), "should be float"),
        (lambda: optimizers.SGD(0.1, clipnorm=1.0, clipvalue=1.0), "Only one of"),
        (lambda: optimizers.SGD(0.1, frobnicate=1), "frobnicate"),
        (lambda: optimizers.SGD(0.1, momentum=2.0), "momentum"),
        (lambda: optimizers.SGD(0.1, gradient_accumulation_steps=1), ">= 2"),
        (lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=3.0), "ema_momentum"),
        (lambda: optimizers.AdamW(weight_decay=None), "weight_decay"),
        (lambda: optimizers.get("nothing"), "Could not interpret"),
        (lambda: optimizers.schedules.CosineDecay(0.1, 0), "decay_steps"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_variable_and_missing_gradients():
    a, b = rustdl.Variable(1.0), rustdl.Variable(1.0)
    optimizer = optimizers.SGD(0.1)
    optimizer.build([a])
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply([ops.ones(())], [b])
    with pytest.raises(ValueError, match="No gradients"):
        optimizer.apply([None], [a])
    both = optimizers.SGD(0.1)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        both.apply([ops.ones(()), None], [a, b])
