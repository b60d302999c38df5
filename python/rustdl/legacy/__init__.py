"""What older code asks for."""

from rustdl._lazy import attach

_EXPORTS = {"saving": "rustdl.legacy.saving:"}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
