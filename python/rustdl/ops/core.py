"""Conversions, control flow and slices: the functions of `keras.ops` that are not about numbers.

Conditionals on values that are known run as Python does. Inside a trace, where values are not known, both branches are
computed and selected from. Loops stand in `loops.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import _rustdl, backend, tree
from rustdl._rustdl import Tensor
from rustdl._rustdl import ops as engine
from rustdl.backend import structure
from rustdl.backend.dtypes import is_float_dtype, standardize_dtype
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.spec import in_spec_scope, unknown_size
from rustdl.backend.stateless_scope import StatelessScope
from rustdl.backend.subtrace import is_value
from rustdl.ops._symbolic import symbolic

convert_to_numpy = backend.own_numpy
is_tensor = backend.is_tensor


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """A tensor from a number, nested list, numpy array, variable or tensor.

    Args:
        x: The value.
        dtype: Dtype of the result; by default that of `x`.
        sparse: Only `None` or `False`.
        ragged: Only `None` or `False`.

    Example:
        >>> convert_to_tensor([1, 2]).shape
        (2,)
    """
    return backend.convert_to_tensor(x, dtype=dtype, sparse=sparse, ragged=ragged)


def _cast(x: Any, dtype: Any) -> Any:
    """The tensor with another dtype.

    Args:
        x: The tensor.
        dtype: The dtype.

    Example:
        >>> cast([1, 2], "float32").dtype
        'float32'
    """
    return backend.cast(x, dtype)


cast: Any = symbolic(_cast, "cast")


def dtype(x: Any) -> str:
    """The name of the dtype of a tensor."""
    found = getattr(x, "dtype", None)
    return standardize_dtype(found) if found is not None else str(backend.convert_to_tensor(x).dtype)


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape of a tensor; `None` where a symbolic tensor's size is not known.

    Example:
        >>> import numpy as np
        >>> shape(np.zeros((2, 3)))
        (2, 3)
    """
    return backend.shape(x)


def _saturate_cast(x: Any, dtype: Any) -> Any:
    """The tensor with another dtype, values that it cannot hold replaced by the nearest that it can.

    Args:
        x: The tensor.
        dtype: The dtype.
    """
    x = backend.convert_to_tensor(x)
    name = standardize_dtype(dtype)
    if name == x.dtype or (is_float_dtype(name) and is_float_dtype(x.dtype)):
        if is_float_dtype(name) and name in ("float16",) and x.dtype != "float16":
            return backend.cast(_clip(x, -65504.0, 65504.0), name)
        return backend.cast(x, name)
    if is_float_dtype(name) or x.dtype == "bool":
        return backend.cast(x, name)
    low, high = (0, 1) if name == "bool" else (int(np.iinfo(name).min), int(np.iinfo(name).max))
    if not is_float_dtype(x.dtype):
        info = np.iinfo(x.dtype)
        low, high = max(low, int(info.min)), min(high, int(info.max))
        return backend.cast(_clip(x, low, high), name)
    # The largest integer of the dtype may not be a float: the nearest one below is.
    top = np.asarray(high, dtype="float64" if x.dtype == "float64" else "float32")
    if int(top) > high:
        top = np.nextafter(top, top.dtype.type(0))
    return backend.cast(_clip(x, float(low), float(top)), name)


def _clip(x: Any, low: Any, high: Any) -> Any:
    from rustdl import ops

    return ops.clip(x, low, high)


saturate_cast: Any = symbolic(_saturate_cast, "saturate_cast")


def _stop_gradient(variable: Any) -> Any:
    """The same values, seen by gradients as constants.

    Args:
        variable: A tensor or variable.
    """
    return _rustdl.ops.stop_gradient(backend.convert_to_tensor(variable))


stop_gradient: Any = symbolic(_stop_gradient, "stop_gradient")


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient of its own.

    Args:
        f: Returns a pair: the value, and a function that makes the gradients by the arguments from that by the value:
            `grad(upstream)`, or `grad(*args, upstream=None)`. Value and arguments may be nested structures: `upstream`
            has that of the value, the gradient that of the argument. For several arguments it returns a tuple; `None`
            stands for no gradient. Keyword arguments are not differentiated. What `grad` computes from the
            arguments of `f` is differentiated for gradients of higher order.

    Returns:
        A function that returns the value.

    Raises:
        TypeError: `f` does not return a pair with a function.
        ValueError: Gradients that do not fit the arguments.

    Example:
        >>> import rustdl
        >>> @rustdl.custom_gradient
        ... def log1pexp(x):
        ...     e = rustdl.ops.exp(x)
        ...     return rustdl.ops.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))
        >>> float(rustdl.grad(log1pexp)(100.0))
        1.0
    """

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, KerasTensor) for x in structure.flatten((args, kwargs))):
            return f(*args, **kwargs)[0]
        tensors: list[Any] = []
        places = [[is_value(leaf) for leaf in structure.flatten(x)] for x in args]

        def take(x: Any) -> Any:
            if not is_value(x):
                return x
            tensors.append(backend.convert_to_tensor(x))
            return tensors[-1]

        pair = f(*structure.map_leaves(take, args), **kwargs)
        if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[1])):
            raise TypeError("custom_gradient: the function must return a pair of a value and a gradient function")
        value, gradient = pair
        flat = [backend.convert_to_tensor(y) for y in structure.flatten(value)]
        by_name = _takes_upstream(gradient)

        def vjp(upstream: list[Any]) -> list[Any]:
            given = structure.pack(value, upstream)
            found = gradient(upstream=given) if by_name else gradient(given)
            return _gradients_of_arguments(found, places)

        # Gradients go to the arguments by the function given alone, not through the computation of the value.
        kept = [y if y.is_traced else _rustdl.detach(y) for y in flat]
        return structure.pack(value, _rustdl.custom_vjp(tensors, kept, vjp))

    return call


def _takes_upstream(gradient: Callable[..., Any]) -> bool:
    """Whether a gradient function wants its argument as `upstream=`."""
    try:
        parameters = inspect.signature(gradient).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "upstream" or p.kind is p.VAR_KEYWORD for p in parameters)


def _gradients_of_arguments(found: Any, places: list[list[bool]]) -> list[Any]:
    """One gradient for each tensor of the arguments; `places` says which of the leaves of each are tensors."""
    several = isinstance(found, (list, tuple)) and len(found) == len(places)
    if several and len(places) == 1 and len(structure.flatten(found)) == len(places[0]) > 1:
        several = False  # the structure of the only argument, not a list of one gradient
    parts = list(found) if several else [found]
    if len(parts) != len(places):
        raise ValueError(f"the gradient function gave {len(parts)} gradients for {len(places)} arguments")
    grads: list[Any] = []
    for i, (part, is_tensor) in enumerate(zip(parts, places, strict=True)):
        leaves = [None] * len(is_tensor) if part is None else structure.flatten(part)
        if len(leaves) == len(is_tensor):
            leaves = [g for g, wanted in zip(leaves, is_tensor, strict=True) if wanted]
        if len(leaves) != sum(is_tensor):
            raise ValueError(f"the gradient of argument {i} has {len(leaves)} tensors, the argument {sum(is_tensor)}")
        grads += [None if g is None else backend.convert_to_tensor(g) for g in leaves]
    return grads


class _BranchScope(StatelessScope):
    """One branch of a conditional inside a trace: its assignments are kept apart."""

    defers_initialization = False

    def __init__(self) -> None:
        super().__init__(initialize_variables=False)
        self.writes: dict[int, tuple[Any, Any]] = {}

    def __enter__(self) -> _BranchScope:
        super().__enter__()
        if self.parent is not None:
            self.collect_losses, self.losses = self.parent.collect_losses, self.parent.losses
        return self

    def add_update(self, update: tuple[Any, Any]) -> None:
        variable, value = update
        self.state_mapping[id(variable)] = value
        self.writes[id(variable)] = (variable, value)


def _is_known(x: Any) -> bool:
    return not (isinstance(x, Tensor) and x.is_traced)


def _select(name: str, branches: list[Callable[[], Any]], choose: Callable[[list[Any]], Any]) -> Any:
    """Runs all branches and chooses among their results and assignments."""
    results, writes = [], []
    for branch in branches:
        with _BranchScope() as scope:
            results.append(branch())
        writes.append(scope.writes)
    changed = {key: variable for branch in writes for key, (variable, _) in branch.items()}
    for key, variable in changed.items():
        before = variable._uncast()
        variable.assign(choose([branch[key][1] if key in branch else before for branch in writes]))
    if all(not tree.is_nested(r) and r is None for r in results):
        return None
    for i, other in enumerate(results[1:], 1):
        try:
            tree.assert_same_structure(results[0], other)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: branches 0 and {i} return different structures: {error}") from None
    return tree.map_structure(lambda *leaves: choose(_alike(name, list(leaves))), *results)


def _alike(name: str, leaves: list[Any]) -> list[Any]:
    """The results of the branches for one place, which must have one shape and dtype; Python numbers take the dtype."""
    shapes = [tuple(getattr(x, "shape", ())) for x in leaves]
    dtypes = [str(x.dtype) for x in leaves if hasattr(x, "dtype")]
    if len(set(shapes)) > 1 or len(set(dtypes)) > 1 or 0 < sum(x is None for x in leaves) < len(leaves):
        said = ", ".join(f"{x.dtype}{list(x.shape)}" if hasattr(x, "dtype") else repr(x) for x in leaves)
        raise ValueError(
            f"{name}: the branches must return the same shapes and dtypes, got {said}: cast, reshape or broadcast them"
        )
    return leaves


def _choose_where(pred: Any, leaves: list[Any]) -> Any:
    from rustdl import ops

    if all(x is None for x in leaves):
        return None
    return ops.where(pred, leaves[0], leaves[1])


def _cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """`true_fn()` if `pred` else `false_fn()`.

    Args:
        pred: A boolean scalar.
        true_fn: Called where it is true.
        false_fn: Called where it is false; its result has the same structure, shapes and dtypes.
    """
    if isinstance(pred, backend.Variable):
        pred = pred.value
    if _is_known(pred):
        return true_fn() if bool(pred) else false_fn()
    pred = backend.cast(pred, "bool")
    return _select("cond", [true_fn, false_fn], lambda leaves: _choose_where(pred, leaves))


_symbolic_cond: Any = symbolic(_cond, "cond")


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """`true_fn()` if `pred` else `false_fn()`.

    Args:
        pred: A boolean scalar.
        true_fn: Called where it is true.
        false_fn: Called where it is false; its result has the same structure, shapes and dtypes.

    Raises:
        ValueError: While a step is compiled: the results differ in structure, shape or dtype.

    Example:
        >>> cond(True, lambda: 1, lambda: 2)
        1
    """
    return _symbolic_cond(pred, true_fn, false_fn)


def _switch(index: Any, branches: Any, *operands: Any) -> Any:
    branches = list(branches)
    if isinstance(index, backend.Variable):
        index = index.value
    if _is_known(index):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)

    def choose(leaves: list[Any]) -> Any:
        from rustdl import ops

        chosen = leaves[-1]
        for i in range(len(leaves) - 2, -1, -1):
            chosen = ops.where(index <= i, leaves[i], chosen)
        return chosen

    return _select("switch", [functools.partial(branch, *operands) for branch in branches], choose)


_symbolic_switch: Any = symbolic(_switch, "switch")


def switch(index: Any, branches: Any, *operands: Any) -> Any:
    """`branches[index](*operands)`, the index clamped to the branches there are.

    Args:
        index: An integer scalar.
        branches: Functions of the operands with results of the same structure.
        *operands: Their arguments.

    Example:
        >>> switch(1, [lambda x: x, lambda x: -x], 3)
        -3
    """
    return _symbolic_switch(index, branches, *operands)


builtin_slice = slice
slice_all = builtin_slice(None)


def _known_starts(starts: Any) -> list[int] | None:
    flat = starts if isinstance(starts, (list, tuple)) else backend.convert_to_tensor(starts)
    if isinstance(flat, Tensor):
        return None if flat.is_traced else [int(i) for i in flat.tolist()]
    if all(_is_known(i) for i in flat):
        return [int(i) for i in flat]
    return None


def _slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    from rustdl import ops

    x = backend.convert_to_tensor(inputs)
    sizes = list(shape)
    starts = _known_starts(start_indices)
    for name, given in (("shape", sizes), ("start_indices", starts)):
        if given is not None and len(given) != len(x.shape):
            raise ValueError(
                f"slice: The number of dimensions in `{'start_indices' if name == 'start_indices' else 'inputs'}` must "
                f"match the number of dimensions in `{'inputs' if name == 'start_indices' else 'shape'}`. Received: "
                f"inputs of shape {tuple(x.shape)}, {name}={given}"
            )
    if starts is None and -1 in sizes:
        if in_spec_scope():
            return _rustdl.placeholder([unknown_size() if n == -1 else n for n in sizes], x.dtype)
        raise ValueError(
            "slice: a size of -1 (up to the end) needs `start_indices` that are known, since the size depends on them. "
            f"Received: shape={tuple(sizes)} with start indices that are traced"
        )
    if starts is not None:
        # As in JAX, starts are moved so that the slice fits.
        ends = [n if s == -1 else b + s for b, s, n in zip(starts, sizes, x.shape, strict=True)]
        moved = [max(b - max(e - n, 0), 0) for b, e, n in zip(starts, ends, x.shape, strict=True)]
        lengths = [e - b for b, e in zip(starts, ends, strict=True)]
        return x[tuple(builtin_slice(b, b + k) for b, k in zip(moved, lengths, strict=True))]
    for axis, size in enumerate(sizes):
        if size == x.shape[axis]:
            continue
        start = ops.clip(backend.cast(start_indices[axis], "int32"), 0, x.shape[axis] - size)
        x = ops.take(x, start + ops.arange(size, dtype="int32"), axis=axis)
    return x


_symbolic_slice: Any = symbolic(_slice, "slice")


def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The part of a tensor of a shape that begins at some indices.

    Args:
        inputs: The tensor.
        start_indices: One an axis.
        shape: Sizes of the part; -1 for everything up to the end.

    Example:
        >>> slice([1, 2, 3, 4], [1], [2]).tolist()
        [2, 3]
    """
    return _symbolic_slice(inputs, start_indices, shape)


def _slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    x = backend.convert_to_tensor(inputs)
    updates = backend.cast(backend.convert_to_tensor(updates), x.dtype)
    if len(updates.shape) != len(x.shape):
        raise ValueError(
            f"slice_update: `updates` of shape {tuple(updates.shape)} must have the rank of `inputs`, of shape "
            f"{tuple(x.shape)}"
        )
    starts = _known_starts(start_indices)
    index = backend.convert_to_tensor(start_indices if starts is None else starts, dtype="int32")
    return engine.slice_update(x, index, updates)


_symbolic_slice_update: Any = symbolic(_slice_update, "slice_update")


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """A copy of a tensor with a part replaced.

    Args:
        inputs: The tensor.
        start_indices: Where the part begins, one index an axis.
        updates: The part.

    Example:
        >>> slice_update([0, 0, 0], [1], [7]).tolist()
        [0, 7, 0]
    """
    return _symbolic_slice_update(inputs, start_indices, updates)
