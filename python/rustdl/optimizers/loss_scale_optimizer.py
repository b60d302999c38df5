"""Dynamic loss scaling around another optimizer, for float16 training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustdl import backend, initializers, ops
from rustdl.optimizers.arena import pack_variables
from rustdl.optimizers.optimizer import Optimizer
from rustdl.saving import serialization_lib

_INNER_ONLY: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss by a scale that adapts, and skips steps whose gradients overflow (Micikevicius et al., 2018).

    A step with a gradient that is not finite leaves the weights alone and halves the scale; after
    `dynamic_growth_steps` good steps in a row the scale doubles.

    Args:
        inner_optimizer: the optimizer that makes the steps.
        initial_scale: first scale.
        dynamic_growth_steps: good steps before the scale doubles.
        name: name of the optimizer.
        **kwargs: arguments shared by optimizers are accepted at their defaults only: set them on `inner_optimizer`.
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer no longer supports `dynamic=False`. Instead, simply set `loss_scale_factor` "
                "directly on the `inner_optimizer`."
            )
        for argument, default in _INNER_ONLY.items():
            if kwargs.pop(argument, default) != default:
                raise ValueError(
                    f"LossScaleOptimizer does not support `{argument}`. Instead, set `{argument}` on the "
                    "`inner_optimizer`."
                )
        if kwargs:
            raise ValueError(f"LossScaleOptimizer does not support arguments: `{'`, `'.join(kwargs)}`.")
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        self.inner_optimizer.loss_scale_factor = None

    def build(self, var_list: Sequence[Any]) -> None:
        self.step_counter = self.add_variable(shape=(), dtype="int", initializer="zeros", name="step_counter")
        self.dynamic_scale = self.add_variable(
            shape=(),
            dtype="float32",
            initializer=initializers.Constant(self.initial_scale),
            name="dynamic_scale",
        )
        self.inner_optimizer.build(var_list)
        pack_variables(list(var_list), self.inner_optimizer.variables)
        super().build(var_list)

    @property
    def variables(self) -> list[Any]:
        return [*self._variables, *self.inner_optimizer.variables]

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        if not self.built:
            with backend.name_scope(self.name, caller=self):
                self.build(variables)
            self.built = True
        finite = self.check_finite(grads)
        changed = [*self._trainable_variables, *self.inner_optimizer.variables]
        self._run_if(finite, lambda: self._apply_inner(grads, variables), changed)
        self._update_scale(finite)

    def _apply_inner(self, grads: Sequence[Any], variables: list[Any]) -> None:
        scale = self.dynamic_scale
        unscaled = [
            g if g is None or self._overwrite_variable_with_gradient(v) else g / ops.cast(scale, g.dtype)
            for g, v in zip(grads, variables, strict=False)
        ]
        self.inner_optimizer.apply(unscaled, variables)

    def _update_scale(self, finite: Any) -> None:
        counter, scale = self.step_counter.value, self.dynamic_scale.value
        grow = ops.logical_and(finite, ops.equal(counter, self.dynamic_growth_steps - 1))
        factor = ops.where(grow, 2.0, ops.where(finite, 1.0, 0.5))
        keep = ops.logical_and(finite, ops.logical_not(grow))
        self.dynamic_scale.assign(scale * ops.cast(factor, scale.dtype))
        self.step_counter.assign(ops.where(keep, counter + 1, ops.zeros_like(counter)))

    def check_finite(self, grads: Sequence[Any]) -> Any:
        """Boolean scalar: whether all elements of all gradients are finite."""
        found = [ops.all(ops.isfinite(g)) for g in grads if g is not None]
        result = found[0]
        for f in found[1:]:
            result = ops.logical_and(result, f)
        return result

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self) -> Any:
        """The inner optimizer's counter: skipped steps do not count."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss: Any) -> Any:
        scale = self.dynamic_scale if self.built else self.initial_scale
        return loss * ops.cast(scale, loss.dtype) if hasattr(loss, "dtype") else loss * scale

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialization_lib.serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        config = dict(config)
        inner = serialization_lib.deserialize_keras_object(config.pop("inner_optimizer"), custom_objects=custom_objects)
        return cls(inner, **config)
