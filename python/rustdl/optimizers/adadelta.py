"""Adadelta: steps scaled by the ratio of running root mean squares of updates and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustdl import ops
from rustdl.optimizers.optimizer import Optimizer


class Adadelta(Optimizer):
    """`d = -rms(d) / rms(g) * g; w += lr * d`, with running averages of g^2 and d^2 (Zeiler, 2012).

    Args:
        learning_rate: float, schedule or callable; 1.0 is the paper's form.
        rho: decay of the running averages.
        epsilon: added under the roots.
        The arguments that all optimizers share (`weight_decay`, clipping, averaging, ...): see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
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
        self.rho = rho
        self.epsilon = epsilon

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._accumulated_grads, self._accumulated_delta_vars = self.add_optimizer_variables(
            var_list, ["accumulated_grad", "accumulated_delta_var"]
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        gradient = ops.cast(gradient, variable.dtype)
        rho = self.rho
        squares, deltas = self._accumulated_grads[index], self._accumulated_delta_vars[index]
        self.assign(squares, rho * squares + (1 - rho) * ops.square(gradient))
        delta = -(ops.sqrt(deltas + self.epsilon) * gradient / ops.sqrt(squares + self.epsilon))
        self.assign(deltas, rho * deltas + (1 - rho) * ops.square(delta))
        self.assign_add(variable, ops.cast(learning_rate, variable.dtype) * delta)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
