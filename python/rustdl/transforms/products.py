"""Products with derivatives: vector-Jacobian, Jacobian-vector and Hessian-vector products.

Forward mode needs no rules of its own. The vector-Jacobian product `u -> u^T J` is linear in `u`; its transpose is
`t -> J t`. So `jvp` traces the backward pass on a `u` that has no value and differentiates it by `u`: what is left is
the forward-mode computation, and nothing of the backward pass is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.autodiff import GradientScope, _Depth, _is_differentiable, _leaf, _off_tape, _on_outer_tape
from rustdl.backend.dtypes import is_float_dtype
from rustdl.backend.tensor import convert_to_tensor


class Recorded:
    """A function called with its float arguments as leaves of the tape.

    Args:
        name: Of the transformation, for messages.
        fn: The function.
        args: Its arguments, nested structures.
        has_aux: Whether it returns a pair of which only the first is differentiated.

    Attributes:
        leaves: One leaf for each float argument, in order.
        which: For each leaf of the argument structures whether it is among them.
        outputs: The leaves of the result as tensors.
    """

    def __init__(
        self, name: str, fn: Callable[..., Any], args: Sequence[Any], kwargs: Any = None, has_aux: bool = False
    ) -> None:
        self.leaves: list[Tensor] = []
        self.which: list[bool] = []

        def watch(x: Any) -> Any:
            watched = _is_differentiable(x)
            self.which.append(watched)
            if not watched:
                return x
            self.leaves.append(_leaf(convert_to_tensor(x)))
            return self.leaves[-1]

        watched_args = structure.map_leaves(watch, tuple(args))
        with GradientScope():
            result = fn(*watched_args, **(kwargs or {}))
        self.aux: Any = None
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(f"{name}: with has_aux=True the function must return a pair, got {type(result)}")
            result, self.aux = result
        self.result = result
        self.outputs = [convert_to_tensor(x) for x in structure.flatten(result)]

    def float_outputs(self) -> list[Tensor]:
        """The outputs that can depend on the leaves."""
        return [y for y in self.outputs if is_float_dtype(y.dtype)]


def zeros_like(x: Any) -> Any:
    """Zeros of the shape and dtype of a tensor."""
    from rustdl import ops

    return ops.zeros(x.shape, dtype=x.dtype)


def generic_like(x: Any) -> Any:
    """Numbers between 0.5 and 1.5, for a placeholder whose value does not matter unless it is zero somewhere.

    Many gradient rules give 0 where the cotangent is 0, so that 0 times infinity stays 0. The linear map that they
    stand for is found at a cotangent that is zero only where it must be, not where terms happen to cancel.
    """
    seed = _rustdl.convert(np.array([0x9E3779B9, 0x7F4A7C15], dtype="uint32"))
    dtype = x.dtype if x.dtype in ("float32", "float64") else "float32"
    found = _rustdl.ops.random_uniform(seed, x.shape, 0.5, 1.5, dtype)
    return found if dtype == x.dtype else found.astype(x.dtype)


def _seeds(name: str, like: list[Tensor], given: Any, what: Any) -> list[Tensor]:
    """Checked (co)tangents for the float tensors among `like`."""
    flat = structure.flatten(given)
    if len(flat) != len(like):
        raise ValueError(f"{name}: {len(flat)} {what} for {len(like)} tensors")
    found = []
    for i, (x, seed) in enumerate(zip(like, flat, strict=True)):
        if not is_float_dtype(x.dtype):
            continue
        if seed is None:
            found.append(zeros_like(x))
            continue
        seed = convert_to_tensor(seed)
        if tuple(seed.shape) != tuple(x.shape):
            raise ValueError(f"{name}: {what} {i} has shape {tuple(seed.shape)}, expected {tuple(x.shape)}")
        found.append(seed if seed.dtype == x.dtype else seed.astype(x.dtype))
    return found


def vjp(fn: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and the function that multiplies a vector with its Jacobian: `u -> u^T J`.

    Args:
        fn: A function of nested structures; returns tensors in any structure, with `has_aux` a pair of that and
            anything.
        *primals: Its arguments: dictionaries, lists, tuples, dataclasses of tensors. Those that are no floats are
            constants.
        has_aux: Whether `fn` returns a pair.

    Returns:
        `(value, vjp_fn)`, with `has_aux` `(value, vjp_fn, aux)`. `vjp_fn(cotangents)` takes the structure of the value
        and returns a tuple with the structure of each argument; `None` for what is not of a float dtype. It may be
        called any number of times, and differentiated.

    Raises:
        ValueError: Cotangents of another structure or shape than the value.

    Example:
        >>> import rustdl
        >>> value, back = rustdl.vjp(lambda x, y: x * y, 3.0, 4.0)
        >>> float(value), [float(g) for g in back(1.0)]
        (12.0, [4.0, 3.0])
    """
    with _Depth() as depth:
        run = Recorded("vjp", fn, primals, has_aux=has_aux)
        nested = depth > 0 or _on_outer_tape(primals, {})

    def back(cotangents: Any) -> Any:
        seeds = _seeds("vjp", run.outputs, cotangents, "cotangents")
        again = nested or _on_outer_tape((cotangents,), {})
        with _Depth() as outside:
            again = again or outside > 0
            found = _rustdl.backward(run.float_outputs(), run.leaves, seeds=seeds, create_graph=again)
        grads = iter(zeros_like(x) if g is None else g for x, g in zip(run.leaves, found, strict=True))
        flat = [next(grads) if watched else None for watched in run.which]
        result = structure.pack(tuple(primals), flat)
        return result if again else _off_tape(result)

    value = run.result if nested else _off_tape(run.result)
    return (value, back, run.aux if nested else _off_tape(run.aux)) if has_aux else (value, back)


def forward_products(outputs: list[Tensor], leaves: list[Tensor], tangents: list[Tensor]) -> list[Tensor]:
    """J t for recorded outputs: the derivative of the (linear) vector-Jacobian product by its vector."""
    us = [_rustdl.placeholder(y.shape, y.dtype) for y in outputs]
    rows = _rustdl.backward(outputs, leaves, seeds=us, create_graph=True)
    pairs = [(g, t) for g, t in zip(rows, tangents, strict=True) if g is not None]
    found: list[Any] = [None] * len(us)
    if pairs:
        found = _rustdl.backward([g for g, _ in pairs], us, seeds=[t for _, t in pairs], create_graph=True)
    found = [zeros_like(u) if t is None else t for u, t in zip(us, found, strict=True)]
    return [t for t, _ in _rustdl.evaluate(found, us, [generic_like(u) for u in us], [False] * len(us), 1)]


def jvp(fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of a function and its derivative along a direction, J t: forward-mode differentiation.

    Args:
        fn: A function of nested structures that returns tensors in any structure.
        primals: Tuple of its arguments.
        tangents: Tuple of the same structure; `None` or anything where an argument is not of a float dtype.
        has_aux: Whether `fn` returns a pair of which only the first is differentiated.

    Returns:
        `(value, derivative)` of the same structure, with `has_aux` `(value, derivative, aux)`. The derivative of an
        output that is not of a float dtype is zeros of its dtype.

    Raises:
        ValueError: Tangents of another structure or shape than the arguments.

    Example:
        >>> import rustdl
        >>> value, slope = rustdl.jvp(lambda x: x * x, (3.0,), (1.0,))
        >>> float(value), float(slope)
        (9.0, 6.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("jvp: primals and tangents must be tuples of the function's arguments and their directions")
    with _Depth() as depth:
        run = Recorded("jvp", fn, primals, has_aux=has_aux)
        nested = depth > 0 or _on_outer_tape((primals, tangents), {})
        flat = structure.flatten(tuple(tangents))
        if len(flat) != len(run.which):
            raise ValueError(f"jvp: {len(flat)} tangents for {len(run.which)} arguments")
        chosen = [t for t, watched in zip(flat, run.which, strict=True) if watched]
        directions = _seeds("jvp", run.leaves, chosen, "tangents")
        found = iter(forward_products(run.float_outputs(), run.leaves, directions))
    slopes = [next(found) if is_float_dtype(y.dtype) else zeros_like(y) for y in run.outputs]
    pair = (run.result, structure.pack(run.result, slopes))
    if has_aux:
        pair = (*pair, run.aux)  # type: ignore[assignment]
    return pair if nested else _off_tape(pair)


def hvp(fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product of the Hessian of a scalar function with a vector, at about the cost of two gradients.

    It is the gradient of `<grad f(x), t>` (Pearlmutter 1994, "Fast Exact Multiplication by the Hessian").

    Args:
        fn: Returns a scalar.
        primals: Tuple of its arguments, nested structures of float tensors.
        tangents: Tuple of the same structure: the vector.

    Returns:
        Tuple of the structure of `primals`.

    Example:
        >>> import rustdl
        >>> (h,) = rustdl.hvp(lambda x: rustdl.ops.sum(x * x * x), ([1.0, 2.0],), ([1.0, 0.0],))
        >>> h
        [<rustdl.Tensor shape=() dtype=float32
        6.0>, <rustdl.Tensor shape=() dtype=float32
        0.0>]
    """
    from rustdl.backend.autodiff import grad

    numbers = tuple(range(len(primals)))
    return jvp(grad(fn, argnums=numbers), primals, tangents)[1]
