"""Adafactor: second moments kept as one row and one column, for memory linear in the sides of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustdl import backend, ops
from rustdl.optimizers.optimizer import Optimizer


class Adafactor(Optimizer):
    """Factored second moments and clipped, relative steps (Shazeer and Stern, 2018).

    For a matrix, `v = r c / mean(r)` from running means r and c of `g^2 + epsilon_1` over columns and rows; the step is
    `u = g / sqrt(v)`, divided by `max(1, rms(u) / clip_threshold)` and scaled by `max(epsilon_2, rms(w))`.

    Args:
        learning_rate: float, schedule or callable.
        beta_2_decay: exponent d of the decay `1 - t^d`.
        epsilon_1: added to squared gradients.
        epsilon_2: smallest scale of a weight.
        clip_threshold: largest root mean square of a step.
        relative_step: limit the rate to `1 / sqrt(t)`.
        The arguments that all optimizers share (`weight_decay`, clipping, averaging, ...): see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
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
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._r: list[Any] = []
        self._c: list[Any] = []
        self._v: list[Any] = []
        for variable in var_list:
            shape = tuple(variable.shape)
            if self._overwrite_variable_with_gradient(variable):
                row = column = velocity = None
            elif len(shape) < 2:
                # Unused, but part of the saved state as in Keras.
                row, column = (self._placeholder(variable.name) for _ in range(2))
                velocity = self.add_variable_from_reference(variable, name="velocity")
            else:
                row = self.add_variable(shape=shape[:-1], dtype=variable.dtype, name=variable.name)
                column = self.add_variable(shape=(*shape[:-2], shape[-1]), dtype=variable.dtype, name=variable.name)
                velocity = self.add_variable_from_reference(variable, name="velocity")
            self._r.append(row)
            self._c.append(column)
            self._v.append(velocity)

    def _placeholder(self, name: str) -> Any:
        variable = backend.Variable(0, name=name, trainable=False)
        self._track_variable(variable)
        return variable

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        rate = ops.cast(learning_rate, dtype)
        gradient = ops.cast(gradient, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        limit = 1 / ops.sqrt(step)
        if self.relative_step and not callable(self._learning_rate):
            rate = ops.minimum(rate, limit)
        r, c, v = self._r[index], self._c[index], self._v[index]
        alpha = ops.maximum(_rms(variable), self.epsilon_2) * ops.minimum(rate, limit)
        squares = ops.square(gradient) + self.epsilon_1
        beta_2 = 1 - ops.power(step, ops.cast(self.beta_2_decay, dtype))
        if len(variable.shape) >= 2:
            self.assign(r, beta_2 * r + (1 - beta_2) * ops.mean(squares, axis=-1))
            self.assign(c, beta_2 * c + (1 - beta_2) * ops.mean(squares, axis=-2))
            share = r / ops.mean(r, axis=-1, keepdims=True)
            self.assign(v, ops.expand_dims(share, -1) * ops.expand_dims(c, -2))
        else:
            self.assign(v, beta_2 * v + (1 - beta_2) * squares)
        update = gradient / ops.sqrt(v)
        update = update / ops.maximum(_rms(update) / self.clip_threshold, 1.0)
        self.assign_sub(variable, alpha * update)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }


def _rms(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))
