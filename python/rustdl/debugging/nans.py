"""Finding the first NaN."""

from __future__ import annotations

from types import TracebackType

from rustdl import _rustdl
from rustdl.backend.global_state import settings


class debug_nans:  # noqa: N801  (called like a function)
    """Makes the first op that makes NaN an error which names the op, its layer and the batch.

    Everything then runs op by op (`jit`, `fit`, `evaluate` and `predict` do not compile) and each result is looked
    through, forward and backward: for finding errors, not for long runs.

    Args:
        enabled: Whether to look.
        infinities: Whether infinities count too.

    Raises:
        NotFiniteError: (a `FloatingPointError`) By the op that made the first NaN.

    Example:
        >>> import rustdl
        >>> with rustdl.config.debug_nans():
        ...     try:
        ...         rustdl.ops.log(rustdl.convert([-1.0]))
        ...     except FloatingPointError as error:
        ...         print(str(error).split(";")[0])
        log: made NaN: result float32[1] of inputs (float32[1])
    """

    def __init__(self, enabled: bool = True, infinities: bool = False) -> None:
        self._before = (settings.get("debug_nans", False), settings.get("debug_infinities", False))
        _set(enabled, infinities)

    def __enter__(self) -> debug_nans:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        _set(*self._before)


def _set(enabled: bool, infinities: bool) -> None:
    settings["debug_nans"] = bool(enabled)
    settings["debug_infinities"] = bool(infinities)
    _rustdl.find_not_finite(bool(enabled), bool(enabled and infinities))
