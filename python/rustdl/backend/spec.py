"""Shapes and dtypes of the results of any function, found by tracing it on placeholders.

Sizes that are not known are filled with two different numbers, one a run; sizes of the results that differ between the
runs are not known either. The numbers have many divisors, so that reshapes by a factor go through. A size that depends
on values, such as the number of elements that are not zero, is such an unknown one too (`unknown_size`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rustdl import _rustdl, tree
from rustdl._rustdl import Tensor
from rustdl.backend.global_state import state
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.stateless_scope import StatelessScope
from rustdl.backend.symbolic_scope import SymbolicScope
from rustdl.errors import ShapeError

_FILLS = (336, 480)
# Tried where the first are too small, for example for a window of a thousand steps.
_LARGE_FILLS = (332640, 498960)


class SpecScope(StatelessScope):
    """Variables are placeholders, assignments are forgotten: nothing is computed.

    Args:
        fill: The size that stands for an unknown one.
    """

    defers_initialization = False

    def __init__(self, fill: int = 0) -> None:
        super().__init__(initialize_variables=False)
        self.fill = fill
        # Nothing is computed, so nothing is printed: what would have been is forgotten.
        self.effects: list[Tensor] = []

    def get_current_value(self, variable: Any) -> Any:
        """A placeholder for the variable."""
        value = self.state_mapping.get(id(variable))
        if value is None:
            value = _rustdl.placeholder(variable.shape, variable._dtype)
            self.add_update((variable, value))
        return value


def in_spec_scope() -> bool:
    """Whether shapes are being worked out, on placeholders."""
    scope: Any = state.stateless_scope
    while scope is not None and not isinstance(scope, SpecScope):
        scope = scope.parent
    return scope is not None


class _UnknownSizeError(Exception):
    """A size depends on values: it takes two runs to see where it goes."""


def unknown_size() -> int | None:
    """What stands for a size that depends on values while shapes are being worked out; `None` outside of that."""
    scope: Any = state.stateless_scope
    while scope is not None and not isinstance(scope, SpecScope):
        scope = scope.parent
    if scope is None:
        return None
    if not scope.fill:
        raise _UnknownSizeError
    return int(scope.fill)


def unfilled_shape(shape: Any) -> Any:
    """The shape of a placeholder as a layer's `build` should see it: unknown sizes are `None` again."""
    scope: Any = state.stateless_scope
    while scope is not None and not isinstance(scope, SpecScope):
        scope = scope.parent
    if scope is None or not scope.fill:
        return shape
    return tuple(None if d == scope.fill else d for d in shape)


def _has_unknown(values: list[Any]) -> bool:
    return any(isinstance(x, KerasTensor) and None in x.shape for x in values)


def _run(fn: Callable[..., Any], args: Any, kwargs: Any, fill: int) -> Any:
    made: dict[int, Tensor] = {}

    def fake(x: Any) -> Any:
        if not isinstance(x, KerasTensor):
            return x
        if id(x) not in made:
            shape = tuple(fill if d is None else d for d in x.shape)
            made[id(x)] = _rustdl.placeholder(shape, x.dtype)
        return made[id(x)]

    from rustdl.backend.masking import get_keras_mask, set_keras_mask

    for x in tree.flatten((args, kwargs)):
        if isinstance(x, KerasTensor):
            mask = get_keras_mask(x)
            if isinstance(mask, KerasTensor):
                set_keras_mask(fake(x), fake(mask))
    with SpecScope(fill), SymbolicScope():
        return fn(*tree.map_structure(fake, args), **tree.map_structure(fake, kwargs))


def compute_output_spec(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `fn` returns for these arguments, with a `KerasTensor` for every tensor.

    Args:
        fn: Any function of tensors; nothing is computed and no variable changes.
        *args: Arguments; those that are `KerasTensor`s may have unknown sizes.
        **kwargs: Likewise.

    Returns:
        The structure of the result.

    Example:
        >>> import rustdl
        >>> x = rustdl.KerasTensor((None, 3))
        >>> compute_output_spec(lambda x: rustdl.ops.concatenate([x, x], axis=1), x).shape
        (None, 6)
    """
    if not _has_unknown(tree.flatten((args, kwargs))):
        try:
            return tree.map_structure(_to_spec, _run(fn, args, kwargs, 0))
        except _UnknownSizeError:
            pass
    try:
        first, second = (_run(fn, args, kwargs, fill) for fill in _FILLS)
    except Exception as error:
        try:
            if not isinstance(error, ShapeError):
                raise
            first, second = (_run(fn, args, kwargs, fill) for fill in _LARGE_FILLS)
        except Exception:
            _restore_none(error)
            raise error from None
    return tree.map_structure(_merge, first, second)


def _to_spec(x: Any) -> Any:
    if isinstance(x, Tensor):
        return KerasTensor(x.shape, x.dtype)
    return x


def _merge(a: Any, b: Any) -> Any:
    if not isinstance(a, Tensor):
        return a
    shape = tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True))
    return KerasTensor(shape, a.dtype)


def _restore_none(error: Exception) -> None:
    """Shows `None` in messages where a filled size stood."""
    pattern = r"\b(" + "|".join(map(str, _FILLS)) + r")\b"
    if error.args and isinstance(error.args[0], str):
        error.args = (re.sub(pattern, "None", error.args[0]), *error.args[1:])
