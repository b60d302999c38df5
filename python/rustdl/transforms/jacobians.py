"""Jacobians and Hessians: the backward (or forward) pass traced once and evaluated for all basis vectors at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.autodiff import _Depth, _off_tape, _on_outer_tape
from rustdl.backend.dtypes import is_float_dtype
from rustdl.transforms.products import Recorded, generic_like


def _basis(shape: Any, dtype: str) -> Any:
    """All unit vectors of a space, `[n, *shape]`."""
    from rustdl import ops

    n = math.prod(shape)
    return ops.reshape(ops.eye(n, dtype=dtype), (n, *shape))


def _all_rows(values: list[tuple[Tensor, bool]], n: int) -> list[Any]:
    from rustdl import ops

    return [x if batched else ops.broadcast_to(x, (n, *x.shape)) for x, batched in values]


def reverse_jacobian(y: Tensor, leaves: list[Tensor]) -> list[Any]:
    """For each leaf x the tensor dy/dx of shape `y.shape + x.shape`, by one batched backward pass."""
    from rustdl import ops

    u = _rustdl.placeholder(y.shape, y.dtype)
    rows = _rustdl.backward([y], leaves, seeds=[u], create_graph=True)
    n = math.prod(y.shape)
    traced = [g for g in rows if g is not None]
    found = iter(_all_rows(_rustdl.evaluate(traced, [u], [_basis(y.shape, y.dtype)], [True], n), n))
    jacobians = []
    for x, g in zip(leaves, rows, strict=True):
        shape = (*y.shape, *x.shape)
        jacobians.append(
            ops.zeros(shape, dtype=x.dtype) if g is None else ops.reshape(next(found), shape),
        )
    return jacobians


def _forward_jacobian(ys: list[Tensor], x: Tensor) -> list[Any]:
    """For each y the tensor dy/dx of shape `y.shape + x.shape`, by one batched forward pass."""
    from rustdl import ops

    us = [_rustdl.placeholder(y.shape, y.dtype) for y in ys]
    (row,) = _rustdl.backward(ys, [x], seeds=us, create_graph=True)
    found: list[Any] = [None] * len(ys)
    t = _rustdl.placeholder(x.shape, x.dtype)
    n = math.prod(x.shape)
    if row is not None:
        found = _rustdl.backward([row], us, seeds=[t], create_graph=True)
    traced = [c for c in found if c is not None]
    values = [_basis(x.shape, x.dtype), *(generic_like(u) for u in us)]
    columns = iter(_all_rows(_rustdl.evaluate(traced, [t, *us], values, [True] + [False] * len(us), n), n))
    jacobians = []
    for y, c in zip(ys, found, strict=True):
        if c is None:
            jacobians.append(ops.zeros((*y.shape, *x.shape), dtype=y.dtype))
            continue
        column = ops.moveaxis(ops.reshape(next(columns), (n, *y.shape)), 0, -1)
        jacobians.append(ops.reshape(column, (*y.shape, *x.shape)))
    return jacobians


def jacobian(
    fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, mode: str = "reverse"
) -> Callable[..., Any]:
    """A function that returns the matrix of all first derivatives of `fn`.

    Args:
        fn: A function of nested structures that returns tensors in any structure, with `has_aux` a pair of that and
            anything.
        argnums: Position or positions of the arguments to differentiate by.
        has_aux: Whether `fn` returns a pair.
        mode: `"reverse"`: one batched backward pass with a row for each output element, for functions with more
            inputs than outputs; `"forward"`: one batched forward pass with a column for each input element.

    Returns:
        A function of the same arguments. Its result has the structure of the value, with in each place the structure
        of the argument (a tuple of them for several `argnums`); a leaf has the shape of the output followed by that of
        the input. With `has_aux` the pair `(jacobian, aux)`.

    Raises:
        ValueError: An unknown mode, or a position that is not among the arguments.
        TypeError: An argument or output to differentiate is not of a float dtype.

    Example:
        >>> import rustdl
        >>> rustdl.jacobian(lambda x: x * x)(rustdl.convert([1.0, 2.0])).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
    """
    if mode not in ("reverse", "forward"):
        raise ValueError(f"jacobian: mode must be 'reverse' or 'forward', got {mode!r}")
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        for position in positions:
            if not -len(args) <= position < len(args):
                raise ValueError(f"jacobian: argnums={argnums}, but the function was called with {len(args)} arguments")
        chosen = tuple(args[position] for position in positions)

        def of_chosen(*values: Any) -> Any:
            arguments = list(args)
            for position, value in zip(positions, values, strict=True):
                arguments[position] = value
            return fn(*arguments, **kwargs)

        with _Depth() as depth:
            run = Recorded("jacobian", of_chosen, chosen, has_aux=has_aux)
            _require_floats(run, chosen)
            nested = depth > 0 or _on_outer_tape(args, kwargs)
            recording = _rustdl.set_recording(nested)
            try:
                blocks = _blocks(run, mode)
            finally:
                _rustdl.set_recording(recording)
        rows = []
        for row in blocks:
            made = structure.pack(chosen, row)
            rows.append(made[0] if isinstance(argnums, int) else made)
        result = structure.pack(run.result, rows)
        if has_aux:
            result = (result, run.aux)
        return result if nested else _off_tape(result)

    return call


def _require_floats(run: Recorded, args: Any) -> None:
    if not all(run.which):
        wrong = structure.flatten(args)[run.which.index(False)]
        raise TypeError(f"jacobian: arguments to differentiate by must be of a float dtype, got {wrong!r}")
    for y in run.outputs:
        if not is_float_dtype(y.dtype):
            raise TypeError(f"jacobian: the function must return float tensors, got dtype {y.dtype}")


def _blocks(run: Recorded, mode: str) -> list[list[Any]]:
    """The blocks dy/dx: a row for each output, a column for each input."""
    if mode == "reverse":
        return [reverse_jacobian(y, run.leaves) for y in run.outputs]
    columns = [_forward_jacobian(run.outputs, x) for x in run.leaves]
    return [[column[i] for column in columns] for i in range(len(run.outputs))]


def hessian(fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the matrix of second derivatives of a scalar function.

    The gradient is traced once; forward mode over it gives all columns in one batched pass.

    Args:
        fn: Returns a scalar, with `has_aux` a pair of a scalar and anything.
        argnums: Position or positions of the arguments to differentiate by.
        has_aux: Whether `fn` returns a pair; then the result is `(hessian, aux)`.

    Returns:
        A function of the same arguments. Its result has the structure of the argument, with in each place the structure
        of the argument again; a leaf has the shape of the one followed by that of the other.

    Example:
        >>> import rustdl
        >>> rustdl.hessian(lambda x: x[0] * x[0] * x[1])(rustdl.convert([1.0, 2.0])).tolist()
        [[4.0, 2.0], [2.0, 0.0]]
    """
    from rustdl.backend.autodiff import grad

    return jacobian(grad(fn, argnums, has_aux), argnums, has_aux, mode="forward")
