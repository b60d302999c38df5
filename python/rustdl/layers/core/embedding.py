"""Rows of a table, looked up by integer."""

from __future__ import annotations

import warnings
from typing import Any

from rustdl import backend, ops
from rustdl.layers._weights import (
    LowRankAdaptation,
    add_weight,
    set_weight_arguments,
    weight_config,
)
from rustdl.layers.layer import Layer


class Embedding(LowRankAdaptation, Layer):
    """Maps integers in `[0, input_dim)` to rows of a trainable table.

    Args:
        input_dim: number of rows, > 0.
        output_dim: length of a row, > 0.
        embeddings_initializer: initializer of the table.
        embeddings_regularizer: penalty on the table.
        embeddings_constraint: projection of the table after each update.
        mask_zero: whether 0 stands for padding, to be masked by the layers that follow.
        weights: initial table of shape `(input_dim, output_dim)`, or a list with it.
        lora_rank: rank of a low-rank adaptation, None for none.
        lora_alpha: its scale times the rank.
        quantization_config: how `quantize` does it by default.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a dimension is not a positive integer.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Embedding(10, 4)(rustdl.ops.convert_to_tensor([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    _lora_weight = "_embeddings"
    _lora_prefix = "lora_embeddings"
    _rows_last = True
    embeddings_scale: Any

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        for argument, value in (("input_dim", input_dim), ("output_dim", output_dim)):
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ValueError(
                    f"`{argument}` must be a positive integer. Received: {argument}={value} (of type "
                    f"{type(value).__name__})."
                )
        if kwargs.pop("input_length", None) is not None:
            warnings.warn("Argument `input_length` is deprecated. Just remove it.", stacklevel=2)
        super().__init__(**kwargs)
        self._init_quantization(quantization_config)
        self.input_dim = input_dim
        self.output_dim = output_dim
        set_weight_arguments(
            self,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
        )
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.autocast = False
        self._init_lora(lora_rank, lora_alpha)
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        shape = (self.input_dim, self.output_dim)
        if self.quantization_mode:
            self.quantized_build(shape, self.quantization_mode)
        else:
            self._embeddings = add_weight(self, "embeddings", shape)
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def _shared_axes(self) -> tuple[int, ...]:
        return (1,)

    @property
    def embeddings(self) -> Any:
        """The table in use: with the low-rank term if there is one, as floats if it is quantized."""
        return self._lora_merged()

    def call(self, inputs: Any) -> Any:
        if backend.standardize_dtype(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        if self.is_quantized and self._stored_mode == "int8" and not self.lora_enabled:
            # Only the rows looked up become floats.
            rows = ops.cast(ops.take(self._embeddings, inputs, axis=0), self.compute_dtype)
            scale = ops.take(ops.cast(self.embeddings_scale, self.compute_dtype), inputs, axis=0)
            return rows / ops.expand_dims(scale, -1)
        return ops.cast(ops.take(self.embeddings, inputs, axis=0), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Any) -> Any:
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            **weight_config(self, "embeddings"),
            "mask_zero": self.mask_zero,
            "quantization_config": self._quantization_config(),
            **self._lora_config(),
        }
