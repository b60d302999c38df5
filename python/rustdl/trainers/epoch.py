"""One pass over the data: which batches come, how many at once, and what the callbacks see of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from rustdl.errors import NotFiniteError
from rustdl.trainers.data_adapters import ArrayDataAdapter, DataAdapter
from rustdl.trainers.runner import StepRunner

# How often a progress bar may need new values.
_BAR_SECONDS = 0.1

RAN_OUT = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or generator can generate at least "
    "`steps_per_epoch * epochs` batches. You may need to use the `.repeat()` function when building your dataset."
)


class Feed:
    """The batches of a run, epoch after epoch.

    Args:
        adapter: The data.
        steps_per_epoch: Number of batches of an epoch where it is not all of the data; the next epoch then goes on
            where this one ended.
        steps_per_execution: Number of batches between two calls of the callbacks.
    """

    def __init__(self, adapter: DataAdapter, steps_per_epoch: int | None = None, steps_per_execution: int = 1) -> None:
        if steps_per_epoch is not None and (not isinstance(steps_per_epoch, int) or steps_per_epoch < 0):
            raise ValueError(f"The number of steps must be a positive integer or None. Received: {steps_per_epoch!r}")
        from rustdl import config

        limit = config.max_steps_per_epoch()
        if limit is not None:
            steps_per_epoch = limit if steps_per_epoch is None else min(limit, steps_per_epoch)
        self.adapter = adapter
        self.steps_per_epoch = steps_per_epoch
        self.steps_per_execution = steps_per_execution
        self._iterator: Iterator[Any] | None = None
        self._first: list[Any] = []
        # Position in arrays, and the order of their rows, kept across epochs with `steps_per_epoch`.
        self.position = 0
        self.order: Any = None

    @property
    def num_batches(self) -> int | None:
        """Number of batches of an epoch; None where it is not known."""
        return self.steps_per_epoch if self.steps_per_epoch is not None else self.adapter.num_batches

    def peek(self) -> Any:
        """The first batch, which is given again afterwards; None if there is none."""
        if isinstance(self.adapter, ArrayDataAdapter):
            return self.adapter.pack([a[: self.adapter.batch_size] for a in self.adapter.arrays])
        if not self._first:
            if self._iterator is None:
                self.adapter.on_epoch_begin()
                self._iterator = self.adapter.batches()
            self._first = list(_take(self._iterator, 1))
        return self._first[0] if self._first else None

    def start_epoch(self) -> None:
        """Goes back to the start of the data, unless epochs of `steps_per_epoch` batches have some of them left."""
        if self.steps_per_epoch is None or self._at_end():
            self.restart()

    def _at_end(self) -> bool:
        if isinstance(self.adapter, ArrayDataAdapter):
            return (self.order is None and self.position == 0) or self.position >= self.adapter.num_batches
        known = self.adapter.num_batches
        return self._iterator is None or (known is not None and self.position >= known)

    def restart(self) -> None:
        """Begins another pass over the data."""
        self.position = 0
        if isinstance(self.adapter, ArrayDataAdapter):
            self.order = self.adapter.order()
        elif not (self._first and self._iterator is not None):
            # (An iterator that has only been peeked into is at its start still.)
            self.adapter.on_epoch_begin()
            self._iterator = self.adapter.batches()

    def next_batches(self, count: int) -> list[Any]:
        """At most `count` further batches; fewer at the end of the data."""
        if isinstance(self.adapter, ArrayDataAdapter):
            return self._next_of_arrays(self.adapter, count)
        taken = self._first[:count]
        self._first = self._first[count:]
        if self._iterator is not None:
            taken += _take(self._iterator, count - len(taken))
        self.position += len(taken)
        if len(taken) < count:
            self._iterator = None
        return taken

    def _next_of_arrays(self, adapter: ArrayDataAdapter, count: int) -> list[Any]:
        taken: list[Any] = []
        while len(taken) < count and self.position < adapter.num_batches:
            start = self.position * adapter.batch_size
            rows = adapter.take(self.order, start, min(start + adapter.batch_size, adapter.rows))
            taken.append(adapter.pack(rows))
            self.position += 1
        return taken


def _take(iterator: Iterator[Any], count: int) -> list[Any]:
    taken = []
    for _ in range(count):
        try:
            taken.append(next(iterator))
        except StopIteration:
            break
    return taken


class EpochLoop:
    """Runs the batches of one epoch of training or evaluation.

    Args:
        feed: The batches.
        function: The model's train or test function.
        callbacks: The `CallbackList`.
        mode: `"train"` or `"test"`.
        stopped: Says after a batch whether to stop.
        logs: Turns a step's result into the logs for callbacks.
    """

    def __init__(
        self,
        feed: Feed,
        function: Any,
        callbacks: Any,
        mode: str,
        stopped: Callable[[], bool],
        logs: Callable[[Any], dict[str, Any]],
    ) -> None:
        self.feed = feed
        self.function = function
        self.mode = mode
        self.stopped = stopped
        self.logs = logs
        self.begin = getattr(callbacks, f"on_{mode}_batch_begin")
        self.end = getattr(callbacks, f"on_{mode}_batch_end")
        # A CallbackList of the user's own kind is called at every batch.
        self.every_batch = callbacks.wants_batches(mode) if hasattr(callbacks, "wants_batches") else True
        bar = getattr(callbacks, "progbar", None)
        self.bar = getattr(bar, f"on_{mode}_batch_end") if bar is not None and bar.verbose == 1 else None
        self.counter = bar
        self._drawn = 0.0

    def run(self) -> tuple[int, Any]:
        """Returns the number of batches, and the result of the last step."""
        self.feed.start_epoch()
        if (
            isinstance(self.feed.adapter, ArrayDataAdapter)
            and isinstance(self.function, StepRunner)
            and not self.function.eager
        ):
            return self._run_arrays(self.feed.adapter, self.function)
        return self._run_batches()

    def _run_arrays(self, adapter: ArrayDataAdapter, runner: StepRunner) -> tuple[int, Any]:
        feed, wanted = self.feed, self.feed.num_batches
        assert wanted is not None
        total = self._whole_groups(wanted)
        done, result = 0, None
        while done < total and not self.stopped():
            if feed.position >= adapter.num_batches:
                if done < wanted:
                    warnings.warn(RAN_OUT, stacklevel=5)
                break
            left = min(total - done, adapter.num_full_batches - feed.position)
            count, budget = max(left, 1), None
            if self.every_batch:
                # A group of batches may end with the last, partial one: it is one call for the callbacks.
                if done % feed.steps_per_execution == 0:
                    self.begin(done)
                count = min(count, feed.steps_per_execution - done % feed.steps_per_execution)
            elif self.bar is not None:
                # The first step alone: it compiles, and is left out of the time a step.
                count, budget = (1, None) if done == 0 else (count, _BAR_SECONDS)
            if left > 0:
                ran, result = runner.run_rows(adapter, feed.order, feed.position, count, budget)
            else:
                ran = 1
                rows = adapter.take(feed.order, feed.position * adapter.batch_size, adapter.rows)
                result = runner.run(adapter.pack(rows))
            done += ran
            feed.position += ran
            if not self.every_batch:
                self._report(done - 1, result)
            elif done % feed.steps_per_execution == 0 or feed.position >= adapter.num_batches:
                self._report(self._last_of_group(done), result)
        self._count(done)
        return done, result

    def _whole_groups(self, total: int) -> int:
        """A number of batches rounded up: a group of `steps_per_execution` is not broken off while there are data."""
        size = self.feed.steps_per_execution
        return -(-total // size) * size

    def _last_of_group(self, done: int) -> int:
        """The index of the last batch of the group that ends here, as if it were a full one."""
        size = self.feed.steps_per_execution
        return -(-done // size) * size - 1

    def _run_batches(self) -> tuple[int, Any]:
        feed, total = self.feed, self.feed.num_batches
        done, result = 0, None
        while (total is None or done < total) and not self.stopped():
            batches = feed.next_batches(feed.steps_per_execution)
            if not batches:
                if total is not None:
                    warnings.warn(RAN_OUT, stacklevel=4)
                break
            if self.every_batch:
                self.begin(done)
            if isinstance(self.function, StepRunner):
                for i, data in enumerate(batches):
                    try:
                        result = self.function.run(data)
                    except NotFiniteError as error:
                        error.args = (f"{error}; batch {done + i} of this epoch", *error.args[1:])
                        raise
            else:
                result = self.function(iter(batches))
            done += len(batches)
            self._report(self._last_of_group(done) if self.every_batch else done - 1, result)
        if total is None or done < total or feed.steps_per_epoch is None:
            feed.adapter.on_epoch_end()
        self._count(done)
        return done, result

    def _report(self, batch: int, result: Any) -> None:
        """Calls the callbacks after a batch, or the progress bar alone where it is time to draw."""
        if self.every_batch:
            self.end(batch, self.logs(result))
        elif self.bar is not None:
            now = time.monotonic()
            if batch == 0 or now - self._drawn >= _BAR_SECONDS / 2:
                self._drawn = now
                self.bar(batch, self.logs(result))

    def _count(self, done: int) -> None:
        # A bar that was not called at each batch still needs their number.
        if self.counter is not None and done and not (self.mode == "test" and self.counter._called_in_fit):
            self.counter.seen = done
