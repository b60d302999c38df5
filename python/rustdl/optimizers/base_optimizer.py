"""The optimizer base class: variables, learning rate, clipping, weight decay, averaging, accumulation.

Everything is written with elementwise `rustdl.ops` and `Variable.assign`, so that a traced training step turns the
update of all parameters into one fused pass. Where eager code would branch on a value (accumulation, overwriting by
the average) a traced step computes both sides and selects.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from rustdl import backend, initializers, ops
from rustdl.optimizers.arena import pack_variables
from rustdl.optimizers.schedules import learning_rate_schedule
from rustdl.saving import serialization_lib
from rustdl.utils.naming import auto_name


class BaseOptimizer:
    """Base class of all optimizers. Subclasses override `build`, `update_step` and `get_config`.

    Args:
        learning_rate: float, `LearningRateSchedule`, or a callable without arguments.
        weight_decay: each step also subtracts `learning_rate * weight_decay * w`.
        clipnorm: each gradient is scaled so that its own L2 norm is at most this.
        clipvalue: gradients are cut to `[-clipvalue, clipvalue]`.
        global_clipnorm: all gradients are scaled so that their common L2 norm is at most this.
        use_ema: keep an exponential moving average of the weights.
        ema_momentum: `average = ema_momentum * average + (1 - ema_momentum) * w`.
        ema_overwrite_frequency: every so many steps the weights become their average; None: only by
            `finalize_variable_values` (which `fit` calls at its end).
        loss_scale_factor: the loss is multiplied by this and the gradients divided.
        gradient_accumulation_steps: weights change every so many calls (>= 2), with the mean gradient.
        name: name of the optimizer, default from the class.

    Raises:
        ValueError: unknown arguments, more than one way of clipping, values out of range.

    Example:
        >>> import rustdl
        >>> w = rustdl.Variable([1.0, 2.0])
        >>> optimizer = rustdl.optimizers.SGD(learning_rate=0.5)
        >>> optimizer.apply([rustdl.ops.ones((2,))], [w])
        >>> w.numpy().tolist()
        [0.5, 1.5]
    """

    def __init__(
        self,
        learning_rate: Any,
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
        self._lock = False
        if kwargs.pop("decay", None) is not None:
            warnings.warn("Argument `decay` is no longer supported and will be ignored.", stacklevel=2)
        if kwargs:
            raise ValueError(f"Argument(s) not recognized: {kwargs}")
        self.name = name if name is not None else auto_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.global_clipnorm = global_clipnorm
        self.clipvalue = clipvalue
        self.use_ema = use_ema
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self._check_arguments()

        self.built = False
        self._variables: list[Any] = []
        self._trainable_variables: list[Any] = []
        self._trainable_variables_indices: dict[int, int] = {}
        self._excluded: set[int] = set()
        self._excluded_names: re.Pattern[str] | None = None
        self._learning_rate: Any = None
        with backend.name_scope(self.name, caller=self):
            self._iterations: Any = backend.Variable(
                0, name="iteration", dtype="int", trainable=False, aggregation="only_first_replica"
            )
        self._track_variable(self._iterations)
        self._set_learning_rate(learning_rate)

    def _check_arguments(self) -> None:
        steps = self.gradient_accumulation_steps
        if steps and not steps >= 2:
            raise ValueError(
                f"`gradient_accumulation_steps` must be an integer >= 2. Received: gradient_accumulation_steps={steps}"
            )
        if self.use_ema:
            if self.ema_momentum > 1 or self.ema_momentum < 0:
                raise ValueError(
                    f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={self.ema_momentum}"
                )
            every = self.ema_overwrite_frequency
            if every and (not isinstance(every, int) or every < 1):
                raise ValueError(
                    "`ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
                    f"ema_overwrite_frequency={every}"
                )
        if sum(a is not None for a in (self.clipnorm, self.clipvalue, self.global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
                f"clipnorm={self.clipnorm}, clipvalue={self.clipvalue}, global_clipnorm={self.global_clipnorm}"
            )

    # --- variables ---

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_lock" and not hasattr(self, "_lock"):
            raise RuntimeError(
                f"In optimizer '{type(self).__name__}', you forgot to call `super().__init__()` as the first "
                "statement in the `__init__()` method. Go add it!"
            )
        super().__setattr__(name, value)
        if name.startswith("_trainable") or name == "_variables" or "_variables" not in self.__dict__:
            return
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, backend.Variable):
                self._track_variable(item)

    def _track_variable(self, variable: Any) -> None:
        if not any(v is variable for v in self._variables):
            self._variables.append(variable)

    def _untrack_variable(self, variable: Any) -> None:
        self._variables[:] = [v for v in self._variables if v is not variable]

    @property
    def variables(self) -> list[Any]:
        """All variables of the optimizer: iteration, learning rate, then the slots in order of creation."""
        return self._variables[:]

    @property
    def iterations(self) -> Any:
        """Number of updates made; with accumulation, of updates of the weights."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the optimizer's slots for `variables`.

        Args:
            variables: the trainable variables that later updates are for.
        """
        variables = list(variables)
        self._trainable_variables_indices = {self._var_key(v): i for i, v in enumerate(variables)}
        self._trainable_variables = variables
        if self.use_ema:
            self._model_variables_moving_average = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulated_gradients = [
                self.add_variable_from_reference(v, name="gradient_accumulator") for v in variables
            ]
        self.built = True

    def _ensure_built(self, variables: list[Any]) -> None:
        """Builds at the first `apply` and lays parameters and slots out in flat arenas."""
        if self.built:
            return
        with backend.name_scope(self.name, caller=self):
            self.build(variables)
        self.built = True
        pack_variables(self._trainable_variables, self._variables)

    def _var_key(self, variable: Any) -> int:
        return id(variable)

    def _get_variable_index(self, variable: Any) -> int:
        return self._trainable_variables_indices[self._var_key(variable)]

    def _overwrite_variable_with_gradient(self, variable: Any) -> bool:
        return bool(getattr(variable, "overwrite_with_gradient", False))

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Any:
        """Makes one variable of the optimizer.

        Args:
            shape: its shape, without None.
            initializer: name or instance.
            dtype: default the float type in force.
            aggregation: kept for compatibility.
            layout: kept for compatibility.
            name: name of the variable.
        """
        del layout
        with backend.name_scope(self.name, caller=self):
            variable = backend.Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                name=name,
            )
        self._track_variable(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        """Makes a slot with the shape and dtype of a model variable, named after it.

        Args:
            reference_variable: the model variable.
            name: what the slot holds, e.g. `"momentum"`.
            initializer: name or instance.
        """
        path = getattr(reference_variable, "path", None) or str(reference_variable.name).replace(":", "_")
        return self.add_variable(
            shape=reference_variable.shape,
            initializer=initializer,
            dtype=reference_variable.dtype,
            name=f"{path.replace('/', '_')}_{name or 'var'}",
        )

    def add_optimizer_variables(self, trainable_variables: Sequence[Any], name: Any, initializer: Any = "zeros") -> Any:
        """Makes one slot, or several, for each model variable.

        Args:
            trainable_variables: the model variables.
            name: what the slot holds; or a list, for several slots.
            initializer: one initializer, or one for each name.

        Returns:
            A list of slots, or a tuple of lists, one for each name.
        """
        names = [name] if isinstance(name, str) else list(name)
        chosen = list(initializer) if isinstance(initializer, list | tuple) else [initializer] * len(names)
        if len(names) != len(chosen):
            raise ValueError(
                "The number of provided names must match the number of provided initializers. Received "
                f"name='{name}', initializer='{initializer}'"
            )
        slots: tuple[list[Any], ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            skip = self._overwrite_variable_with_gradient(variable)
            for slot, slot_name, slot_init in zip(slots, names, chosen, strict=True):
                slot.append(
                    None if skip else self.add_variable_from_reference(variable, slot_name, initializer=slot_init)
                )
        return slots[0] if isinstance(name, str) else slots

    def assign(self, variable: Any, value: Any) -> None:
        """Sets a variable."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        """Adds to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtracts from a variable."""
        variable.assign_sub(value)

    # --- applying gradients ---

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable, with elementwise ops and `assign`; subclasses implement it.

        Args:
            gradient: gradient of the loss with respect to the variable.
            variable: the variable.
            learning_rate: the rate of this step.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `update_step`.")

    def apply_gradients(self, grads_and_vars: Any) -> Any:
        """`apply` for pairs.

        Args:
            grads_and_vars: iterable of `(gradient, variable)`.

        Returns:
            The iteration counter.
        """
        grads, variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, variables)
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """One update of the weights.

        Args:
            grads: one gradient for each variable; None where the loss does not depend on it (warned about).
            trainable_variables: the variables; default those that the optimizer was built with.

        Raises:
            ValueError: unknown variables, wrong number of gradients, no gradient at all.
        """
        grads = list(grads)
        if not grads:
            return
        if trainable_variables is None:
            variables = self._variables_for(grads)
        else:
            variables = list(trainable_variables)
            self._ensure_built(variables)
            self._check_variables_are_known(variables)
        with backend.name_scope(self.name, caller=self):
            grads, variables = self._filter_empty_gradients(grads, variables)
            grads, variables = self._overwrite_variables_directly_with_gradients(grads, variables)
            if grads:
                scale = self.loss_scale_factor
                if scale is not None:
                    grads = [g / scale for g in grads]
                self._backend_apply_gradients(grads, variables)
                for variable in variables:
                    if getattr(variable, "constraint", None) is not None:
                        variable.assign(variable.constraint(variable))
        self._iterations.assign_add(1)

    def _variables_for(self, grads: list[Any]) -> list[Any]:
        if not self.built:
            raise ValueError(
                "When passing `grads` without `variables`, the optimizer must already be built on a list of "
                "variables. Call `optimizer.build(trainable_variables)` first."
            )
        if len(grads) != len(self._trainable_variables):
            raise ValueError(
                "When passing `grads` as a list of gradient tensors, the gradients must match `optimizer.variables` "
                f"one-to-one. Received a list of {len(grads)} gradients, but the optimizer is tracking "
                f"{len(self._trainable_variables)} trainable variables."
            )
        return list(self._trainable_variables)

    def _check_variables_are_known(self, variables: Sequence[Any]) -> None:
        for v in variables:
            if self._var_key(v) not in self._trainable_variables_indices:
                raise ValueError(
                    f"Unknown variable: {v}. This optimizer can only be called for the variables it was originally "
                    "built with. When working with a new set of variables, you should recreate a new optimizer "
                    "instance."
                )

    def _filter_empty_gradients(self, grads: list[Any], variables: list[Any]) -> tuple[list[Any], list[Any]]:
        kept = [(g, v) for g, v in zip(grads, variables, strict=False) if g is not None]
        missing = [getattr(v, "path", v.name) for g, v in zip(grads, variables, strict=False) if g is None]
        if not kept:
            raise ValueError("No gradients provided for any variable.")
        if missing:
            warnings.warn(
                f"Gradients do not exist for variables {missing} when minimizing the loss. If using "
                "`model.compile()`, did you forget to provide a `loss` argument?",
                stacklevel=3,
            )
        return [g for g, _ in kept], [v for _, v in kept]

    def _overwrite_variables_directly_with_gradients(
        self, grads: list[Any], variables: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Variables flagged `overwrite_with_gradient` take the gradient as their new value.

        With accumulation they take the largest of the accumulated ones.
        """
        flagged = [self._overwrite_variable_with_gradient(v) for v in variables]
        if not any(flagged):
            return grads, variables
        steps = self.gradient_accumulation_steps
        for g, v in ((g, v) for g, v, f in zip(grads, variables, flagged, strict=True) if f):
            if not steps:
                v.assign(g)
                continue
            is_update = ops.equal((self._iterations + 1) % steps, 0)
            accumulator = self._accumulated_gradients[self._get_variable_index(v)]
            largest = ops.maximum(g, accumulator)
            v.assign(ops.where(is_update, largest, v))
            accumulator.assign(ops.where(is_update, ops.zeros_like(largest), largest))
        rest = [(g, v) for g, v, f in zip(grads, variables, flagged, strict=True) if not f]
        return [g for g, _ in rest], [v for _, v in rest]

    def _backend_apply_gradients(self, grads: list[Any], trainable_variables: list[Any]) -> None:
        if self.gradient_accumulation_steps:
            self._accumulate(grads, trainable_variables)
        else:
            self._clip_decay_update(grads, trainable_variables)
        if self.use_ema:
            self._update_model_variables_moving_average(self._trainable_variables)
            if self.ema_overwrite_frequency:
                overwrite = ops.equal((self.iterations + 1) % self.ema_overwrite_frequency, 0)
                self._run_if(
                    overwrite,
                    lambda: self._overwrite_model_variables_with_average_value(self._trainable_variables),
                    self._trainable_variables,
                )

    def _clip_decay_update(self, grads: list[Any], trainable_variables: list[Any]) -> None:
        grads = self._clip_gradients(grads)
        self._apply_weight_decay(trainable_variables)
        self._backend_update_step(grads, trainable_variables, self.learning_rate)

    def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)

    def _accumulate(self, grads: list[Any], trainable_variables: list[Any]) -> None:
        """Adds to the accumulators; every `gradient_accumulation_steps` calls updates with the mean instead."""
        steps = self.gradient_accumulation_steps
        assert steps is not None
        is_update = ops.equal((self._iterations + 1) % steps, 0)
        accumulators = [self._accumulated_gradients[self._get_variable_index(v)] for v in trainable_variables]
        totals = [g + a for g, a in zip(grads, accumulators, strict=True)]
        changed = [
            *trainable_variables,
            *(v for v in self._variables if all(v is not a for a in accumulators)),
        ]
        self._run_if(
            is_update,
            lambda: self._clip_decay_update([t / steps for t in totals], trainable_variables),
            changed,
        )
        for accumulator, total in zip(accumulators, totals, strict=True):
            accumulator.assign(ops.where(is_update, ops.zeros_like(total), total))

    def _run_if(self, condition: Any, update: Callable[[], Any], variables: Sequence[Any]) -> None:
        """Runs `update` if the scalar `condition` holds; in a trace, runs it and selects each variable's value."""
        if not getattr(condition, "is_traced", False):
            if bool(condition):
                update()
            return
        before = [v.value for v in variables]
        update()
        for variable, old in zip(variables, before, strict=True):
            new = variable.value
            if new is not old:
                variable.assign(ops.where(condition, new, old))

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """`apply` as a pure function of values.

        Args:
            optimizer_variables: values for `self.variables`, in order.
            grads: the gradients.
            trainable_variables: values for the variables that the optimizer was built with.

        Returns:
            New values of the trainable variables, new values of the optimizer's variables.
        """
        if not self.built:
            raise ValueError(
                f"To call `stateless_apply`, {type(self).__name__} must be built (i.e. its variables must have been "
                "created). You can build it via `optimizer.build(trainable_variables)`."
            )
        for what, got, expected in (
            ("optimizer_variables", len(optimizer_variables), len(self.variables)),
            ("trainable_variables", len(trainable_variables), len(self._trainable_variables)),
        ):
            if got != expected:
                raise ValueError(
                    f"Argument `{what}` must be a list of tensors corresponding 1:1 to the variables of "
                    f"{type(self).__name__}. Received list with length {got}, but expected {expected} variables."
                )
        own = self.variables
        mapping = [
            *zip(self._trainable_variables, trainable_variables, strict=True),
            *zip(own, optimizer_variables, strict=True),
        ]
        with backend.StatelessScope(state_mapping=mapping) as scope:
            self.apply(list(grads))
        new_weights = [scope.get_current_value(v) for v in self._trainable_variables]
        return new_weights, [scope.get_current_value(v) for v in own]

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --- learning rate ---

    @property
    def learning_rate(self) -> Any:
        """The current rate; assign a float, a schedule or a callable to change it."""
        return self._get_current_learning_rate()

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        is_schedule = isinstance(learning_rate, learning_rate_schedule.LearningRateSchedule)
        if is_schedule or (callable(learning_rate) and not backend.is_tensor(learning_rate)):
            if isinstance(self._learning_rate, backend.Variable):
                self._untrack_variable(self._learning_rate)
            self._learning_rate = learning_rate
            return
        if isinstance(self._learning_rate, learning_rate_schedule.LearningRateSchedule):
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` constructor "
                "argument, hence its learning rate is not settable. If you need the learning rate to be settable, "
                "you should instantiate the optimizer with a float `learning_rate` argument."
            )
        self._learning_rate.assign(learning_rate)

    def _set_learning_rate(self, learning_rate: Any) -> None:
        if isinstance(learning_rate, learning_rate_schedule.LearningRateSchedule) or callable(learning_rate):
            self._learning_rate = learning_rate
            return
        if not isinstance(learning_rate, float):
            raise ValueError(
                "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a callable "
                "(that takes in the current iteration value and returns the corresponding learning rate value). "
                f"Received instead: learning_rate={learning_rate}"
            )
        with backend.name_scope(self.name, caller=self):
            self._learning_rate = backend.Variable(
                learning_rate,
                name="learning_rate",
                dtype=backend.floatx(),
                trainable=False,
                aggregation="only_first_replica",
            )

    def _get_current_learning_rate(self) -> Any:
        rate = self._learning_rate
        if isinstance(rate, learning_rate_schedule.LearningRateSchedule):
            return rate(self._iterations)
        if isinstance(rate, backend.Variable):
            return rate
        return rate() if callable(rate) else rate

    # --- clipping, decay, averages ---

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        if self.clipnorm and self.clipnorm > 0:
            return [self._clip_by_norm(g) for g in grads]
        if self.global_clipnorm and self.global_clipnorm > 0:
            return clip_by_global_norm(grads, self.global_clipnorm)
        if self.clipvalue and self.clipvalue > 0:
            return [ops.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def _clip_by_norm(self, values: Any) -> Any:
        norm = ops.sqrt(ops.sum(ops.square(values)))
        return values * self.clipnorm / ops.maximum(norm, self.clipnorm)

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Keeps variables out of weight decay. Must be called before `build`.

        Args:
            var_list: variables.
            var_names: regular expressions; a variable whose name contains a match is kept out.
        """
        if self.built:
            raise ValueError("`exclude_from_weight_decay()` can only be configured before the optimizer is built.")
        self._excluded = {self._var_key(v) for v in var_list or ()}
        self._excluded_names = re.compile("|".join(sorted(set(var_names)))) if var_names else None

    def _use_weight_decay(self, variable: Any) -> bool:
        if self._var_key(variable) in self._excluded:
            return False
        return self._excluded_names is None or self._excluded_names.search(variable.name) is None

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        if self.weight_decay is None:
            return
        for variable in variables:
            if self._use_weight_decay(variable):
                self._decay(variable, self.weight_decay)

    def _decay(self, variable: Any, weight_decay: float) -> None:
        rate = ops.cast(self.learning_rate, variable.dtype)
        variable.assign(variable - variable * weight_decay * rate)

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        if not self.use_ema:
            return
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is None:
                continue
            # The first step starts the average at the weight itself.
            started = ops.cast(ops.not_equal(self.iterations, 0), variable.dtype)
            momentum = started * self.ema_momentum
            average.assign(momentum * average + (1 - momentum) * variable)

    def _overwrite_model_variables_with_average_value(self, trainable_variables: Sequence[Any]) -> None:
        averages = self._model_variables_moving_average
        if len(trainable_variables) != len(averages):
            raise ValueError(
                f"The length of model variables ({len(trainable_variables)}) to override does not match the length of "
                f"model variables stored in the optimizer ({len(averages)}). Please check if the optimizer was called "
                "on your model."
            )
        for variable, average in zip(trainable_variables, averages, strict=True):
            if average is not None:
                variable.assign(average)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """At the end of training: with `use_ema`, the weights become their averages.

        Args:
            var_list: the model's trainable variables.
        """
        if self.use_ema:
            self._overwrite_model_variables_with_average_value(var_list)

    # --- state and configuration ---

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all variables of the optimizer from arrays in the order of `variables`."""
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Please call "
                "`optimizer.build(trainable_variables)` to create the optimizer weights before calling "
                "`set_weights()`."
            )
        for variable, weight in zip(self._variables, weights, strict=False):
            if tuple(variable.shape) != tuple(weight.shape):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {tuple(variable.shape)} not compatible with "
                    f"provided weight shape {tuple(weight.shape)}."
                )
        for variable, weight in zip(self._variables, weights, strict=False):
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        """Writes the variables' values under "0", "1", ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote; warns and leaves all as it is when the number differs."""
        count = len(store.keys())
        if count != len(self.variables):
            message = (
                f"Skipping variable loading for optimizer '{self.name}', because it has {len(self.variables)} "
                f"variables whereas the saved optimizer has {count} variables. "
            )
            if not self.variables:
                message += "This is likely because the optimizer has not been called/built yet."
            warnings.warn(message, stacklevel=2)
            return
        for i, variable in enumerate(self.variables):
            variable.assign(store[str(i)])

    def _obj_type(self) -> str:
        return "Optimizer"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a JSON-able dict."""
        return {
            "name": self.name,
            "learning_rate": self._learning_rate_config(),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    def _learning_rate_config(self) -> Any:
        rate = self._learning_rate
        if isinstance(rate, learning_rate_schedule.LearningRateSchedule):
            return learning_rate_schedule.serialize(rate)
        if isinstance(rate, backend.Variable):
            return float(rate.numpy())
        if backend.is_tensor(rate):
            return float(rate)
        return serialization_lib.serialize_keras_object(rate)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Makes an optimizer from the dict that `get_config` returned.

        Args:
            config: the dict.
            custom_objects: names of your own classes and functions.
        """
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = serialization_lib.deserialize_keras_object(
                config["learning_rate"], custom_objects=custom_objects
            )
        return cls(**config)


def global_norm(value_list: Sequence[Any]) -> Any:
    """`sqrt(sum of squares)` over all elements of all tensors; None entries are skipped."""
    squares = [ops.sum(ops.square(v)) for v in value_list if v is not None]
    total = squares[0]
    for s in squares[1:]:
        total = total + s
    return ops.sqrt(total)


def clip_by_global_norm(value_list: Sequence[Any], clip_norm: float) -> list[Any]:
    """Scales all tensors so that their common norm is at most `clip_norm`; not finite in, NaN out."""
    norm = global_norm(value_list)
    scale = clip_norm * ops.minimum(1.0 / norm, 1.0 / clip_norm)
    scale = scale + (norm - norm)
    return [v * scale if v is not None else v for v in value_list]
