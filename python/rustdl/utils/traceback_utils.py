"""Errors of layers and ops: which one failed, with which arguments, in a traceback without the library's own frames."""

from __future__ import annotations

import functools
import inspect
import os
import types
from collections.abc import Callable
from typing import Any

from rustdl.backend.global_state import settings

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def enable_traceback_filtering() -> None:
    """Leaves the library's own frames out of tracebacks (the default)."""
    settings["traceback_filtering"] = True


def disable_traceback_filtering() -> None:
    """Shows all frames of tracebacks."""
    settings["traceback_filtering"] = False


def is_traceback_filtering_enabled() -> bool:
    """Whether the library's own frames are left out of tracebacks."""
    return bool(settings.get("traceback_filtering", True))


def filtered(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback without the frames inside the package, except the last."""
    kept: list[types.TracebackType] = []
    while traceback is not None:
        inside = os.path.abspath(traceback.tb_frame.f_code.co_filename).startswith(_PACKAGE)
        if not inside or traceback.tb_next is None:
            kept.append(traceback)
        traceback = traceback.tb_next
    result: types.TracebackType | None = None
    for entry in reversed(kept):
        result = types.TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def filter_traceback(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose errors come without the package's frames, unless filtering is off."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            if not is_traceback_filtering_enabled():
                raise
            raise error.with_traceback(filtered(error.__traceback__)) from None

    return call


def describe(value: Any) -> str:
    """A short text for an argument: shape and dtype of tensors, inside structures too."""
    from rustdl import tree
    from rustdl.backend.keras_tensor import KerasTensor

    if isinstance(value, KerasTensor) or hasattr(value, "is_traced"):
        kind = "Tensor" if hasattr(value, "is_traced") else "KerasTensor"
        return f"<{kind} shape={tuple(value.shape)}, dtype={value.dtype}>"
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        return f"array(shape={tuple(value.shape)}, dtype={value.dtype})"
    if tree.is_nested(value):
        return str(tree.map_structure(_Text, value))
    return repr(value)


class _Text:
    """Prints as the description of a value, without quotes."""

    def __init__(self, value: Any) -> None:
        self.text = describe(value)

    def __repr__(self) -> str:
        return self.text


def add_argument_info(error: BaseException, where: str, fn: Any, args: Any, kwargs: Any) -> BaseException | None:
    """The error with the name of the call and its arguments in front, or `None` where it cannot be made anew.

    Args:
        error: What was raised.
        where: The call, such as `"Dense.call()"`.
        fn: The function that was called, for the names of the arguments.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """
    if getattr(error, "_has_argument_info", False):
        return None
    try:
        bound = dict(inspect.signature(fn).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        bound = {**{str(i): value for i, value in enumerate(args)}, **kwargs}
    try:
        lines = [f"  • {name}={describe(value)}" for name, value in bound.items()]
    except Exception:  # an argument that cannot be printed must not hide the error
        return None
    message = str(error.args[0]) if error.args else ""
    text = (
        f"Exception encountered when calling {where}.\n\n\x1b[1m{message}\x1b[0m\n\n"
        f"Arguments received by {where}:\n" + "\n".join(lines)
    )
    try:
        made = type(error)(text)
    except Exception:
        return None
    if str(made) != text and not isinstance(made, KeyError):
        return None
    made._has_argument_info = True  # type: ignore[attr-defined]
    return made
