"""`OrbaxCheckpoint`, whose files are JAX's."""

from __future__ import annotations

from rustdl.utils.unsupported import refused_class

OrbaxCheckpoint = refused_class(
    __name__,
    "OrbaxCheckpoint",
    "Orbax writes checkpoints of JAX arrays. `ModelCheckpoint('model_{epoch:02d}.keras')` saves model, weights and "
    "optimizer at each epoch or every so many batches, and `BackupAndRestore(folder)` continues an interrupted fit.",
)
