"""`debug_print`: shows values from inside of a compiled function."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rustdl import _rustdl
from rustdl.backend import structure
from rustdl.backend.effects import anchor, effect_scope, keep_effect
from rustdl.backend.subtrace import is_array
from rustdl.backend.tensor import convert_to_tensor


def debug_print(text: str, *values: Any, summarize: int = 1000, **named: Any) -> None:
    """Prints values when they are computed: also in compiled functions, training steps and gradients, at each run.

    Args:
        text: Formatted by `str.format` with the values, such as `"loss {} at {n}"`. Without braces the values follow.
        *values: Tensors, or structures of them, or anything else.
        summarize: Arrays of more elements are shown by their ends.
        **named: Values by name.

    Example:
        >>> import rustdl
        >>> @rustdl.jit
        ... def f(x):
        ...     rustdl.debug_print("x = {}", x)
        ...     return x * 2
        >>> y = f(rustdl.convert([1.0, 2.0]))
        x = [1. 2.]
    """
    tensors: list[Any] = []

    def take(x: Any) -> Any:
        if is_array(x):
            tensors.append(convert_to_tensor(x))
            return None
        return x

    rest = structure.map_leaves(take, (values, named))
    places = [is_array(x) for x in structure.flatten((values, named))]

    def show(arrays: list[Any]) -> list[Any]:
        found = iter(np.asarray(a) for a in arrays)
        leaves = [next(found) if is_tensor else x for is_tensor, x in zip(places, structure.flatten(rest), strict=True)]
        shown_values, shown_named = structure.pack(rest, leaves)
        with np.printoptions(threshold=summarize):
            if "{" in text:
                line = text.format(*shown_values, **shown_named)
            else:
                parts = [str(x) for x in shown_values] + [f"{k}={x}" for k, x in shown_named.items()]
                line = " ".join([text, *parts])
        # Not print(): the stream is looked up at each call, and flushed so that lines keep their order.
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        return [_rustdl.convert(np.zeros((), "uint8"))]

    if any(x.is_traced for x in tensors) or effect_scope() is not None:
        # A value that is known already is to be shown at each run too.
        tied = anchor()
        if tied is not None:
            tensors.append(tied)
        elif not any(x.is_traced for x in tensors):
            return
        keep_effect(_rustdl.host_op("debug_print", tensors, [((), "uint8")], show, None, False)[0])
    else:
        show(tensors)
