"""Tracing: a Python function run once on placeholders and compiled into one plan.

Variables that the function reads become inputs of the plan, those that it assigns become updates, so the same code that
works eagerly works compiled. `jit.py` keeps one compiled plan for each signature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.global_state import state
from rustdl.backend.stateless_scope import StatelessScope
from rustdl.backend.tensor import convert_to_tensor
from rustdl.backend.trace_errors import check_leaks, check_result, explain, traced_outside
from rustdl.backend.variable import Variable


class TraceScope(StatelessScope):
    """A variable read for the first time becomes a placeholder; assignments are collected as updates."""

    defers_initialization = False

    def __init__(self) -> None:
        super().__init__(collect_losses=True, initialize_variables=False)
        self.reads: dict[int, tuple[Any, Tensor]] = {}
        self.writes: dict[int, tuple[Any, Tensor]] = {}
        # Results that nobody reads, of ops that do something (`debug_print`).
        self.effects: list[Tensor] = []
        # A traced tensor that every run of the plan has.
        self.anchor: Tensor | None = None

    def get_current_value(self, variable: Any) -> Any:
        """A placeholder at the first read, later what was assigned."""
        value = self.state_mapping.get(id(variable))
        if value is None:
            value = _rustdl.placeholder(variable.shape, variable._dtype)
            self.state_mapping[id(variable)] = value
            self.reads[id(variable)] = (variable, value)
        return value

    def add_update(self, update: tuple[Any, Tensor]) -> None:
        """Records an assignment."""
        variable, value = update
        self.state_mapping[id(variable)] = value
        self.writes[id(variable)] = (variable, value)


def in_trace() -> bool:
    """Whether a trace is being made: values then have a shape and a dtype only."""
    scope = state.stateless_scope
    while scope is not None:
        if isinstance(scope, TraceScope):
            return True
        scope = scope.parent
    return False


def is_input(x: Any) -> bool:
    """Whether a leaf of the arguments is an input of the plan: an array of any kind.

    Not variables: those are the function's state, read and assigned where they stand.
    """
    if isinstance(x, Variable):
        return False
    return isinstance(x, (Tensor, np.ndarray, np.generic)) or hasattr(x, "__rustdl_tensor__")


class Traced(NamedTuple):
    """What a trace found: the placeholders of the arguments, the structure of the result, reads and writes."""

    inputs: list[Tensor]
    outputs: Any
    scope: TraceScope


def trace_graph(fn: Callable[..., Any], args: Any, kwargs: Any = None) -> Traced:
    """Runs `fn` once on placeholders.

    Args:
        fn: The function.
        args: Its arguments; every tensor or array in their structures becomes a placeholder. Variables stay what they
            are.
        kwargs: Its keyword arguments, likewise.

    Returns:
        The trace, not yet compiled.
    """
    inputs: list[Tensor] = []

    def fake(x: Any) -> Any:
        if not is_input(x):
            return x
        x = convert_to_tensor(x)
        inputs.append(_rustdl.placeholder(x.shape, x.dtype))
        return inputs[-1]

    args, kwargs = structure.map_leaves(fake, (tuple(args), dict(kwargs or {})))
    scope = TraceScope()
    scope.anchor = inputs[0] if inputs else None
    outside = traced_outside(fn, args)
    try:
        with scope:
            outputs = fn(*args, **kwargs)
    except Exception as error:
        explained = explain(error, fn)
        if explained is error:
            raise
        raise explained from error
    check_leaks(fn, args, outside)
    check_result(fn, outputs)
    return Traced(inputs, outputs, scope)


class Compiled:
    """A traced function. Call it with arguments of the same structure, shapes and dtypes.

    Attributes:
        plan: The compiled plan.
        variables: The variables that it reads or updates.
    """

    def __init__(self, traced: Traced, memory_budget: int | None = None) -> None:
        flat = structure.flatten(traced.outputs)
        self._structure = traced.outputs
        # Values that do not depend on the inputs are kept, not computed again.
        self._constants = [None if isinstance(x, Tensor) and x.is_traced else x for x in flat]
        computed = [x for x in flat if isinstance(x, Tensor) and x.is_traced]
        self._is_computed = [isinstance(x, Tensor) and x.is_traced for x in flat]
        self._is_single = isinstance(traced.outputs, Tensor) and self._is_computed == [True]
        reads = list(traced.scope.reads.values())
        writes = list(traced.scope.writes.values())
        self.variables = list({id(v): v for v, _ in (*reads, *writes)}.values())
        self.plan = _rustdl.compile(
            traced.inputs,
            [(v.cell, placeholder) for v, placeholder in reads],
            [*computed, *traced.scope.effects],
            [(v.cell, value) for v, value in writes],
            *([] if memory_budget is None else [memory_budget]),
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the plan."""
        return self.run([x for x in structure.flatten((args, kwargs)) if is_input(x)])

    def run(self, arrays: list[Any]) -> Any:
        """Runs the plan for the arrays among the arguments, in order."""
        return self.unpack(self.plan.run([x if type(x) is Tensor else convert_to_tensor(x) for x in arrays]))

    def unpack(self, computed: list[Tensor]) -> Any:
        """The structure that the function returned, around the outputs of the plan."""
        if self._is_single:
            return computed[0]
        values = iter(computed)
        flat = [
            next(values) if is_computed else constant
            for is_computed, constant in zip(self._is_computed, self._constants, strict=True)
        ]
        return structure.pack(self._structure, flat)


def trace(
    fn: Callable[..., Any], example_args: Any, example_kwargs: Any = None, memory_budget: int | None = None
) -> Compiled:
    """Traces a function and compiles it.

    Args:
        fn: A function of structures of tensors; it may read and assign variables.
        example_args: Arguments of the shapes and dtypes to compile for; anything but tensors and arrays is fixed.
        example_kwargs: Keyword arguments, likewise.
        memory_budget: The most bytes for temporaries: values of the forward pass are computed again in the backward
            pass as far as needed.

    Returns:
        A callable that does what `fn` does.

    Example:
        >>> import rustdl
        >>> v = rustdl.Variable(1.0)
        >>> step = trace(lambda x: v.assign_add(x), (rustdl.ops.convert_to_tensor(2.0),))
        >>> float(step(rustdl.convert(2.0))), float(v)
        (3.0, 3.0)
    """
    return Compiled(trace_graph(fn, example_args, example_kwargs), memory_budget)
