"""Integer categories as vectors."""

from __future__ import annotations

from typing import Any

from rustdl import backend
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.utils.categorical_encoding import check_not_sparse, encode_categorical_inputs


class CategoryEncoding(DataLayer):
    """Encodes integers in `[0, num_tokens)` as one-hot, multi-hot or count vectors.

    Args:
        num_tokens: number of categories, the size of the new last axis.
        output_mode: `"one_hot"`: each integer becomes a vector with a 1 at its place (a last axis of size 1 gives way
            to the new one); `"multi_hot"`: the integers of a sample become one vector; `"count"`: the same, with how
            often each occurs.
        sparse: only False.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: no `num_tokens`, or an unknown mode, or `sparse=True`.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.CategoryEncoding(num_tokens=3, output_mode="count")
        >>> layer([[0, 1, 1], [2, 2, 2]]).tolist()
        [[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if output_mode == "binary":
            output_mode = "multi_hot"
        if output_mode not in ("count", "one_hot", "multi_hot"):
            raise ValueError(f"Unknown arg for output_mode: {output_mode}. Expected 'one_hot', 'multi_hot' or 'count'.")
        if num_tokens is None:
            raise ValueError(
                "num_tokens must be set to use this layer. If the number of tokens is not known beforehand, use the "
                "IntegerLookup layer instead."
            )
        if num_tokens < 1:
            raise ValueError(f"`num_tokens` must be >= 1. Received: num_tokens={num_tokens}.")
        check_not_sparse(sparse, type(self).__name__)
        self.num_tokens = num_tokens
        self.output_mode = output_mode
        self.sparse = sparse
        self._convert_input_args = False
        self._build_at_init()

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        if count_weights is not None:
            if self.output_mode != "count":
                raise ValueError(
                    "`count_weights` is not used when `output_mode` is not `'count'`. "
                    f"Received `count_weights={count_weights}`."
                )
            count_weights = backend.convert_to_tensor(count_weights, dtype=self.compute_dtype)
        return self._encode(inputs, count_weights)

    def _encode(self, inputs: Any, count_weights: Any = None) -> Any:
        return encode_categorical_inputs(
            backend.cast(backend.convert_to_tensor(inputs), "int64"),
            self.output_mode,
            depth=self.num_tokens,
            dtype=self.compute_dtype,
            count_weights=count_weights,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
