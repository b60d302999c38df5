"""An embedding that also projects back to its vocabulary."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops, quantizers
from rustdl.backend.masking import set_keras_mask
from rustdl.layers.core.embedding import Embedding


class ReversibleEmbedding(Embedding):
    """Rows of a table by integer, and, with `reverse=True`, the products of vectors with all rows.

    One table for both ways is weight tying (Press and Wolf, 2017). There is no bias.

    Args:
        input_dim: number of rows, > 0.
        output_dim: length of a row, > 0.
        tie_weights: whether the way back uses the same table; else a matrix `(output_dim, input_dim)` of its own.
        embeddings_initializer: initializer of the table and the matrix.
        embeddings_regularizer: penalty on the table.
        embeddings_constraint: projection of the table after each update.
        mask_zero: whether 0 stands for padding, to be masked by the layers that follow.
        reverse_dtype: dtype of the way back, default the layer's compute dtype.
        logit_soft_cap: `c` replaces the results `x` of the way back by `c * tanh(x / c)`.
        **kwargs: further arguments of `Embedding`.

    Call arguments:
        inputs: integers; with `reverse`, vectors of `output_dim` elements.
        reverse: whether to project back.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.ReversibleEmbedding(10, 4)
        >>> layer(layer(rustdl.ops.convert_to_tensor([[1, 2, 3]])), reverse=True).shape
        (1, 3, 10)
    """

    embeddings_initializer: Any
    reverse_embeddings: Any
    reverse_embeddings_scale: Any
    reverse_embeddings_zero: Any

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights and not self.is_quantized:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
                trainable=True,
            )

    # --- quantization of a matrix of its own for the way back, of which each column has a scale ---

    def quantized_build(self, input_shape: Any, mode: str, config: Any = None) -> None:
        super().quantized_build(input_shape, mode, config)
        if self.tie_weights:
            return
        floats = self.__dict__.get("reverse_embeddings")
        block = self._stored_block
        rows, columns = self.output_dim, self.input_dim
        groups: tuple[int, ...] = (columns,) if block is None else (-(-rows // block), columns)
        unlocked = self._tracker.locked
        self._tracker.unlock()
        if floats is not None:
            self._untrack_variable(floats)

        def add(suffix: str, shape: Any, dtype: str | None, initializer: str) -> Any:
            return self.add_weight(
                name=f"reverse_embeddings{suffix}",
                shape=shape,
                dtype=dtype,
                initializer=initializer,
                trainable=False,
                autocast=False,
            )

        packed = (rows + 1) // 2 if mode == "int4" else rows
        self.reverse_embeddings = add("", (packed, columns), "int8", "zeros")
        self.reverse_embeddings_scale = add("_scale", groups, None, "ones")
        if block is not None:
            self.reverse_embeddings_zero = add("_zero", groups, "int8", "zeros")
        if unlocked:
            self._tracker.lock()
        if floats is not None:
            for variable, value in zip(self._reverse_variables(), self._reverse_values(floats), strict=True):
                variable.assign(value)

    def _reverse_variables(self) -> list[Any]:
        found = [self.__dict__.get(f"reverse_embeddings{suffix}") for suffix in ("", "_scale", "_zero")]
        return [variable for variable in found if variable is not None]

    def _reverse_values(self, matrix: Any) -> list[Any]:
        """Integers, scales and zero points of a float matrix."""
        if self._stored_block is not None:
            q, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(matrix, self._stored_block)
            return [quantizers.pack_int4(q, axis=0)[0], scale, zero]
        q, scale = self._weight_quantizer()(matrix, axis=0)
        if self._stored_mode == "int4":
            q = quantizers.pack_int4(q, axis=0)[0]
        return [q, ops.reshape(scale, (-1,))]

    def _reverse_matrix(self) -> Any:
        """The matrix of the way back, as floats."""
        if self.tie_weights:
            return ops.transpose(self.embeddings)
        if not self.is_quantized:
            return self.reverse_embeddings
        dtype, q = self.compute_dtype, self.reverse_embeddings
        if self._stored_mode == "int4":
            q = quantizers.unpack_int4(q, self.output_dim, axis=0)
        q, scale = ops.cast(q, dtype), ops.cast(self.reverse_embeddings_scale, dtype)
        if self._stored_block is None:
            return q / scale
        group = ops.cast(self.g_idx, "int32")
        zero = ops.cast(self.reverse_embeddings_zero, dtype)
        return (q - ops.take(zero, group, axis=0)) * ops.take(scale, group, axis=0)

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if not reverse:
            rows = super().call(inputs)
            mask = super().compute_mask(inputs)
            if mask is not None:
                set_keras_mask(rows, mask)
            return rows
        kernel = self._reverse_matrix()
        dtype = self.reverse_dtype or self.compute_dtype
        if self.is_quantized:
            inputs = self._quantized_input(inputs, (-1,))
        logits = ops.matmul(ops.cast(inputs, dtype), ops.cast(kernel, dtype))
        if self.logit_soft_cap is not None:
            logits = ops.multiply(ops.tanh(ops.divide(logits, self.logit_soft_cap)), self.logit_soft_cap)
        return logits

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None  # set in `call`, which knows the direction

    def compute_output_shape(self, input_shape: Any, reverse: bool = False) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> Any:
        dtype = (self.reverse_dtype or self.compute_dtype) if reverse else self.compute_dtype
        return backend.KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype=dtype)

    def _saved_variables(self) -> list[Any]:
        return [*super()._saved_variables(), *([] if self.tie_weights else self._reverse_variables())]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }
