"""The base class of metrics: state in variables, updated batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rustdl import backend, dtype_policies, initializers, ops

Tensor = Any
Variable = Any


class Metric:
    """Base class of all metrics.

    A subclass makes its state with `add_variable` (usually in `__init__`), changes it with `assign`, `assign_add` in
    `update_state`, and computes the value from it in `result`. All three use `rustdl.ops` alone, so they can become
    part
    of a compiled training step.

    Args:
        dtype: dtype or policy of state and computation; the global float type by default.
        name: Name of the metric; by default that of the class in snake case.

    Example:
        >>> import rustdl
        >>> class Positives(rustdl.metrics.Metric):
        ...     def __init__(self, name="positives"):
        ...         super().__init__(name=name)
        ...         self.total = self.add_variable(shape=(), initializer="zeros", name="total")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.total.assign_add(rustdl.ops.sum(rustdl.ops.cast(y_pred > 0.5, self.dtype)))
        ...     def result(self):
        ...         return self.total
        >>> metric = Positives()
        >>> metric.update_state([1.0, 0.0], [0.9, 0.2])
        >>> float(metric.result())
        1.0
    """

    # Whether a higher ("up") or a lower ("down") value is better, where that is known; callbacks read it for mode
    # "auto".
    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        if name is None:
            from rustdl.utils.naming import auto_name

            name = auto_name(self.__class__.__name__)
        self.name = name
        self._dtype_policy = dtype_policies.get(dtype or backend.floatx())
        self._dtype = self._dtype_policy.compute_dtype

    @property
    def dtype(self) -> str:
        """The dtype of the state and of the result."""
        return str(self._dtype)

    @property
    def variables(self) -> list[Variable]:
        """The state: this metric's variables, then those of the metrics that it holds."""
        own: list[Variable] = []
        nested: list[Variable] = []
        seen: set[int] = set()
        for value in self.__dict__.values():
            for leaf in _leaves(value):
                if id(leaf) in seen:
                    continue
                seen.add(id(leaf))
                if isinstance(leaf, Metric):
                    nested.extend(v for v in leaf.variables if id(v) not in seen)
                    seen.update(id(v) for v in leaf.variables)
                else:
                    own.append(leaf)
        return own + nested

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Makes a variable of the state.

        Args:
            shape: Shape of the variable.
            initializer: An initializer or its name.
            dtype: dtype; `rustdl.config.floatx()` by default, as sums need more digits than half precision has.
            aggregation: Kept for compatibility.
            name: Name of the variable.
        """
        self._check_super_called()
        with backend.name_scope(self.name.replace("/", ">"), caller=self):
            return backend.Variable(
                initializer=initializers.get(initializer),
                shape=tuple(shape),
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                name=name,
            )

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """The same as `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer or "zeros", dtype=dtype, name=name)

    def reset_state(self) -> None:
        """Sets the whole state to zero. Called at the start of each epoch and evaluation."""
        for v in self.variables:
            v.assign(ops.zeros(v.shape, dtype=v.dtype))

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes one batch into the state. To be defined by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} must define `update_state(...)`.")

    def result(self) -> Any:
        """The value of the metric over everything seen since the last reset. To be defined by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} must define `result()`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    def _scope(self, metric_variables: Sequence[Any], method: str) -> Any:
        variables = self.variables
        if len(metric_variables) != len(variables):
            raise ValueError(
                "Argument `metric_variables` must be a list of tensors corresponding 1:1 to "
                f"{type(self).__name__}().variables. "
                f"Received list with length {len(metric_variables)}, but expected {len(variables)} variables in "
                f"`{method}`."
            )
        return backend.StatelessScope(state_mapping=list(zip(variables, metric_variables, strict=True)))

    def _values_in(self, scope: Any) -> list[Any]:
        values = []
        for v in self.variables:
            value = scope.get_current_value(v)
            values.append(v if value is None else value)
        return values

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """`update_state` as a function: takes the values of the state, returns the new ones."""
        if not self.variables and not metric_variables:
            # The state may be made at the first update: make it, outside of any scope.
            self.update_state(*args, **kwargs)
            values = [ops.convert_to_tensor(v) for v in self.variables]
            self.reset_state()
            return values
        with self._scope(metric_variables, "stateless_update_state") as scope:
            self.update_state(*args, **kwargs)
        return self._values_in(scope)

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """`result` as a function of the values of the state."""
        with self._scope(metric_variables, "stateless_result"):
            return self.result()

    def stateless_reset_state(self) -> list[Any]:
        """The values that `reset_state` would give the state."""
        with backend.StatelessScope() as scope:
            self.reset_state()
        return self._values_in(scope)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Makes a metric from what `get_config` returned."""
        return cls(**config)

    def _obj_type(self) -> str:
        return "Metric"

    def _check_super_called(self) -> None:
        if "_dtype_policy" not in self.__dict__:
            raise RuntimeError(
                "You forgot to call `super().__init__()` in the `__init__()` method of the metric "
                f"'{type(self).__name__}'. "
                "Make it its first line."
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"

    def __str__(self) -> str:
        return repr(self)


def _leaves(value: Any) -> Iterator[Any]:
    """The variables and metrics in a value: itself, or those in lists, tuples and dictionaries."""
    if isinstance(value, (backend.Variable, Metric)):
        yield value
    elif isinstance(value, dict):
        yield from _all_leaves(value.values())
    elif isinstance(value, (list, tuple)):
        yield from _all_leaves(value)


def _all_leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from _leaves(value)
