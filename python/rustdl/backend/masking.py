"""The mask that travels with a tensor through a model (in Keras the attribute `_keras_mask`)."""

from __future__ import annotations

import weakref
from typing import Any

# Masks of tensors that take no attributes, by id; the weak reference removes an entry with its tensor.
_masks: dict[int, tuple[Any, Any]] = {}


def set_keras_mask(x: Any, mask: Any) -> None:
    """Attaches a mask to a tensor, or takes it off with `None`."""
    try:
        x._keras_mask = mask
        return
    except AttributeError:
        pass
    key = id(x)
    if mask is None:
        _masks.pop(key, None)
        return
    try:
        reference = weakref.ref(x, lambda _: _masks.pop(key, None) and None)
    except TypeError:
        return
    _masks[key] = (reference, mask)


def get_keras_mask(x: Any) -> Any:
    """The mask of a tensor, or `None`."""
    if _masks:
        entry = _masks.get(id(x))
        if entry is not None and entry[0]() is x:
            return entry[1]
    return getattr(x, "_keras_mask", None)
