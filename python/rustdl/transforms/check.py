"""`check_grads`: derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.dtypes import is_float_dtype
from rustdl.backend.tensor import convert_to_tensor
from rustdl.transforms.products import jvp, vjp


def check_grads(
    fn: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("forward", "reverse"),
    eps: float = 1e-5,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Checks the gradient of a function, for ops of your own: forward and reverse mode against central differences.

    Along random directions t and cotangents u: `(f(x + eps t) - f(x - eps t)) / (2 eps)` must equal J t, and `<u, J t>`
    must equal `<u^T J, t>`; for a higher order the same for the derivative as a function. Float arguments are converted
    to float64, in which the differences are exact enough.

    Args:
        fn: A function of nested structures of float tensors; other arguments are held fixed.
        args: Where to check.
        order: How many derivatives are taken.
        modes: `"forward"`, `"reverse"` or both.
        eps: The step.
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        seed: Of the random directions.

    Raises:
        AssertionError: A derivative is wrong; the message says which, with both numbers.

    Example:
        >>> import rustdl
        >>> rustdl.check_grads(lambda x: rustdl.ops.sin(x) * x, (0.7,), order=3)
    """
    wrong = set(modes) - {"forward", "reverse"}
    if wrong or not modes:
        raise ValueError(f"check_grads: modes must be 'forward' and 'reverse', got {tuple(modes)}")
    if order < 1:
        raise ValueError(f"check_grads: order must be at least 1, got {order}")
    rng = np.random.default_rng(seed)
    exact = structure.map_leaves(_in_double, tuple(args))
    _Checker(tuple(modes), eps, rtol, atol, rng).check(fn, exact, order, "")


def _in_double(x: Any) -> Any:
    if isinstance(x, float):
        return convert_to_tensor(x, dtype="float64")
    if hasattr(x, "dtype") and is_float_dtype(x.dtype):
        return convert_to_tensor(np.array(x, dtype="float64"))
    return x


def _is_float(x: Any) -> bool:
    return isinstance(x, Tensor) and is_float_dtype(x.dtype)


class _Checker:
    """The settings of one `check_grads`."""

    def __init__(self, modes: tuple[str, ...], eps: float, rtol: float, atol: float, rng: Any) -> None:
        self.modes = modes
        self.eps = eps
        self.rtol = rtol
        self.atol = atol
        self.rng = rng

    def check(self, fn: Callable[..., Any], args: Any, order: int, path: str) -> None:
        t = structure.map_leaves(self._noise, args)
        u = [self._noise(y) for y in self._outputs(fn, args)]
        difference = self._difference(fn, args, t)
        if "forward" in self.modes:
            slopes = [s for s in structure.flatten(jvp(fn, args, t)[1]) if _is_float(s)]
            for i, (want, got) in enumerate(zip(difference, slopes, strict=True)):
                self._compare(want, np.asarray(got), f"{path}forward-mode derivative of output {i}")
        if "reverse" in self.modes:
            grads = self._pulled(fn, args, u)
            want = sum(float(np.vdot(np.asarray(a), b)) for a, b in zip(u, difference, strict=True))
            pairs = zip(grads, [x for x in structure.flatten(t) if x is not None], strict=True)
            got = sum(float(np.vdot(np.asarray(g), np.asarray(d))) for g, d in pairs)
            self._compare(np.asarray(want), np.asarray(got), f"{path}reverse-mode derivative")
        if order > 1:
            if "forward" in self.modes:
                self.check(lambda *a: jvp(fn, a, t)[1], args, order - 1, f"{path}forward-mode derivative's ")
            if "reverse" in self.modes:
                self.check(lambda *a: self._pulled(fn, a, u), args, order - 1, f"{path}reverse-mode derivative's ")

    def _pulled(self, fn: Callable[..., Any], args: Any, u: list[Any]) -> list[Any]:
        value, back = vjp(fn, *args)
        found = iter(u)
        cotangents = [next(found) if _is_float(convert_to_tensor(y)) else None for y in structure.flatten(value)]
        return [g for g in structure.flatten(back(structure.pack(value, cotangents))) if g is not None]

    def _noise(self, x: Any) -> Any:
        if not _is_float(x):
            return None
        return convert_to_tensor(np.asarray(self.rng.normal(size=tuple(x.shape)), dtype=x.dtype))

    def _outputs(self, fn: Callable[..., Any], args: Any) -> list[Any]:
        outputs = [convert_to_tensor(y) for y in structure.flatten(fn(*args))]
        return [y for y in outputs if _is_float(y)]

    def _difference(self, fn: Callable[..., Any], args: Any, t: Any) -> list[Any]:
        def moved(h: float) -> Any:
            directions = iter(structure.flatten(t))

            def step(x: Any) -> Any:
                d = next(directions)
                return x if d is None else convert_to_tensor(np.asarray(np.asarray(x) + h * np.asarray(d)))

            return [np.asarray(y) for y in self._outputs(fn, structure.map_leaves(step, args))]

        def central(h: float) -> list[Any]:
            return [(a - b) / (2 * h) for a, b in zip(moved(h), moved(-h), strict=True)]

        # Richardson's extrapolation: the error of second order cancels.
        h = 10 * self.eps
        return [(4 * fine - coarse) / 3 for fine, coarse in zip(central(h), central(2 * h), strict=True)]

    def _compare(self, want: Any, got: Any, what: str) -> None:
        if np.allclose(got, want, rtol=self.rtol, atol=self.atol):
            return
        error = np.max(np.abs(got - want))
        raise AssertionError(
            f"check_grads: the {what} is {got!r}, differences give {want!r} (largest error {error:.3g})"
        )
