"""Combinations of categories as bins, by a hash."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.preprocessing._host_arrays import host_value, to_bytes
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.layers.preprocessing.hashing import hashable_array
from rustdl.utils.argument_validation import validate_string_arg
from rustdl.utils.categorical_encoding import encode_categorical_inputs
from rustdl.utils.fingerprint import fingerprint64, fingerprint_cat64

# Where the chain of fingerprints starts; part of the hash's definition in TensorFlow.
_START = 956888297470


class HashedCrossing(DataLayer):
    """Hashes each tuple of categories into one of `num_bins` bins.

    Inputs are two or more features, integers or strings, each of shape `()`, `(batch,)` or `(batch, 1)`. Like
    `Hashing` the layer reads its inputs' values, so a model with it inside is run eagerly.

    Args:
        num_bins: number of bins.
        output_mode: `"int"` or `"one_hot"`.
        sparse: only False.
        name: automatic by default.
        dtype: int64 by default for `"int"`, else the default policy.
        **kwargs: taken for compatibility with configurations of `Layer`: `trainable`.

    Raises:
        ValueError: fewer than two inputs, other shapes or dtypes, or an unknown mode.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> layer = rustdl.layers.HashedCrossing(num_bins=5)
        >>> layer((np.array(["A", "B", "A"]), np.array([101, 101, 102]))).tolist()
        [1, 4, 3]
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if output_mode == "int" and dtype is None:
            dtype = "int64"
        super().__init__(name=name, dtype=dtype, **kwargs)
        if sparse:
            raise ValueError("`sparse=True` can only be used with the TensorFlow backend. Use `sparse=False`.")
        validate_string_arg(output_mode, ("int", "one_hot"), type(self).__name__, "output_mode")
        if isinstance(num_bins, bool) or not isinstance(num_bins, int | np.integer) or num_bins <= 0:
            raise ValueError(f"The `num_bins` of `HashedCrossing` must be a positive integer. Received: {num_bins}")
        self.num_bins = num_bins
        self.output_mode = output_mode
        self.sparse = sparse
        self._convert_input_args = False
        self.supports_jit = False
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        columns = _features(inputs)
        fingerprint = np.full(columns[0].size, _START, dtype=np.uint64)
        for column in columns:
            flat = column.reshape(-1)
            keys = fingerprint64(to_bytes(flat)) if flat.dtype == object else flat.astype(np.int64).view(np.uint64)
            fingerprint = fingerprint_cat64(fingerprint, keys)
        bins = (fingerprint % np.uint64(self.num_bins)).astype(np.int64).reshape(columns[0].shape)
        return self._encode(backend.convert_to_tensor(bins))

    def _encode(self, bins: Any) -> Any:
        if self.output_mode == "one_hot" and len(bins.shape) == 0:
            bins = bins.reshape((1,))
        return encode_categorical_inputs(bins, self.output_mode, depth=self.num_bins, dtype=self.compute_dtype)

    def compute_output_spec(self, inputs: Any) -> Any:
        first = inputs[0]
        return backend.compute_output_spec(self._encode, KerasTensor(first.shape, dtype="int64"))

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = tuple(input_shape)
        if len(shapes) < 2 or not all(isinstance(s, tuple | list) for s in shapes):
            raise ValueError(f"Expected as input a list/tuple of 2 tensors. Received input_shape={input_shape}")
        if any(s[-1:] != shapes[0][-1:] for s in shapes):
            raise ValueError(
                f"Expected the two input tensors to have identical shapes. Received input_shape={input_shape}"
            )
        return self.compute_output_spec([KerasTensor(shapes[0], dtype="int64")]).shape

    def get_config(self) -> dict[str, Any]:
        return {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }


def _features(inputs: Any) -> list[Any]:
    """The features as arrays of one shape."""
    if not isinstance(inputs, list | tuple):
        raise ValueError(f"`HashedCrossing` should be called on a list or tuple of inputs. Received: inputs={inputs}")
    if len(inputs) < 2:
        raise ValueError(f"`HashedCrossing` should be called on at least two inputs. Received: inputs={inputs}")
    columns = [hashable_array(x, "HashedCrossing") for x in inputs]
    shape = columns[0].shape
    if len(shape) > 2 or (len(shape) == 2 and shape[-1] != 1):
        raise ValueError(
            "All `HashedCrossing` inputs should have shape `()`, `(batch_size)` or `(batch_size, 1)`. "
            f"Received: inputs={inputs}"
        )
    if any(c.shape != shape for c in columns):
        raise ValueError(f"All `HashedCrossing` inputs should have equal shape. Received: inputs={inputs}")
    if any(_is_float(x) for x in inputs):
        raise ValueError(
            f"All `HashedCrossing` inputs should have an integer or string dtype. Received: inputs={inputs}"
        )
    return columns


def _is_float(x: Any) -> bool:
    values = host_value(x, "HashedCrossing")
    return isinstance(values, float) or (not isinstance(values, str | bytes) and np.asarray(values).dtype.kind == "f")
