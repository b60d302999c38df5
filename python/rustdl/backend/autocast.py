"""The dtype that float variables take when a layer of a mixed-precision policy reads them."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rustdl.backend.dtypes import is_float_dtype, standardize_dtype
from rustdl.backend.global_state import state


class AutocastScope:
    """Float variables that allow it are read in `dtype`; `None` turns casting off."""

    def __init__(self, dtype: Any) -> None:
        if dtype is not None:
            dtype = standardize_dtype(dtype)
            if not is_float_dtype(dtype):
                raise ValueError(
                    "`AutocastScope` can only be used with a floating-point target dtype, such as 'float16'. "
                    f"Received: dtype={dtype}"
                )
        self.dtype: str | None = dtype

    def maybe_cast(self, value: Any) -> Any:
        """A float tensor in the scope's dtype; anything else as it is."""
        from rustdl.backend.tensor import cast

        if self.dtype is not None and is_float_dtype(value.dtype):
            return cast(value, dtype=self.dtype)
        return value

    def __enter__(self) -> AutocastScope:
        self._saved = state.autocast_dtype
        state.autocast_dtype = self.dtype
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        state.autocast_dtype = self._saved


def get_autocast_scope() -> AutocastScope | None:
    """A scope equal to the open one, or `None`."""
    return None if state.autocast_dtype is None else AutocastScope(state.autocast_dtype)
