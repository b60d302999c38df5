"""Export for other programs: TensorFlow's formats are refused with what to use instead."""

from rustdl._lazy import attach

_EXPORTS = {"ExportArchive": "rustdl.export.export_archive"}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
