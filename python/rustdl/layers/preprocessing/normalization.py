"""Features with mean 0 and variance 1."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.trainers.data_adapters.py_dataset_adapter import PyDataset


class Normalization(DataLayer):
    """`(x - mean) / max(sqrt(variance), epsilon)`, or the inverse of it.

    The statistics are given, or learnt from data by `adapt`.

    Args:
        axis: the axis or axes that have statistics of their own; `None` for one mean and variance of everything.
        mean: the mean, broadcast to the sizes of the axes kept; needs `variance`.
        variance: the variance.
        invert: `x * sqrt(variance) + mean` instead.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: only one of `mean` and `variance`, or shapes that do not fit.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> layer = rustdl.layers.Normalization()
        >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0]], dtype="float32"))
        >>> layer(np.array([[1.0, 9.0]], dtype="float32")).tolist()
        [[0.0, 1.0]]
    """

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        self.supports_masking = True
        self._build_input_shape: Any = None
        if (mean is not None) != (variance is not None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={mean} and variance={variance}"
            )
        if mean is not None:
            shape = np.shape(_as_array(mean))
            if shape != np.shape(_as_array(variance)):
                raise ValueError(
                    "When setting values directly, `mean` and `variance` must have the same shape. Received: "
                    f"mean shape {shape} and variance shape {np.shape(_as_array(variance))}"
                )
            if len(shape) > len(self.axis):
                raise ValueError(
                    f"The rank of `mean` must be less than or equal to the number of axes ({len(self.axis)}). "
                    f"Received: mean shape {shape} for axis {self.axis}"
                )

    def build(self, input_shape: Any = None) -> None:
        if input_shape is None:
            return
        rank = len(input_shape)
        self._build_input_shape = tuple(input_shape)
        if any(a < -rank or a >= rank for a in self.axis):
            raise ValueError(
                "All `axis` values must be in the range [-ndim, ndim). "
                f"Received inputs with ndim={rank}, while axis={self.axis}"
            )
        self._keep_axis = tuple(sorted(a % rank for a in self.axis))
        for a in self._keep_axis:
            if input_shape[a] is None:
                raise ValueError(
                    f"All `axis` values to be kept must have a known shape. Received axis={self.axis}, "
                    f"inputs.shape={input_shape}, with unknown axis at index {a}"
                )
        self._reduce_axis = tuple(a for a in range(rank) if a not in self._keep_axis)
        self._broadcast_shape = tuple(input_shape[a] if a in self._keep_axis else 1 for a in range(rank))
        if self.input_mean is not None:
            self._given = tuple(self._aligned(x) for x in (self.input_mean, self.input_variance))
            return
        shape = tuple(input_shape[a] for a in self._keep_axis)
        self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
        self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
        # Kept in files only: how many samples were seen plays no part.
        self.count = self.add_weight(name="count", shape=(), dtype="int", initializer="zeros", trainable=False)

    def _aligned(self, value: Any) -> Any:
        """Given statistics in the shape that broadcasts over the inputs: their axes are the last of those kept."""
        array = _as_array(value)
        shape = [1] * len(self._broadcast_shape)
        for i in range(1, array.ndim + 1):
            shape[self._keep_axis[-i]] = array.shape[-i]
        full = np.broadcast_to(array.reshape(shape), self._broadcast_shape)
        return backend.convert_to_tensor(np.ascontiguousarray(full), dtype=self.compute_dtype)

    @property
    def mean(self) -> Any:
        """The mean, in a shape that broadcasts over the inputs; `None` before the layer is built."""
        return self._statistics()[0]

    @property
    def variance(self) -> Any:
        """The variance, in a shape that broadcasts over the inputs; `None` before the layer is built."""
        return self._statistics()[1]

    def _statistics(self) -> tuple[Any, Any]:
        if not self.built or self._build_input_shape is None:
            return None, None
        if self.input_mean is not None:
            return self._given  # type: ignore[return-value]
        shape, dtype = self._broadcast_shape, self.compute_dtype
        return (
            ops.cast(ops.reshape(self.adapt_mean, shape), dtype),
            ops.cast(ops.reshape(self.adapt_variance, shape), dtype),
        )

    def adapt(self, data: Any) -> None:
        """Learns mean and variance; what an earlier `adapt` learnt is forgotten.

        Args:
            data: an array or tensor, or batches of them: a `PyDataset`, a `tf.data.Dataset`, a list, a generator. Of a
                batch that is a tuple the first entry is taken.

        Raises:
            TypeError: data of another kind.
            ValueError: no data, or shapes that do not fit.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"Layer '{self.name}' cannot be adapted: its `mean` and `variance` were given to the constructor."
            )
        batches = _batches(data)
        first = next(batches, None)
        if first is None:
            raise ValueError(
                "adapt() received an empty iterable (no batches). Expected at least one batch. Pass a non-empty "
                "iterable of arrays or tensors, e.g. layer.adapt([x]) or layer.adapt(list_of_batches)."
            )
        if not self.built:
            self.build(tuple(first.shape))
        else:
            self._check_shape(
                first,
                f"The layer was built with input_shape={self._build_input_shape}, but adapt() is being called with "
                "data with an incompatible shape, data.shape=",
            )
        mean, variance, count = 0.0, 0.0, 0
        for batch in itertools.chain([first], batches):
            self._check_shape(
                batch,
                f"adapt() yielded a batch with incompatible shape. Expected {self._build_input_shape}, got ",
            )
            values = np.asarray(batch, dtype=np.float64)
            size = math.prod(values.shape[a] for a in self._reduce_axis)
            if size == 0:
                continue
            count += size
            mean, variance = self._merged(values, mean, variance, size / count)
        if count == 0:
            raise ValueError("adapt() received batches without samples.")
        self.adapt_mean.assign(np.broadcast_to(mean, self.adapt_mean.shape))
        self.adapt_variance.assign(np.broadcast_to(variance, self.adapt_variance.shape))
        self.finalize_state()

    def _merged(self, values: Any, mean: Any, variance: Any, weight: float) -> tuple[Any, Any]:
        """Statistics of two sets of samples as one (Chan, Golub and LeVeque, 1979).

        Args:
            values: the new samples.
            mean: that of the samples before.
            variance: that of the samples before.
            weight: the share of the new samples in all.
        """
        new_mean, new_variance = values.mean(axis=self._reduce_axis), values.var(axis=self._reduce_axis)
        merged = (1 - weight) * mean + weight * new_mean
        spread = (1 - weight) * (variance + (mean - merged) ** 2) + weight * (new_variance + (new_mean - merged) ** 2)
        return merged, spread

    def _check_shape(self, batch: Any, message: str) -> None:
        shape = tuple(batch.shape)
        fits = len(shape) == len(self._build_input_shape) and all(
            shape[a] == self._build_input_shape[a] for a in self._keep_axis
        )
        if not fits:
            raise ValueError(f"{message}{shape}")

    def finalize_state(self) -> None:
        """Nothing to do: the statistics are read from the weights at each call."""

    def call(self, inputs: Any) -> Any:
        mean, variance = self._statistics()
        if mean is None:
            raise ValueError("You must call `.build(input_shape)` on the layer before using it.")
        inputs = backend.convert_to_tensor(inputs, dtype=self.compute_dtype)
        deviation = ops.maximum(ops.sqrt(variance), backend.epsilon())
        if self.invert:
            return mean + inputs * deviation
        return (inputs - mean) / deviation

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": _as_list(self.input_mean),
            "variance": _as_list(self.input_variance),
        }

    def get_build_config(self) -> dict[str, Any] | None:
        return {"input_shape": self._build_input_shape} if self._build_input_shape else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        if config:
            self.build(config["input_shape"])


def _as_array(value: Any) -> Any:
    return np.asarray(backend.convert_to_numpy(value)) if not np.isscalar(value) else np.asarray(value)


def _as_list(value: Any) -> Any:
    return None if value is None else _as_array(value).tolist()


def _batches(data: Any) -> Iterator[Any]:
    """The arrays to learn from, one after the other."""
    if isinstance(data, np.ndarray) or backend.is_tensor(data):
        yield _numpy(data)
        return
    if type(data).__module__.startswith("tensorflow") and hasattr(data, "element_spec"):
        spec = data.element_spec
        if len((spec[0] if isinstance(spec, tuple) else spec).shape) == 1:  # single samples
            data = data.batch(128)
    elif hasattr(data, "__array__") and not isinstance(data, PyDataset):
        yield _numpy(data)
        return
    elif not hasattr(data, "__iter__") and not isinstance(data, PyDataset):
        raise TypeError(
            f"Unsupported data type: {type(data)}. `adapt` supports `np.ndarray`, backend tensors, "
            "`tf.data.Dataset`, `keras.utils.PyDataset`, and iterables of batches (e.g. list, generator)."
        )
    for batch in data:
        x = batch[0] if isinstance(batch, tuple | list) and batch else batch
        if getattr(x, "shape", None) is None:
            raise TypeError(
                "adapt() expects an iterable that yields arrays or tensors with a `.shape` attribute (e.g. numpy "
                f"arrays or backend tensors). Got an element of type {type(batch).__name__}. Ensure each yielded "
                "element is array-like with a `.shape` attribute."
            )
        yield _numpy(x)


def _numpy(x: Any) -> Any:
    return backend.convert_to_numpy(x) if backend.is_tensor(x) else np.asarray(x)
