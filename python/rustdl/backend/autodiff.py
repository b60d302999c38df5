"""Gradients of functions of nested structures and of variables, eager or inside a trace, to any order."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Sequence
from typing import Any

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.dtypes import is_float_dtype
from rustdl.backend.global_state import state
from rustdl.backend.stateless_scope import StatelessScope
from rustdl.backend.tensor import convert_to_tensor


class GradientScope(StatelessScope):
    """Some variables read as leaves of the tape; every assignment goes through to the scope outside."""

    defers_initialization = False

    def __init__(self) -> None:
        super().__init__(initialize_variables=False)

    def watch(self, variable: Any) -> Tensor:
        """Makes a variable a leaf; to be called before the scope is entered."""
        value = _leaf(variable._uncast())
        super().add_update((variable, value))
        return value

    def add_update(self, update: tuple[Any, Tensor]) -> None:
        """Passes an assignment on; a watched variable also keeps it here."""
        variable, value = update
        if id(variable) in self.state_mapping:
            self.state_mapping[id(variable)] = value
        if self.parent is not None:
            self.parent.add_update((variable, value))
        else:
            variable.cell.set(_rustdl.detach(value))

    def __enter__(self) -> GradientScope:
        super().__enter__()
        self.collect_losses = True
        if self.parent is not None and self.parent.collect_losses:
            self.losses = self.parent.losses
        return self


class _Depth:
    """Counts the gradients being taken inside one another."""

    def __enter__(self) -> int:
        depth: int = state.attributes.get("gradient_depth", 0)
        state.attributes["gradient_depth"] = depth + 1
        return depth

    def __exit__(self, *_: Any) -> None:
        state.attributes["gradient_depth"] = state.attributes.get("gradient_depth", 1) - 1


def _leaf(x: Tensor) -> Tensor:
    """A start of the tape with the value of `x`; if `x` is on an outer tape, gradients go on through it."""
    return _rustdl.leaf(x)


def _is_differentiable(x: Any) -> bool:
    if isinstance(x, Tensor):
        return is_float_dtype(x.dtype)
    return isinstance(x, float) or (hasattr(x, "dtype") and is_float_dtype(x.dtype))


def _is_no_number(x: Any) -> bool:
    """Whether a leaf is something beside the parameters, such as a name, a flag or `None`."""
    return isinstance(x, (str, bool)) or not (isinstance(x, numbers.Number) or hasattr(x, "dtype"))


def _is_plain_list(variables: Any) -> bool:
    return not isinstance(variables, dict) and all(structure.is_leaf(v) for v in variables)


def _check_scalar(value: Any) -> Tensor:
    value = convert_to_tensor(value)
    if tuple(value.shape) != ():
        raise ValueError(
            f"grad: the function must return a scalar, got a tensor of shape {tuple(value.shape)}; "
            "reduce it with ops.sum or ops.mean"
        )
    if not is_float_dtype(value.dtype):
        raise TypeError(f"grad: the function must return a float tensor, got dtype {value.dtype}")
    return value  # type: ignore[no-any-return]


def value_and_grad(
    fn: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    variables: Any = None,
) -> Callable[..., Any]:
    """A function that returns the value of `fn` and its gradient.

    Args:
        fn: Returns a scalar, or with `has_aux` a pair of a scalar and anything.
        argnums: Position or positions of the arguments to differentiate by; they may be nested structures, in which
            what is no number (`None`, names, flags) has the gradient `None`.
        has_aux: Whether `fn` returns a pair.
        variables: Differentiate by these `Variable`s instead: a list, or a nested structure.

    Returns:
        A function of the same arguments that returns `(value, gradient)`, with `has_aux` `((value, aux), gradient)`.
        The gradient has the structure of the argument (a tuple of them for several `argnums`), or of `variables` (a
        list for a list or tuple), with `None` where the value does not depend on one.

    Raises:
        ValueError: The value is not a scalar.
        TypeError: An argument to differentiate by is not of a float dtype, or `variables` holds something else.

    Example:
        >>> value, gradient = value_and_grad(lambda x: x * x)(3.0)
        >>> float(value), float(gradient)
        (9.0, 6.0)
    """
    is_plain = variables is None or _is_plain_list(variables)
    flat_variables = list(variables or ()) if is_plain else structure.flatten(variables)
    for v in flat_variables:
        if not hasattr(v, "_uncast"):
            raise TypeError(f"value_and_grad: variables must be rustdl.Variable, got {type(v).__name__}: {v!r}")

    @functools.wraps(fn)
    def of_variables(*args: Any, **kwargs: Any) -> Any:
        with _Depth() as depth:
            scope = GradientScope()
            leaves = [scope.watch(v) for v in flat_variables]
            with scope:
                result = fn(*args, **kwargs)
            value = _check_scalar(result[0] if has_aux else result)
            nested = depth > 0 or _on_outer_tape(args, kwargs)
            grads = _rustdl.backward([value], leaves, create_graph=nested) if leaves else []
        return _pack(value, result, nested), grads if is_plain else structure.pack(variables, grads)

    @functools.wraps(fn)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        arguments = list(args)
        leaves: list[Tensor] = []

        def watch(x: Any) -> Any:
            if _is_no_number(x):
                return x
            if not _is_differentiable(x):
                raise TypeError(
                    f"grad: arguments to differentiate by must be of a float dtype, got {x!r} "
                    f"({getattr(x, 'dtype', type(x).__name__)})"
                )
            leaves.append(_leaf(convert_to_tensor(x)))
            return leaves[-1]

        with _Depth() as depth:
            for position in positions:
                if not -len(args) <= position < len(args):
                    raise ValueError(f"grad: argnums={argnums}, but the function was called with {len(args)} arguments")
                arguments[position] = structure.map_leaves(watch, args[position])
            with GradientScope():
                result = fn(*arguments, **kwargs)
            value = _check_scalar(result[0] if has_aux else result)
            nested = depth > 0 or _on_outer_tape(args, kwargs)
            found = _rustdl.backward([value], leaves, create_graph=nested)
            flat = iter(_zeros_like(x) if g is None else g for x, g in zip(leaves, found, strict=True))

            def gradient_of(x: Any) -> Any:
                return None if _is_no_number(x) else next(flat)

            grads = tuple(structure.map_leaves(gradient_of, args[position]) for position in positions)
        return _pack(value, result, nested), grads[0] if isinstance(argnums, int) else grads

    def _pack(value: Tensor, result: Any, nested: bool) -> Any:
        if has_aux:
            return (value, result[1]) if nested else _off_tape((value, result[1]))
        return value if nested else _off_tape(value)

    return of_arguments if variables is None else of_variables


def _zeros_like(x: Tensor) -> Tensor:
    return x * 0 if x.is_traced else _rustdl.convert(0.0 * _rustdl.detach(x).numpy(), x.dtype)


def _on_outer_tape(args: Any, kwargs: Any) -> bool:
    return any(isinstance(x, Tensor) and x.is_recorded and not x.is_traced for x in structure.flatten((args, kwargs)))


def _off_tape(result: Any) -> Any:
    """Tensors without their tape, so that its memory can go."""

    def detach(x: Any) -> Any:
        return _rustdl.detach(x) if isinstance(x, Tensor) and x.is_recorded and not x.is_traced else x

    return structure.map_leaves(detach, result)


def grad(fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `fn`; see `value_and_grad`.

    Args:
        fn: Returns a scalar, or with `has_aux` a pair of a scalar and anything.
        argnums: Position or positions of the arguments to differentiate by.
        has_aux: Whether `fn` returns a pair; then the result is `(gradient, aux)`.

    Example:
        >>> float(grad(grad(lambda x: x * x * x))(2.0))
        12.0
    """
    both = value_and_grad(fn, argnums, has_aux)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return call
