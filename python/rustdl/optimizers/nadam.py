"""Nadam: Adam with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustdl import backend, ops
from rustdl.optimizers.optimizer import Optimizer


class Nadam(Optimizer):
    """Adam that looks one momentum step ahead (Dozat, 2016).

    With `u_t = b1 * (1 - 0.96^t / 2)` and U_t the product of u_1 ... u_t,
    `m_hat = u_{t+1} m / (1 - U_t u_{t+1}) + (1 - u_t) g / (1 - U_t)` and `w -= lr * m_hat / (sqrt(v_hat) + epsilon)`.

    Args:
        learning_rate: float, schedule or callable.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: keeps the denominator away from zero.
        The arguments that all optimizers share (`weight_decay`, clipping, averaging, ...): see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])
        dtype = var_list[0].dtype if var_list else backend.floatx()
        self._u_product = backend.Variable(1.0, dtype=dtype, trainable=False, name="u_product")

    def _momentum_at(self, step: Any, dtype: str) -> Any:
        """U at a step: the momentum rises towards beta_1."""
        return self.beta_1 * (1.0 - 0.5 * ops.power(ops.cast(0.96, dtype), ops.cast(step, dtype)))

    def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
        # Once a step, not once a variable.
        dtype = self._u_product.dtype
        self.assign(self._u_product, self._u_product * self._momentum_at(self.iterations + 1, dtype))
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        gradient = ops.cast(gradient, dtype)
        u_t = self._momentum_at(self.iterations + 1, dtype)
        u_next = self._momentum_at(self.iterations + 2, dtype)
        product = ops.cast(self._u_product, dtype)
        correction_2 = 1 - ops.power(ops.cast(self.beta_2, dtype), ops.cast(self.iterations + 1, dtype))
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign_add(v, (ops.square(gradient) - v) * (1 - self.beta_2))
        m_hat = u_next * m / (1 - product * u_next) + (1 - u_t) * gradient / (1 - product)
        rate = ops.cast(learning_rate, dtype)
        self.assign_sub(variable, m_hat * rate / (ops.sqrt(v / correction_2) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
