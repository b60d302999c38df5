"""Learning rates as functions of the step, computed with ops so that a traced training step contains them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rustdl import ops
from rustdl.saving import serialization_lib


class LearningRateSchedule:
    """Base class: a callable from the step (an integer scalar) to the learning rate.

    Example:
        >>> import rustdl
        >>> class Halving(rustdl.optimizers.schedules.LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5 ** rustdl.ops.cast(step, "float32")
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate at `step`."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a JSON-able dict."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `get_config()` in order to be serializable."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Makes a schedule from the dict that `get_config` returned."""
        return cls(**config)


def _check_positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value}")


class _FractionDecay(LearningRateSchedule):
    """Shared by the decays that depend on `step / decay_steps`, optionally rounded down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "",
    ) -> None:
        super().__init__()
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def _fraction(self, step: Any, dtype: str) -> Any:
        fraction = ops.cast(step, dtype) / self.decay_steps
        return ops.floor(fraction) if self.staircase else fraction

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class ExponentialDecay(_FractionDecay):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps in which the rate is multiplied by `decay_rate` once; > 0.
        decay_rate: the factor.
        staircase: round `step / decay_steps` down.
        name: name of the schedule.

    Example:
        >>> import rustdl
        >>> schedule = rustdl.optimizers.schedules.ExponentialDecay(0.5, decay_steps=10, decay_rate=0.5)
        >>> float(schedule(20))
        0.125
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step: Any) -> Any:
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        rate = ops.cast(self.decay_rate, initial.dtype)
        return initial * ops.power(rate, self._fraction(step, initial.dtype))


class InverseTimeDecay(_FractionDecay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: unit of the step; > 0.
        decay_rate: how fast the rate falls.
        staircase: round `step / decay_steps` down.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step: Any) -> Any:
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        return initial / (1.0 + self.decay_rate * self._fraction(step, initial.dtype))


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[0]` up to and at step `boundaries[0]`, then `values[1]` up to `boundaries[1]`, and so on.

    Args:
        boundaries: increasing steps.
        values: the rates, one more than boundaries.
        name: name of the schedule.

    Raises:
        ValueError: the lengths do not fit.
    """

    def __init__(self, boundaries: Sequence[Any], values: Sequence[Any], name: str = "PiecewiseConstant") -> None:
        super().__init__()
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. Received: "
                f"boundaries={boundaries} of length {len(boundaries)}, and values={values} of length {len(values)}."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> Any:
        step = ops.convert_to_tensor(step)
        # From the last boundary to the first, each replaces what lies before it.
        rate = ops.convert_to_tensor(self.values[-1])
        for boundary, value in zip(reversed(self.boundaries), reversed(self.values[:-1]), strict=True):
            rate = ops.where(ops.less_equal(step, ops.cast(boundary, step.dtype)), ops.cast(value, rate.dtype), rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(LearningRateSchedule):
    """`(initial - end) * (1 - step / decay_steps) ** power + end`, step cut at `decay_steps`.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps until the end rate; > 0.
        end_learning_rate: the final rate.
        power: exponent, 1 for a straight line.
        cycle: instead of staying at the end, stretch `decay_steps` to its next multiple beyond the step.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        super().__init__()
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        step = ops.cast(step, initial.dtype)
        if self.cycle:
            cycles = ops.where(ops.equal(step, 0.0), ops.ones_like(step), ops.ceil(step / self.decay_steps))
            fraction = step / (cycles * self.decay_steps)
        else:
            fraction = ops.minimum(step, float(self.decay_steps)) / self.decay_steps
        end = self.end_learning_rate
        return (initial - end) * ops.power(1.0 - fraction, ops.cast(self.power, initial.dtype)) + end

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the start to `alpha` times it (Loshchilov and Hutter, 2016), after an optional linear warmup.

    `start * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)`; with `warmup_target` the rate first rises
    from `initial_learning_rate` to it in `warmup_steps`, and decays from there.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps of the decay; > 0.
        alpha: final rate as a fraction of the start.
        name: name of the schedule.
        warmup_target: rate at the end of the warmup, None for no warmup.
        warmup_steps: steps of the warmup.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_steps = warmup_steps
        self.warmup_target = warmup_target

    def _decayed(self, step: Any, start: Any) -> Any:
        cosine = 0.5 * (1.0 + ops.cos(math.pi * (step / self.decay_steps)))
        return start * ((1 - self.alpha) * cosine + self.alpha)

    def __call__(self, step: Any) -> Any:
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        step = ops.cast(step, initial.dtype)
        if self.warmup_target is None:
            return self._decayed(ops.minimum(step, float(self.decay_steps)), initial)
        step = ops.minimum(step, float(self.decay_steps + self.warmup_steps))
        target = ops.cast(self.warmup_target, initial.dtype)
        decayed = self._decayed(step - self.warmup_steps, target)
        if self.warmup_steps == 0:
            return decayed
        warming = (target - initial) * (step / self.warmup_steps) + initial
        return ops.where(ops.less(step, float(self.warmup_steps)), warming, decayed)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay that restarts (Loshchilov and Hutter, 2016).

    Period i lasts `first_decay_steps * t_mul ** i` steps and starts at `initial_learning_rate * m_mul ** i`.

    Args:
        initial_learning_rate: rate at step 0.
        first_decay_steps: length of the first period; > 0.
        t_mul: factor of the period's length.
        m_mul: factor of the period's starting rate.
        alpha: final rate as a fraction of the start.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        super().__init__()
        _check_positive("first_decay_steps", first_decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self._t_mul = t_mul
        self._m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def _period(self, completed: Any) -> tuple[Any, Any]:
        """Number of restarts so far, and the fraction of the current period that has passed."""
        if self._t_mul == 1.0:
            restarts = ops.floor(completed)
            return restarts, completed - restarts
        # The periods before the i-th sum to (1 - t^i) / (1 - t) first periods.
        t_mul = ops.cast(self._t_mul, completed.dtype)
        restarts = ops.floor(ops.log(1.0 - completed * (1.0 - t_mul)) / ops.log(t_mul))
        power = ops.power(t_mul, restarts)
        return restarts, (completed - (1.0 - power) / (1.0 - t_mul)) / power

    def __call__(self, step: Any) -> Any:
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        restarts, fraction = self._period(ops.cast(step, initial.dtype) / self.first_decay_steps)
        scale = ops.power(ops.cast(self._m_mul, initial.dtype), restarts)
        cosine = 0.5 * scale * (1.0 + ops.cos(math.pi * fraction))
        return initial * ((1 - self.alpha) * cosine + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self._t_mul,
            "m_mul": self._m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


_ALL: dict[str, Any] = {
    name: value
    for name, value in list(globals().items())
    if isinstance(value, type) and issubclass(value, LearningRateSchedule)
}


def serialize(learning_rate_schedule: Any) -> Any:
    """The JSON-able form of a schedule."""
    return serialization_lib.serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The schedule that a config stands for."""
    return serialization_lib.deserialize_keras_object(config, module_objects=_ALL, custom_objects=custom_objects)
