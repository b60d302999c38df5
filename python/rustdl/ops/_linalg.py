"""Norms, distances and directional derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.backend.dtypes import is_float_dtype
from rustdl.ops._symbolic import symbolic


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors or matrices.

    Args:
        x: The tensor.
        ord: For vectors (one axis) any number `p`: `(sum |x|^p)^(1/p)`, with the limits at `inf`, `-inf` and 0 (the
            number of elements that are not 0). For matrices (two axes) `"fro"`, `"nuc"` (sum of the singular values),
            1, -1 (largest and smallest sum of a column), `inf`, `-inf` (of a row), 2, -2 (singular value). `None` is
            the root of the sum of all squares.
        axis: One axis, or two for matrices; `None` for all, which with an `ord` may be one or two.
        keepdims: Whether the axes stay, with size 1.

    Raises:
        ValueError: An `ord` that does not exist for this number of axes.

    Example:
        >>> from rustdl import ops
        >>> float(ops.norm(ops.array([3.0, 4.0])))
        5.0
    """
    x = backend.convert_to_tensor(x)
    if x.dtype == "int64" or not is_float_dtype(x.dtype):
        x = backend.cast(x, backend.floatx())
    if axis is None:
        axes = list(range(x.ndim))
    else:
        axes = [int(a) for a in (axis if isinstance(axis, (list, tuple)) else [axis])]
    if ord is None and (axis is None or len(axes) <= 1):
        return engine.vector_norm(x, 2.0, axes, keepdims)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"norm: ord={ord!r} is a norm of matrices, but axis={axis} is one axis")
        return engine.vector_norm(x, float(ord), axes, keepdims)
    if len(axes) != 2:
        raise ValueError(
            f"norm: ord={ord} needs one axis (vectors) or two (matrices). Received: axis={axis}, x.shape={x.shape}"
        )
    return engine.matrix_norm(x, _matrix_order(ord), axes, keepdims)


def _cholesky(x: Any, upper: bool = False) -> Any:
    """The triangular factor L of symmetric positive definite matrices: `x = L L^T`, or `x = L^T L` with `upper`.

    Args:
        x: Matrices, taken as symmetric: `(x + x^T) / 2`.
        upper: Whether the upper factor is returned.

    Raises:
        ValueError: A matrix is not positive definite. Inside a graph, where values are not known, NaN comes out.

    Example:
        >>> from rustdl import ops
        >>> ops.cholesky([[4.0, 2.0], [2.0, 2.0]]).tolist()
        [[2.0, 0.0], [1.0, 1.0]]
    """
    x = backend.convert_to_tensor(x)
    factor = engine.cholesky(x, upper)
    if not factor.is_traced and np.isnan(factor.numpy()).any() and not np.isnan(x.numpy()).any():
        raise ValueError(
            f"cholesky: a matrix of x (shape {tuple(x.shape)}) is not positive definite, so it has no such factor; "
            "add a small multiple of the identity if it should be."
        )
    return factor


cholesky: Any = symbolic(_cholesky, "cholesky")


def _matrix_order(order: Any) -> str:
    if order is None or order in ("fro", "nuc"):
        return order or "fro"
    if not isinstance(order, str):
        for value, name in ((1, "1"), (-1, "-1"), (2, "2"), (-2, "-2"), (math.inf, "inf"), (-math.inf, "-inf")):
            if order == value:
                return name
    raise ValueError(
        "norm: Invalid `ord` argument for matrices. Expected one of 'fro', 'nuc', 1, -1, 2, -2, inf, -inf. "
        f"Received: ord={order}"
    )


norm: Any = symbolic(_norm, "norm")


def _cdist(x: Any, y: Any) -> Any:
    """Euclidean distances between all pairs of rows: `d[..., i, j] = |x[..., i, :] - y[..., j, :]|`.

    The gradient of a distance 0 is 0.

    Args:
        x: Tensor of shape `(..., n, d)`.
        y: Tensor of shape `(..., m, d)`; leading axes broadcast.

    Returns:
        Tensor of shape `(..., n, m)`.

    Example:
        >>> from rustdl import ops
        >>> ops.cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]]).tolist()
        [[5.0, 1.0]]
    """
    x, y = backend.convert_to_tensor(x), backend.convert_to_tensor(y)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"`cdist` inputs must have rank >= 2. Received shapes: {tuple(x.shape)}, {tuple(y.shape)}")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"Last dimension of inputs to `cdist` must match. Received shapes: {tuple(x.shape)}, {tuple(y.shape)}"
        )
    difference = engine.expand_dims(x, -2) - engine.expand_dims(y, -3)
    squares = engine.sum(engine.square(difference), -1)
    if not is_float_dtype(squares.dtype):
        squares = backend.cast(squares, backend.floatx())
    # The root has no gradient at 0, so it never sees one.
    apart = engine.greater(squares, 0)
    return engine.where_(apart, engine.sqrt(engine.where_(apart, squares, 1.0)), 0.0)


cdist: Any = symbolic(_cdist, "cdist")


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The value of a function and its derivative in a direction.

    Keras' way to call `rustdl.jvp`.

    Args:
        fun: A function of tensors (or nested structures of them) that returns such.
        primals: List or tuple of the arguments.
        tangents: The direction: the structure, shapes and dtypes of `primals`.
        has_aux: Whether `fun` returns a pair, of which the second is passed on as it is.

    Returns:
        Pair of the value and its derivative, and with `has_aux` the second result of `fun`.

    Raises:
        TypeError: `primals` or `tangents` is no list or tuple.
        ValueError: Structures or shapes differ.

    Example:
        >>> from rustdl import ops
        >>> value, slope = ops.jvp(lambda x: x * x, [ops.array(3.0)], [ops.array(2.0)])
        >>> float(value), float(slope)
        (9.0, 12.0)
    """
    from rustdl.transforms.products import jvp as product

    if not isinstance(primals, (list, tuple)) or not isinstance(tangents, (list, tuple)):
        raise TypeError(
            "jvp: `primals` and `tangents` must be lists or tuples of arguments. "
            f"Received: primals={primals}, tangents={tangents}"
        )
    return product(fun, tuple(primals), tuple(tangents), has_aux=has_aux)
