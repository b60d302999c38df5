"""Helpers for sequences."""

from rustdl._lazy import attach

_EXPORTS = {"pad_sequences": "rustdl.utils.sequence_utils"}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
