"""`ExportArchive`, which would write a TensorFlow SavedModel."""

from __future__ import annotations

from rustdl.utils.unsupported import refused_class

ExportArchive = refused_class(
    __name__,
    "ExportArchive",
    "a SavedModel holds a TensorFlow graph, and there is no TensorFlow here. Save with `model.save('model.keras')`: "
    "Keras 3 with the TensorFlow backend loads that file, and its `model.export()` writes a SavedModel.",
)
