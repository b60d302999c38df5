"""Numbers as numbers of bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.preprocessing import _quantiles
from rustdl.layers.preprocessing._host_arrays import batches_of, host_value
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.utils.argument_validation import validate_string_arg
from rustdl.utils.categorical_encoding import check_not_sparse, encode_categorical_inputs


class Discretization(DataLayer):
    """Replaces each number by the number of its bin, or a vector of that.

    Bin `i` holds `boundaries[i-1] <= x < boundaries[i]`; there is one bin more than there are boundaries.

    Args:
        bin_boundaries: ascending boundaries; or
        num_bins: number of bins, whose boundaries `adapt` finds as quantiles of the data.
        epsilon: tolerance of the quantiles, in (0, 1).
        output_mode: `"int"` (dtype int32), `"one_hot"`, `"multi_hot"` or `"count"`, as in `CategoryEncoding`.
        sparse: only False.
        dtype: dtype of the vectors, a policy or its name.
        name: automatic by default.

    Raises:
        ValueError: both or none of `bin_boundaries` and `num_bins`, or an unknown mode.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> layer = rustdl.layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])
        >>> layer(np.array([[-1.5, 1.0, 3.4, 0.5]])).tolist()
        [[0, 2, 3, 1]]
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_not_sparse(sparse, "Discretization")
        validate_string_arg(output_mode, ("int", "one_hot", "multi_hot", "count"), type(self).__name__, "output_mode")
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"`num_bins` must be greater than or equal to 0. Received: `num_bins={num_bins}`")
        if num_bins is not None and bin_boundaries is not None:
            raise ValueError(
                "Both `num_bins` and `bin_boundaries` should not be set. "
                f"Received: `num_bins={num_bins}` and `bin_boundaries={bin_boundaries}`"
            )
        if num_bins is None and bin_boundaries is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`.")
        self.bin_boundaries = bin_boundaries
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.output_mode = output_mode
        self.sparse = sparse
        self.summary: Any = None if bin_boundaries else _quantiles.EMPTY
        self._build_at_init()

    @property
    def input_dtype(self) -> str:
        """Floats are compared in the default float type, whatever the vectors' dtype."""
        return backend.floatx()

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs."""
        return self.compute_dtype if self.output_mode != "int" else "int32"

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Finds the boundaries from data; what an earlier `adapt` found is forgotten.

        Args:
            data: an array, or any iterable of batches (a list of arrays, a generator, a `tf.data.Dataset`).
            steps: most batches to take.

        Raises:
            ValueError: the layer was given `bin_boundaries`.
        """
        if self.num_bins is None:
            raise ValueError(
                "Cannot adapt a Discretization layer that has been initialized with `bin_boundaries`, use `num_bins` "
                "instead."
            )
        self.reset_state()
        if hasattr(data, "__iter__") and not hasattr(data, "__array__") and not backend.is_tensor(data):
            for batch in batches_of(data, steps):
                self.update_state(batch)
        else:
            self.update_state(data)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Takes in one batch."""
        batch = _quantiles.summarize(np.asarray(host_value(data, "Discretization")), self.epsilon)
        self.summary = _quantiles.merge(batch, self.summary, self.epsilon)

    def finalize_state(self) -> None:
        """Makes the boundaries from what was taken in."""
        if self.num_bins is not None:
            self.bin_boundaries = _quantiles.boundaries(self.summary, self.num_bins)

    def reset_state(self) -> None:
        """Forgets what was taken in."""
        if self.num_bins is not None:
            self.summary = _quantiles.EMPTY

    def call(self, inputs: Any) -> Any:
        if self.bin_boundaries is None:
            raise ValueError(
                "You need to either pass the `bin_boundaries` argument at construction time or call `adapt(dataset)` "
                "before you can start using the `Discretization` layer."
            )
        inputs = backend.convert_to_tensor(inputs)
        return self._encode(ops.digitize(inputs, self.bin_boundaries), len(self.bin_boundaries) + 1)

    def _encode(self, indices: Any, depth: int) -> Any:
        return encode_categorical_inputs(indices, self.output_mode, depth=depth, dtype=self.output_dtype)

    def compute_output_spec(self, inputs: Any) -> Any:
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        # The shape does not depend on where the boundaries are, which may not be known yet.
        indices = KerasTensor(inputs.shape, dtype="int32")
        return backend.compute_output_spec(lambda x: self._encode(x, depth or 0), indices)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = self.compute_output_spec(KerasTensor(input_shape, dtype="float32")).shape
        # Keras' answer for a scalar, though the encoding of one has an axis of size 1 more.
        return shape[1:] if not input_shape and self.output_mode == "one_hot" else shape

    def load_own_variables(self, store: Any) -> None:
        """The boundaries are in the configuration; older files have a sketch."""
        if len(store) == 1:
            self.summary = np.asarray(store["0"])

    def get_config(self) -> dict[str, Any]:
        boundaries = self.bin_boundaries
        return {
            "bin_boundaries": boundaries.tolist() if isinstance(boundaries, np.ndarray) else boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        if config.get("bin_boundaries") is None or config.get("num_bins") is None:
            return cls(**config)
        # An adapted layer: the constructor takes only one of the two.
        found = config.pop("bin_boundaries")
        layer = cls(**config)
        layer.bin_boundaries = found
        return layer
