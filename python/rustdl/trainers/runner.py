"""Runs the step of a model on batches, compiled once for each signature of a batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rustdl import tree
from rustdl._rustdl import Tensor, convert
from rustdl.backend.global_state import settings
from rustdl.backend.trace import Compiled, trace

_MAX_PLANS = 16


class SinglePlan(NamedTuple):
    """A plan for one numpy array.

    Args:
        dtype: Of the array.
        plan: The plan.
        cast: The dtype that the plan wants, or None where it is the array's.
    """

    dtype: Any
    plan: Any
    cast: str | None


class StepRunner:
    """A step function with its compiled plans.

    Args:
        model: The model.
        step: `step(data)`: one step on a batch, in Python.
        eager: Whether to run the Python code at each batch rather than a plan.
        deferred: Whether the step's result is only the metrics, which are then read from their state when wanted.
        steps_per_execution: Number of batches that one call takes from the iterator.
        memory_budget: The most bytes for temporaries of a plan.
    """

    def __init__(
        self,
        model: Any,
        step: Callable[[Any], Any],
        eager: bool,
        deferred: bool,
        steps_per_execution: int = 1,
        memory_budget: int | None = None,
    ) -> None:
        self.model = model
        self.step = step
        self._eager = eager
        self.deferred = deferred and not eager
        self.steps_per_execution = steps_per_execution
        self.memory_budget = memory_budget
        self._plans: OrderedDict[Any, Compiled] = OrderedDict()
        # For prediction on one array: the plan of each shape.
        self.single: dict[tuple[int, ...], SinglePlan] = {}

    @property
    def eager(self) -> bool:
        """Whether the Python code of the step runs at each batch."""
        return self._eager or bool(settings.get("debug_nans"))

    def compiled(self, data: Any) -> Compiled:
        """The plan for batches with the structure, shapes and dtypes of `data`."""
        key = tuple(
            (path, tuple(x.shape), str(x.dtype)) if isinstance(x, Tensor) else (path, None)
            for path, x in tree.flatten_with_path(data)
        )
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
            return found
        found = trace(self._traced_step, (data,), memory_budget=self.memory_budget)
        self._plans[key] = found
        if len(self._plans) > _MAX_PLANS:
            self._plans.popitem(last=False)
        return found

    def _traced_step(self, data: Any) -> Any:
        if not self.deferred:
            return self.step(data)
        model = self.model
        model.__dict__["_defer_metrics_result"] = True
        try:
            self.step(data)
        finally:
            model.__dict__["_defer_metrics_result"] = False
        return {}

    def run(self, data: Any) -> Any:
        """One step; returns what the step function returns (nothing with deferred metrics)."""
        if self.eager:
            return self.step(data)
        compiled = self.compiled(data)
        return compiled.unpack(compiled.plan.run([x for x in tree.flatten(data) if isinstance(x, Tensor)]))

    def run_rows(self, adapter: Any, order: Any, position: int, steps: int, budget: float | None) -> tuple[int, Any]:
        """Several steps on full batches of arrays in memory, without Python between them.

        Args:
            adapter: An `ArrayDataAdapter`.
            order: Row numbers, or None.
            position: The first batch.
            steps: The most batches to run.
            budget: Seconds after which to return early, or None.

        Returns:
            The number of batches run, and the result of the last one.
        """
        size = adapter.batch_size
        template = adapter.pack([a[:size] for a in adapter.arrays])
        compiled = self.compiled(template)
        if order is None:
            done, results = compiled.plan.run_batches(adapter.arrays, None, size, position, steps, budget)
        else:
            rows = convert(order[position * size : (position + steps) * size])
            done, results = compiled.plan.run_batches(adapter.arrays, rows, size, 0, steps, budget)
        return done, compiled.unpack(results)

    def __call__(self, iterator: Iterator[Any]) -> Any:
        """Takes `steps_per_execution` batches from an iterator; returns the logs after them."""
        result = self.run(next(iterator))
        for _ in range(self.steps_per_execution - 1):
            try:
                data = next(iterator)
            except StopIteration:
                break
            result = self.run(data)
        return self.logs(result)

    def logs(self, result: Any) -> Any:
        """The logs that go with a step's result."""
        return self.model.get_metrics_result() if self.deferred else result
