"""What a process remembers between calls: per-thread scopes and the counters behind automatic names."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rustdl.backend.name_scope import name_scope
    from rustdl.backend.stateless_scope import StatelessScope


class _State(threading.local):
    """Scopes of one thread. Class attributes are the defaults of a new thread."""

    stateless_scope: StatelessScope | None = None
    symbolic_scope: Any = None
    autocast_dtype: str | None = None
    call_context: Any = None
    remat_scope: Any = None
    device_scope: Any = None

    def __init__(self) -> None:
        self.name_scopes: list[name_scope] = []
        self.attributes: dict[str, Any] = {}


state = _State()
uids: defaultdict[str, int] = defaultdict(int)
settings: dict[str, Any] = {}
# What is switched on and off by name, and by that alone.
_LASTING = ("debug_nans", "debug_infinities")


def get_global_attribute(name: str, default: Any = None, set_to_default: bool = False) -> Any:
    """A named value of this thread, or `default` (stored when `set_to_default`)."""
    value = state.attributes.get(name)
    if value is None and default is not None:
        value = default
        if set_to_default:
            state.attributes[name] = value
    return value


def set_global_attribute(name: str, value: Any) -> None:
    """Stores a named value for this thread."""
    state.attributes[name] = value


def clear_session(free_memory: bool = True) -> None:
    """Forgets automatic names, default seeds and open scopes, as at the start of the process.

    Args:
        free_memory: Whether to collect unreachable objects at once.

    Example:
        >>> import rustdl
        >>> rustdl.utils.clear_session()
    """
    state.name_scopes = []
    state.attributes = {}
    state.stateless_scope = None
    state.symbolic_scope = None
    state.autocast_dtype = None
    state.call_context = None
    state.remat_scope = None
    uids.clear()
    for name in [name for name in settings if name not in _LASTING]:
        del settings[name]
    if free_memory:
        import gc

        gc.collect()
