"""Writes metrics for TensorBoard, through tensorboardX."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from rustdl.callbacks.callback import Callback, Logs, only_when


class TensorBoard(Callback):
    """Writes event files that TensorBoard shows. Needs the package `tensorboardX`.

    Args:
        log_dir: Folder of the event files; training goes to `train`, validation to `validation` below it.
        histogram_freq: Every how many epochs to write histograms of the weights; 0 for never.
        write_graph: Whether to write the text of the model's summary.
        write_images: Whether to write weights as images at each histogram.
        write_steps_per_second: Whether to write the speed.
        update_freq: `"epoch"`, `"batch"`, or a number of batches: when to write the metrics of training.
        profile_batch: Kept for compatibility; must be 0.
        embeddings_freq: Kept for compatibility; must be 0.
        embeddings_metadata: Kept for compatibility.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: int | str = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        if profile_batch:
            raise NotImplementedError("TensorBoard: `profile_batch` is not supported; pass 0.")
        if embeddings_freq:
            raise NotImplementedError("TensorBoard: `embeddings_freq` is not supported; pass 0.")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.embeddings_metadata = embeddings_metadata
        self._writers: dict[str, Any] = {}
        self._global_step = 0
        self._last_batch = 0
        self._epoch_start = (0.0, 0)
        self._since_written = 0

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            try:
                from tensorboardX import SummaryWriter
            except ImportError as error:
                raise ImportError("The TensorBoard callback needs tensorboardX: `pip install tensorboardX`.") from error
            self._writers[name] = SummaryWriter(os.path.join(self.log_dir, name))
        return self._writers[name]

    def on_train_begin(self, logs: Logs = None) -> None:
        self._global_step = 0
        if self.write_graph and getattr(self.model, "built", False):
            lines: list[str] = []
            self.model.summary(print_fn=lines.append)
            self._writer("train").add_text("model", "\n".join(f"    {line}" for line in "\n".join(lines).splitlines()))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._last_batch = 0
        self._epoch_start = (time.time(), self._global_step)

    @only_when(lambda self: self.update_freq != "epoch" or self.write_steps_per_second)
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        done = batch + 1 - self._last_batch
        self._last_batch = batch + 1
        self._global_step += done
        self._since_written += done
        if self.update_freq != "epoch" and self._since_written >= int(self.update_freq):
            self._since_written = 0
            for name, value in (logs or {}).items():
                self._writer("train").add_scalar(f"batch_{name}", value, self._global_step)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        for name, value in (logs or {}).items():
            if name.startswith("val_"):
                self._writer("validation").add_scalar(f"epoch_{name[4:]}", value, epoch)
            else:
                self._writer("train").add_scalar(f"epoch_{name}", value, epoch)
        if self.write_steps_per_second:
            start, step = self._epoch_start
            self._writer("train").add_scalar(
                "epoch_steps_per_second", (self._global_step - step) / (time.time() - start), epoch
            )
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for weight in self.model.weights:
                values = np.asarray(weight)
                self._writer("train").add_histogram(f"{weight.path}/histogram", values, epoch)
                if self.write_images and values.ndim == 2:
                    low, high = values.min(), values.max()
                    image = (values - low) / max(high - low, 1e-12)
                    self._writer("train").add_image(f"{weight.path}/image", image, epoch, dataformats="HW")
        for writer in self._writers.values():
            writer.flush()

    def on_test_end(self, logs: Logs = None) -> None:
        for name, value in (logs or {}).items():
            self._writer("validation").add_scalar(f"evaluation_{name}_vs_iterations", value, self._global_step)

    def on_train_end(self, logs: Logs = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
