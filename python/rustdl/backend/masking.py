"""The mask that travels with a tensor through a model (in Keras the attribute `_keras_mask`)."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

from rustdl._rustdl import Tensor

# Masks of tensors, which take no attributes of their own, by id; the weak reference removes an entry with its tensor.
# Their property `_keras_mask` reads and writes here.
_masks: dict[int, tuple[Any, Any]] = {}


def set_keras_mask(x: Any, mask: Any) -> None:
    """Attaches a mask to a tensor, or takes it off with `None`."""
    if not isinstance(x, Tensor):
        with contextlib.suppress(AttributeError):
            x._keras_mask = mask
        return
    key = id(x)
    if mask is None:
        _masks.pop(key, None)
        return
    _masks[key] = (weakref.ref(x, lambda _: _masks.pop(key, None) and None), mask)


def get_keras_mask(x: Any) -> Any:
    """The mask of a tensor, or `None`."""
    if not isinstance(x, Tensor):
        return getattr(x, "_keras_mask", None)
    entry = _masks.get(id(x))
    return entry[1] if entry is not None and entry[0]() is x else None
