"""Loops: `scan`, `map`, `fori_loop`, `while_loop`, `associative_scan`.

The body of a loop is traced once and becomes one operation of the engine, eagerly as well as inside a trace; gradients
of any order go through. A body that needs values while it is traced (`if x > 0:`, printing) runs as a Python loop: step
by step when called eagerly, unrolled inside a trace. Variables that a body assigns are carried from step to step.

With `truncate_gradient`, `scan` cuts the gradient of what is carried at the borders of windows of so many steps. A flag
a step, one more input of the loop, says where: the loop stays one operation, and the gradient of a weight one product.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from rustdl import _rustdl, backend, tree
from rustdl._rustdl import Tensor
from rustdl.backend.global_state import settings, state
from rustdl.backend.spec import in_spec_scope
from rustdl.backend.stateless_scope import StatelessScope
from rustdl.errors import TracedError
from rustdl.ops._symbolic import symbolic

# Fewer steps than this are not worth a loop of their own: unrolled, they fuse with what stands around.
_UNROLL_BELOW = 2


class _LoopScope(StatelessScope):
    """One traced step: assignments are collected, and become carries."""

    defers_initialization = False

    def __init__(self, values: list[tuple[Any, Any]]) -> None:
        super().__init__(collect_losses=True, initialize_variables=False)
        self.writes: dict[int, tuple[Any, Any]] = {}
        for variable, value in values:
            super().add_update((variable, value))

    def add_update(self, update: tuple[Any, Any]) -> None:
        """Records an assignment."""
        super().add_update(update)
        self.writes[id(update[0])] = update


class _Step(NamedTuple):
    """A traced step: placeholders of carries and slices, and what it made of them."""

    carries: list[Tensor]
    slices: list[Tensor]
    result: Any
    variables: list[Any]
    assigned: list[Any]


def _placeholder(x: Tensor, skip: int = 0) -> Tensor:
    return _rustdl.placeholder(x.shape[skip:], x.dtype)


def _trace(
    name: str,
    body: Callable[[list[Tensor], list[Tensor]], Any],
    init: list[Tensor],
    xs: list[Tensor],
    enter: Callable[[list[Tensor], list[Tensor]], list[Tensor]] | None = None,
) -> _Step:
    """Traces one step; again with more carries as long as it assigns variables that are none yet.

    `enter` makes of all carries, variables among them, and the slices what the step sees as its carries.
    """
    variables: list[Any] = []
    while True:
        carries, slices = [_placeholder(c) for c in init], [_placeholder(x, 1) for x in xs]
        held = [_rustdl.placeholder(v.shape, v._dtype) for v in variables]
        entered = [*carries, *held] if enter is None else enter([*carries, *held], slices)
        scope = _LoopScope(list(zip(variables, entered[len(carries) :], strict=True)))
        with scope:
            result = body(entered[: len(carries)], slices)
        if scope.losses:
            raise ValueError(
                f"{name}: the body of a loop cannot call `add_loss`; return the loss of each step and add their sum"
            )
        known = {id(v) for v in variables}
        fresh = [v for key, (v, _) in scope.writes.items() if key not in known]
        if not fresh:
            assigned = [scope.state_mapping[id(v)] for v in variables]
            return _Step([*carries, *held], slices, result, variables, assigned)
        variables = [*variables, *fresh]


def _tensors(structure: Any) -> list[Tensor]:
    return [backend.convert_to_tensor(x) for x in tree.flatten(structure)]


def _run_scan(
    step: _Step, init: list[Tensor], xs: list[Tensor], steps: tuple[int, bool], carries: list[Tensor], y: Any
) -> tuple[list[Tensor], Any]:
    """The loop over a traced step: the last carries, and the outputs stacked, in the structure of those of a step.

    Variables that the step assigned get their last values.
    """
    values = [v._uncast() for v in step.variables]
    outputs = [backend.convert_to_tensor(leaf) for leaf in tree.flatten(y) if leaf is not None]
    last, stacked = _rustdl.scan(
        steps, [*init, *values], xs, (step.carries, step.slices), ([*carries, *step.assigned], outputs)
    )
    for variable, value in zip(step.variables, last[len(init) :], strict=True):
        variable.assign(value)
    left = iter(stacked)
    return last[: len(init)], tree.map_structure(lambda leaf: None if leaf is None else next(left), y)


def _describe(x: Any) -> str:
    return f"shape {tuple(x.shape)} and dtype {x.dtype}"


def _check_carry(name: str, init: Any, before: list[Tensor], after: Any) -> list[Tensor]:
    """The new carries, which must have the structure, shapes and dtypes of the old ones."""
    try:
        tree.assert_same_structure(init, after)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: the carry has another structure after a step than before it: {error}") from error
    found = _tensors(after)
    paths = [path for path, _ in tree.flatten_with_path(init)]
    for path, old, new in zip(paths, before, found, strict=True):
        if (tuple(old.shape), old.dtype) != (tuple(new.shape), new.dtype):
            which = "".join(f"[{p!r}]" for p in path)
            raise ValueError(
                f"{name}: carry{which} has {_describe(old)} before a step, but {_describe(new)} after it; a carry must "
                "keep both: cast or reshape it in the body, or start from such a value"
            )
    return found


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float))


def _stacked(xs: Any) -> Any:
    """Inputs of a loop: a list of numbers is one tensor, not a structure of tensors without axes."""
    flat = tree.flatten(xs)
    return backend.convert_to_tensor(xs) if flat and all(_is_number(x) for x in flat) else xs


def _with_dtypes(init: Any, after: Any) -> Any:
    """Numbers among the first carries in the dtypes that they have after a step."""
    if len(tree.flatten(init)) != len(tree.flatten(after)):
        return init
    flat = [
        backend.convert_to_tensor(a, dtype=backend.convert_to_tensor(b).dtype) if _is_number(a) else a
        for a, b in zip(tree.flatten(init), tree.flatten(after), strict=True)
    ]
    return tree.pack_sequence_as(init, flat)


def _runs_op_by_op() -> bool:
    """Whether each step is to be seen: then NaN is found at the op of the body that makes it."""
    return bool(settings.get("debug_nans"))


def _stack_results(results: list[Any]) -> Any:
    from rustdl import ops

    if all(r is None for r in results):
        return None
    return tree.map_structure(lambda *leaves: ops.stack([backend.convert_to_tensor(x) for x in leaves]), *results)


def truncation_window(name: str, steps: Any) -> int | None:
    """A `truncate_gradient` that was given, checked: the number of steps of a window, or `None`.

    Args:
        name: Of the op or layer, for the message.
        steps: What was given.

    Raises:
        TypeError: Neither an integer nor `None`.
        ValueError: Less than 1.
    """
    if steps is None:
        return None
    wanted = f"{name}: `truncate_gradient` must be an integer >= 1, the number of steps of a window, or None"
    if isinstance(steps, bool) or not isinstance(steps, Integral):
        raise TypeError(f"{wanted} for the whole gradient. Received: truncate_gradient={steps!r}")
    if steps < 1:
        raise ValueError(f"{wanted} for the whole gradient. Received: truncate_gradient={steps}")
    return int(steps)


def _constant(x: Any) -> Any:
    """`x` without a gradient; what has none anyway is left as it is."""
    from rustdl import ops

    return ops.stop_gradient(x) if hasattr(x, "dtype") and backend.is_float_dtype(x.dtype) else x


def _cut_where_windows_begin(carries: list[Tensor], slices: list[Tensor]) -> list[Tensor]:
    """The carries of a step: constants for the gradient where the last slice says that a window begins."""
    from rustdl import ops

    begins = slices[-1]
    return [ops.where(begins, _constant(x), x) if backend.is_float_dtype(x.dtype) else x for x in carries]


def _window_begins(n: int, window: int, reverse: bool) -> Any:
    """For each of n steps, whether a window begins there; the first has what was before the loop, and no cut."""
    begins = np.arange(n) % window == 0
    begins[0] = False
    return backend.convert_to_tensor(begins[::-1].copy() if reverse else begins)


class _StepsScope(StatelessScope):
    """Steps written out inside another scope: what they assign passes on to it, and can be cut like the carry."""

    def __init__(self, outside: StatelessScope) -> None:
        super().__init__(collect_losses=outside.collect_losses, initialize_variables=False)
        self.losses, self.defers_initialization = outside.losses, outside.defers_initialization
        self.outside = outside
        self.assigned: dict[int, Any] = {}

    def add_update(self, update: tuple[Any, Tensor]) -> None:
        """Passes an assignment on."""
        self.assigned[id(update[0])] = update[0]
        self.outside.add_update(update)

    def cut(self) -> None:
        """Makes constants for the gradient of the values that variables were assigned."""
        for variable in list(self.assigned.values()):
            variable.assign(_constant(variable._uncast()))


def _python_scan(f: Any, carry: Any, xs: Any, flat: list[Any], n: int, reverse: bool, window: int | None) -> Any:
    results = []
    # Outside of all scopes, what variables are assigned is constant anyway.
    scope = None if window is None or state.stateless_scope is None else _StepsScope(state.stateless_scope)
    with scope or nullcontext():
        for step, i in enumerate(reversed(range(n)) if reverse else range(n)):
            if window is not None and step > 0 and step % window == 0:
                carry = tree.map_structure(_constant, carry)
                if scope is not None:
                    scope.cut()
            carry, y = f(carry, None if xs is None else tree.pack_sequence_as(xs, [leaf[i] for leaf in flat]))
            results.append(y)
    if reverse:
        results.reverse()
    return carry, _stack_results(results)


def _looped_scan(
    f: Any, init: Any, xs: Any, flat: list[Any], n: int, reverse: bool, weak: Any, window: int | None = None
) -> Any:
    def body(carries: list[Tensor], slices: list[Tensor]) -> Any:
        return f(
            tree.pack_sequence_as(init, carries[: len(tree.flatten(init))]),
            None if xs is None else tree.pack_sequence_as(xs, slices[: len(flat)]),
        )

    first = _tensors(init)
    inputs = flat if window is None else [*flat, _window_begins(n, window, reverse)]
    step = _trace("scan", body, first, inputs, None if window is None else _cut_where_windows_begin)
    carry, y = step.result
    if weak is not None:
        better = _with_dtypes(weak, carry)
        if [x.dtype for x in _tensors(better)] != [x.dtype for x in first]:
            better = tree.map_structure(backend.convert_to_tensor, better)
            return _looped_scan(f, better, xs, flat, n, reverse, None, window)
    carries = _check_carry("scan", init, first, carry)
    last, stacked = _run_scan(step, first, inputs, (n, reverse), carries, y)
    return tree.pack_sequence_as(init, last), stacked


def _scan(
    f: Any,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
    truncate_gradient: int | None = None,
) -> Any:
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"`unroll` must be an positive integer or boolean. Received: unroll={unroll}")
    if xs is None and length is None:
        raise ValueError("Got no `xs` to scan over and `length` not provided.")
    window = truncation_window("scan", truncate_gradient)
    xs = _stacked(xs)
    flat = [] if xs is None else _tensors(xs)
    n = int(length) if length is not None else flat[0].shape[0]
    if any(x.shape[0] != n for x in flat):
        raise ValueError(f"scan: {n} steps, but the first sizes of `xs` are {[x.shape[0] for x in flat]}")
    if window is not None and window >= n:
        window = None
    start = tree.map_structure(backend.convert_to_tensor, init)
    if unroll is True or 0 < n < _UNROLL_BELOW or (n > 0 and _runs_op_by_op()):
        return _python_scan(f, start, xs, flat, n, reverse, window)
    try:
        return _looped_scan(f, start, xs, flat, n, reverse, init, window)
    except TracedError:
        return _python_scan(f, start, xs, flat, n, reverse, window)


_symbolic_scan: Any = symbolic(_scan, "scan")


def scan(
    f: Any,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
    truncate_gradient: int | None = None,
) -> Any:
    """Carries a state along the first axis of `xs`.

    `f` is traced once; the loop is one operation whose gradient is again a loop. Gradients of tensors that `f` reads
    from outside, such as weights, are summed over all steps in one product where they can be.

    With `truncate_gradient=k` the steps form windows of k in the order in which they are run (from the end with
    `reverse`; the last window may be shorter), and the carry with which a window begins is a constant for the gradient:
    backpropagation through time is truncated (Williams & Peng, 1990), all values stay what they are. `init` has the
    gradient of the first window. Theano's `scan`, whose name this is, keeps the last k steps alone instead.

    Args:
        f: `(carry, x)` -> `(carry, y)`; the carry keeps its structure, shapes and dtypes.
        init: The carry at the start.
        xs: Tensors with a common first size, or `None`.
        length: The number of steps, needed without `xs`.
        reverse: Whether to begin at the end; the `y`s lie where their `x`s lay.
        unroll: `True` writes all steps out; other values change nothing.
        truncate_gradient: The number of steps of a window, >= 1; by default the gradient goes through all steps. Not in
            Keras.

    Returns:
        The carry at the end, and the `y`s stacked.

    Raises:
        ValueError: A carry that changes its shape or dtype, sizes that differ, or `truncate_gradient` below 1.
        TypeError: `truncate_gradient` that is no integer.

    Example:
        >>> last, sums = scan(lambda total, x: (total + x, total + x), 0.0, [1.0, 2.0, 3.0])
        >>> float(last), sums.tolist()
        (6.0, [1.0, 3.0, 6.0])
        >>> import rustdl
        >>> last = lambda xs: scan(lambda total, x: (total + x, None), 0.0, xs, truncate_gradient=2)[0]
        >>> rustdl.grad(last)(rustdl.ops.ones(5)).tolist()  # windows of 2, 2 and 1 steps
        [0.0, 0.0, 0.0, 0.0, 1.0]
    """
    return _symbolic_scan(
        f, init, xs, length=length, reverse=reverse, unroll=unroll, truncate_gradient=truncate_gradient
    )


def _map(f: Any, xs: Any) -> Any:
    xs = _stacked(xs)
    flat = _tensors(xs)
    n = flat[0].shape[0]

    def one(slices: list[Any]) -> Any:
        return f(tree.pack_sequence_as(xs, slices))

    def unrolled() -> Any:
        return _stack_results([one([leaf[i] for leaf in flat]) for i in range(n)])

    if 0 < n < _UNROLL_BELOW or (n > 0 and _runs_op_by_op()):
        return unrolled()
    try:
        step = _trace("map", lambda _, slices: one(slices), [], flat)
    except TracedError:
        return unrolled()
    return _run_scan(step, [], flat, (n, False), [], step.result)[1]


_symbolic_map: Any = symbolic(_map, "map")


def map(f: Any, xs: Any) -> Any:
    """`f` of each slice along the first axis, the results stacked.

    Args:
        f: A slice, or structure of slices -> a structure of tensors.
        xs: A tensor or structure of tensors with a common first size.

    Example:
        >>> map(lambda x: x + 1.0, [1.0, 2.0]).tolist()
        [2.0, 3.0]
    """
    if not callable(f):
        raise TypeError(f"map: `f` must be callable, got {f!r}")
    return _symbolic_map(f, xs)


def _vectorized_map(function: Any, elements: Any) -> Any:
    return _map(function, elements)


_symbolic_vectorized: Any = symbolic(_vectorized_map, "vectorized_map")


def vectorized_map(function: Any, elements: Any) -> Any:
    """`function` of each slice along the first axis, the results stacked.

    Args:
        function: A slice, or structure of slices -> a structure of tensors.
        elements: A tensor or structure of tensors with a common first size.
    """
    return _symbolic_vectorized(function, elements)


def _is_known(x: Any) -> bool:
    return not (isinstance(x, Tensor) and x.is_traced)


def _fori_loop(lower: Any, upper: Any, body_fun: Any, init_val: Any) -> Any:
    if not (_is_known(lower) and _is_known(upper)):
        index = backend.convert_to_tensor(lower, dtype="int32")
        found = _while_loop(lambda i, _: i < upper, lambda i, value: (i + 1, body_fun(i, value)), (index, init_val))
        return found[1]
    first, last = int(lower), int(upper)

    def plain() -> Any:
        value = init_val
        for i in range(first, last):
            value = body_fun(i, value)
        return value

    if last - first < _UNROLL_BELOW or _runs_op_by_op():
        return plain()

    def step(carry: Any, _: Any) -> Any:
        i, value = carry
        return (i + 1, body_fun(i, value)), None

    start = backend.convert_to_tensor(first, dtype="int32")
    begun = tree.map_structure(backend.convert_to_tensor, (start, init_val))
    try:
        return _looped_scan(step, begun, None, [], last - first, False, (start, init_val))[0][1]
    except TracedError:
        return plain()


_symbolic_fori: Any = symbolic(_fori_loop, "fori_loop")


def fori_loop(lower: Any, upper: Any, body_fun: Any, init_val: Any) -> Any:
    """`val = body_fun(i, val)` for each `i` from `lower` to `upper - 1`.

    With bounds that are known this is a `scan`, and can be differentiated; with others a `while_loop`.

    Args:
        lower: First index.
        upper: One more than the last index.
        body_fun: `(index, value)` -> value, of the same structure, shapes and dtypes.
        init_val: The value at the start.

    Example:
        >>> int(fori_loop(0, 4, lambda i, total: total + i, 0))
        6
    """
    return _symbolic_fori(lower, upper, body_fun, init_val)


def _next_values(body: Any, values: Any) -> Any:
    found = body(*values)
    if not isinstance(found, (list, tuple)):
        found = (found,)
    return type(values)(tree.map_structure(backend.convert_to_tensor, x) for x in found)


def _traced_while(cond: Any, body: Any, values: Any, limit: int | None) -> Any:
    """The loop as one operation, for a condition that is not known while tracing."""
    flat = _tensors(values)

    def one(carries: list[Tensor], _: list[Tensor]) -> Any:
        current = tree.pack_sequence_as(values, carries)
        return cond(*current), _next_values(body, current)

    step = _trace("while_loop", one, flat, [])
    proceed, after = step.result
    proceed = backend.cast(backend.convert_to_tensor(proceed), "bool")
    if proceed.shape not in ((), (1,)):
        raise ValueError(f"while_loop: `cond` must return one boolean, but has shape {tuple(proceed.shape)}")
    carries = _check_carry("while_loop", values, flat, after)
    last = _rustdl.while_loop(
        [*flat, *(v._uncast() for v in step.variables)],
        step.carries,
        proceed,
        [*carries, *step.assigned],
        limit,
    )
    for variable, value in zip(step.variables, last[len(flat) :], strict=True):
        variable.assign(value)
    return tree.pack_sequence_as(values, last[: len(flat)])


def _while_loop(cond: Any, body: Any, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    # A list or tuple is several variables; anything else, such as a dictionary, is one.
    is_single = not isinstance(loop_vars, (list, tuple))
    values = (loop_vars,) if is_single else loop_vars
    values = tree.map_structure(backend.convert_to_tensor, values)
    count = 0
    while maximum_iterations is None or count < maximum_iterations:
        proceed = cond(*values)
        if not _is_known(proceed):
            rest = None if maximum_iterations is None else maximum_iterations - count
            values = _traced_while(cond, body, values, rest)
            break
        if not bool(proceed):
            break
        values = _next_values(body, values)
        count += 1
        if in_spec_scope():
            break  # only shapes are asked for, which stay: the loop itself might never end
    return values[0] if is_single else values


_symbolic_while: Any = symbolic(_while_loop, "while_loop")


def while_loop(cond: Any, body: Any, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds.

    Inside a trace, where the condition is not known, this is one operation. Its gradient needs `maximum_iterations`,
    since the values of all steps are kept for it.

    Args:
        cond: Loop variables -> boolean scalar.
        body: Loop variables -> loop variables of the same structure, shapes and dtypes.
        loop_vars: A tensor, list or tuple.
        maximum_iterations: At most so many.

    Returns:
        The loop variables at the end.

    Raises:
        ValueError: Inside a trace, for loop variables that change their shape or dtype.
        NotImplementedError: The gradient of a traced loop without `maximum_iterations`.

    Example:
        >>> int(while_loop(lambda i: i < 10, lambda i: i * 2, 3))
        12
    """
    return _symbolic_while(cond, body, loop_vars, maximum_iterations=maximum_iterations)


def _associative_scan(f: Any, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    from rustdl import ops

    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    elems = _stacked(elems)
    flat = _tensors(elems)
    sizes = {x.shape[axis] for x in flat}
    if len(sizes) != 1:
        raise ValueError(
            "Array inputs to associative_scan must have the same first dimension. "
            f"(saw: {[tuple(x.shape) for x in flat]})"
        )
    if reverse:
        flat = [ops.flip(x, axis=axis) for x in flat]

    def pick(x: Any, start: int, stop: int | None) -> Any:
        key: list[Any] = [slice(None)] * x.ndim
        key[axis] = slice(start, stop)
        return x[tuple(key)]

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        found = f(tree.pack_sequence_as(elems, a), tree.pack_sequence_as(elems, b))
        return _tensors(found)

    # Hillis and Steele (1986): after round k, element i holds the sum of the 2^k elements that end at i.
    n = sizes.pop()
    distance = 1
    while distance < n:
        merged = combine([pick(x, 0, n - distance) for x in flat], [pick(x, distance, None) for x in flat])
        flat = [ops.concatenate([pick(x, 0, distance), m], axis=axis) for x, m in zip(flat, merged, strict=True)]
        distance *= 2
    if reverse:
        flat = [ops.flip(x, axis=axis) for x in flat]
    return tree.pack_sequence_as(elems, flat)


_symbolic_associative: Any = symbolic(_associative_scan, "associative_scan")


def associative_scan(f: Any, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The running combination of elements along an axis by an associative function.

    Args:
        f: Two structures of slices of any length -> their combination, element by element.
        elems: A tensor or structure of tensors.
        reverse: Whether to begin at the end.
        axis: The axis.

    Example:
        >>> associative_scan(lambda a, b: a + b, [1.0, 2.0, 3.0]).tolist()
        [1.0, 3.0, 6.0]
    """
    return _symbolic_associative(f, elems, reverse=reverse, axis=axis)
