"""Where messages go: to standard output, or to the log when interactive logging is off."""

from __future__ import annotations

import sys

from rustdl.backend.global_state import get_global_attribute, set_global_attribute


def enable_interactive_logging() -> None:
    """Prints messages (progress bars, callbacks' notes) to standard output. This is the default."""
    set_global_attribute("interactive_logging", True)


def disable_interactive_logging() -> None:
    """Sends messages to the log (absl's where it is installed) instead of standard output."""
    set_global_attribute("interactive_logging", False)


def is_interactive_logging_enabled() -> bool:
    """Whether messages go to standard output.

    Example:
        >>> import rustdl
        >>> rustdl.utils.is_interactive_logging_enabled()
        True
    """
    return bool(get_global_attribute("interactive_logging", True))


def print_msg(message: str, line_break: bool = True) -> None:
    """Prints a message, or logs it."""
    message = str(message)
    if not is_interactive_logging_enabled():
        _log(message)
        return
    text = message + "\n" if line_break else message
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        # A terminal of another encoding: what it cannot show becomes "?" or a plain bar.
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.replace("━", "=").encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _log(message: str) -> None:
    try:
        from absl import logging as absl_logging

        absl_logging.info(message)
    except ImportError:
        import logging

        logging.getLogger("rustdl").info(message)
