"""Schedule-free AdamW: iterate averaging in place of a learning rate schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustdl import ops
from rustdl.optimizers.optimizer import Optimizer


class ScheduleFreeAdamW(Optimizer):
    """AdamW steps z, their mean x, gradients taken at `y = (1 - b1) z + b1 x` (Defazio et al., 2024).

    Args:
        learning_rate: float, schedule or callable.
        beta_1: weight of the mean in y.
        beta_2: decay of the second moment.
        epsilon: keeps the denominator away from zero.
        warmup_steps: steps in which the rate rises linearly.
        The arguments that all optimizers share (`weight_decay`, clipping, averaging, ...): see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
            **kwargs,
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])
        for momentum, variable in zip(self._momentums, var_list, strict=True):
            if momentum is not None:
                self.assign(momentum, variable)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        gradient = ops.cast(gradient, dtype)
        rate = ops.cast(learning_rate, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        if self.warmup_steps > 0:
            rate = rate * ops.minimum(step / self.warmup_steps, 1.0)
        z, v = self._momentums[index], self._velocities[index]
        old = z.value
        # Rounded once for both: at the first steps the roundings of v and of its correction then cancel.
        beta_2 = ops.cast(self.beta_2, dtype)
        self.assign_add(v, (ops.square(gradient) - v) * (1 - beta_2))
        correction_2 = 1 - ops.power(beta_2, step)
        update = rate * gradient / (ops.sqrt(v / correction_2) + self.epsilon)
        self.assign(z, old - update)
        # y = (1 - beta_1) z + beta_1 x with the mean x += (z - x) / t, but without x, whose recovery from y rounds.
        towards_mean = (old - self.beta_1 * update - variable) / step
        self.assign_add(variable, towards_mean - (1 - self.beta_1) * update)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "warmup_steps": self.warmup_steps,
        }
