"""Categories as bins, by a hash."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.preprocessing._host_arrays import Ragged, host_value, text_array, to_bytes
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.utils.categorical_encoding import encode_categorical_inputs
from rustdl.utils.fingerprint import fingerprint64, siphash64


class Hashing(DataLayer):
    """Replaces integers or strings by a bin in `[0, num_bins)`, the same in every process and on every machine.

    The bin is the hash of the value's text modulo the number of bins: FarmHash64, or SipHash-2-4 under a key.

    The layer reads its inputs' values: it runs on arrays, lists and tensors, in functional models and in `tf.data`
    pipelines. A model with it inside is not compiled but run eagerly by `fit` and `predict`, which take numbers only;
    hashing the data first is faster, and for text necessary.

    Args:
        num_bins: number of bins, that of `mask_value` included.
        mask_value: a value that always goes to bin 0; the others share the rest.
        salt: an integer or two of them, the key of SipHash; `None` for FarmHash.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`, as in `CategoryEncoding`.
        sparse: only False.
        **kwargs: arguments of `Layer`; the dtype is int64 by default for `"int"`, else a float type.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Hashing(num_bins=3)([["A"], ["B"], ["C"], ["D"], ["E"]]).tolist()
        [[1], [0], [1], [1], [2]]
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else backend.floatx()
        super().__init__(**kwargs)
        if num_bins is None or num_bins <= 0:
            raise ValueError(
                f"The `num_bins` for `Hashing` cannot be `None` or non-positive values. Received: num_bins={num_bins}."
            )
        if output_mode == "int" and self.dtype_policy.name not in ("int32", "int64"):
            raise ValueError(
                "When `output_mode=\"int\"`, `dtype` should be an integer type, 'int32' or 'in64'. "
                f"Received: dtype={kwargs['dtype']}"
            )
        modes = ("int", "one_hot", "multi_hot", "count")
        if output_mode not in modes:
            raise ValueError(
                f"Invalid value for argument `output_mode`. Expected one of {modes}. Received: "
                f"output_mode={output_mode}"
            )
        if sparse and output_mode == "int":
            raise ValueError(
                '`sparse` may only be true if `output_mode` is `"one_hot"`, `"multi_hot"`, or `"count"`. '
                f"Received: sparse={sparse} and output_mode={output_mode}"
            )
        if sparse:
            raise ValueError("Hashing: rustdl has dense tensors only; use `sparse=False`.")
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.salt = check_salt(salt, "Hashing")
        self.strong_hash = salt is not None
        self.output_mode = output_mode
        self.sparse = sparse
        self._convert_input_args = False
        self.supports_jit = False
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return self._encode(backend.convert_to_tensor(self._bins(hashable_array(inputs, "Hashing"))))

    def _encode(self, bins: Any) -> Any:
        return encode_categorical_inputs(bins, self.output_mode, depth=self.num_bins, dtype=self.dtype)

    def _bins(self, values: Any) -> Any:
        masked = self.mask_value is not None and self.num_bins > 1
        count = self.num_bins - 1 if masked else self.num_bins
        bins = hash_bins(values, count, self.salt)
        if masked:
            mask_value = self.mask_value
            if isinstance(mask_value, bytes):
                mask_value = mask_value.decode()
            bins = np.where(values == mask_value, 0, bins + 1)
        return bins

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.compute_output_spec(KerasTensor(input_shape, dtype="int64")).shape

    def compute_output_spec(self, inputs: Any) -> Any:
        # Texts cannot be traced; their bins have the same shape, and the encoding of bins can.
        return backend.compute_output_spec(self._encode, KerasTensor(inputs.shape, dtype="int64"))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }


def check_salt(salt: Any, caller: str) -> list[int] | None:
    """The key of SipHash as two integers.

    Args:
        salt: an integer, two of them, or `None`.
        caller: class name, for the error.

    Raises:
        ValueError: anything else.
    """
    if salt is None:
        return None
    if isinstance(salt, tuple | list) and len(salt) == 2:
        return list(salt)
    if isinstance(salt, int):
        return [salt, salt]
    raise ValueError(
        f"The `salt` argument for `{caller}` can only be a tuple of size 2 integers, or a single integer. "
        f"Received: salt={salt}."
    )


def hashable_array(inputs: Any, caller: str) -> Any:
    """Inputs as an array of integers (floats are cut) or of text.

    Args:
        inputs: numbers or strings in any kind of array, list or scalar.
        caller: class name, for the error.

    Raises:
        ValueError: rows of different lengths.
    """
    values = host_value(inputs, caller)
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(values, dtype=object)
    if array.dtype.kind == "f":
        return array.astype(np.int64)
    if array.dtype.kind in "biu":
        return array
    found = text_array(values, "utf-8", caller)
    if isinstance(found, Ragged):
        raise ValueError(f"{caller} expects rows of one length; received rows of {found.lengths[:8].tolist()} values")
    return found


def hash_bins(values: Any, num_bins: int, salt: list[int] | None) -> Any:
    """The bin of each value: the hash of its text modulo `num_bins`.

    Args:
        values: array of integers, booleans or `str`.
        num_bins: number of bins.
        salt: key of SipHash, or `None` for FarmHash.

    Returns:
        An int64 array of the shape of `values`.
    """
    flat = values.reshape(-1)
    # Categories repeat: each is hashed once.
    if flat.dtype == object:
        numbers: dict[str, int] = {}
        inverse = np.fromiter((numbers.setdefault(t, len(numbers)) for t in flat), dtype=np.int64, count=len(flat))
        texts = to_bytes(numbers)
    else:
        unique, inverse = np.unique(flat, return_inverse=True)
        texts = [str(v).lower().encode() for v in unique.tolist()]
    hashes = fingerprint64(texts) if salt is None else siphash64(texts, salt)
    bins = (hashes % np.uint64(num_bins)).astype(np.int64)
    return bins[inverse].reshape(values.shape)
