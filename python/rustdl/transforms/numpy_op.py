"""Ops of your own, written with numpy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import _rustdl
from rustdl.backend import structure
from rustdl.backend.tensor import convert_to_tensor


def numpy_op(
    fn: Callable[..., Any] | None = None,
    result: Any = None,
    vjp: Callable[..., Any] | None = None,
    name: str | None = None,
    pure: bool = True,
) -> Any:
    """An op whose kernel is a function of numpy arrays: it runs eagerly and inside of compiled steps.

    Args:
        fn: From arrays (read-only) to an array, or to a tuple of arrays; without it a decorator is returned.
        result: Shapes and dtypes of what it returns: `None` if those of the first argument, else a function that
            gets a `(shape, dtype)` for each argument and returns such a pair, or a list of them for several results.
        vjp: The gradient, in functions of `rustdl.ops`: `vjp(inputs, outputs, gradients)` gets three tuples of tensors
            and returns a gradient, or `None`, for each input. Use another `numpy_op` in it for a gradient in numpy;
            a gradient in `rustdl.ops` can be differentiated again. Without it the op has no gradient.
        name: In messages, profiles and pictures; by default that of the function.
        pure: Whether equal arguments give equal results, so that equal calls may be merged.

    Returns:
        A function of tensors. Under `vmap` it runs once for each example.

    Raises:
        ShapeError: `fn` returned another shape or dtype than announced.

    Example:
        >>> import numpy as np, rustdl
        >>> square_root = rustdl.numpy_op(np.sqrt, vjp=lambda x, y, g: [g[0] / (2.0 * y[0])])
        >>> float(rustdl.jit(rustdl.grad(square_root))(4.0))
        0.25
    """
    if fn is None:
        return functools.partial(numpy_op, result=result, vjp=vjp, name=name, pure=pure)
    op_name = str(name or getattr(fn, "__name__", "numpy_op"))

    @functools.wraps(fn, assigned=("__doc__", "__module__"), updated=())
    def call(*args: Any) -> Any:
        inputs = [convert_to_tensor(x) for x in args]
        if not inputs:
            raise TypeError(f"{op_name}: a numpy_op needs at least one tensor")
        specs = [(tuple(x.shape), x.dtype) for x in inputs]
        found = specs[0] if result is None else result(*specs)
        single = not isinstance(found, list)
        outs = [found] if single else found

        def run(tensors: list[Any]) -> list[Any]:
            made = fn(*[np.asarray(t) for t in tensors])
            arrays = [made] if single else list(made)
            return [_rustdl.convert(_like(a, spec)) for a, spec in zip(arrays, outs, strict=True)]

        def pull(xs: Any, ys: Any, gs: Any) -> list[Any]:
            assert vjp is not None
            grads = vjp(tuple(xs), tuple(ys), tuple(gs))
            return [None if g is None else convert_to_tensor(g) for g in structure.flatten(list(grads))]

        shapes = [(list(shape), str(np.dtype(dtype)) if not isinstance(dtype, str) else dtype) for shape, dtype in outs]
        values = _rustdl.host_op(str(op_name), inputs, shapes, run, pull if vjp is not None else None, pure)
        return values[0] if single else tuple(values)

    call.__name__ = call.__qualname__ = op_name
    return call


def _like(array: Any, spec: Any) -> Any:
    """An array in memory of its own with the dtype announced, if it is of the same kind."""
    array = np.asarray(array)
    dtype = np.dtype(spec[1])
    if array.dtype != dtype and array.dtype.kind == dtype.kind:
        array = array.astype(dtype)
    return np.ascontiguousarray(array).reshape(array.shape)
