"""Exceptions raised by rustdl: each also is the builtin that a numpy or Keras user would catch."""


class RustdlError(Exception):
    """Base class of all errors raised by rustdl."""


class ShapeError(RustdlError, ValueError):
    """Shapes that do not fit each other or the operation."""


class ArgumentError(RustdlError, ValueError):
    """An argument with a value that the operation cannot take."""


class DTypeError(RustdlError, TypeError):
    """A dtype that the operation cannot take."""


class AxisError(RustdlError, IndexError, ValueError):
    """An axis or an index out of range."""


class OutOfMemoryError(RustdlError, MemoryError):
    """Memory that could not be had; the message says how many bytes were asked for."""


class UnsupportedError(RustdlError, NotImplementedError):
    """A request for which no rule exists."""


class TracedError(RustdlError, TypeError):
    """A traced tensor was asked for its value while a step was being compiled."""


class FileError(RustdlError, OSError):
    """A file that could not be read or written."""


class NotFiniteError(RustdlError, FloatingPointError):
    """A result with NaN (or infinities) while `rustdl.config.debug_nans` looks for them."""


class InternalError(RustdlError, RuntimeError):
    """A bug in rustdl: a kernel panicked."""
