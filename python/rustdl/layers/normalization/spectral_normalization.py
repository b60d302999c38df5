"""Spectral normalisation: a wrapper that keeps a layer's kernel at spectral norm 1."""

from __future__ import annotations

from typing import Any

from rustdl import backend, initializers, ops
from rustdl.layers.core.wrapper import Wrapper
from rustdl.layers.input_spec import InputSpec


class SpectralNormalization(Wrapper):
    """Divides the wrapped layer's kernel by an estimate of its largest singular value (Miyato et al., 2018).

    Args:
        layer: a layer with a `kernel` or `embeddings` of rank 2 or more.
        power_iterations: power iterations in each training call, > 0.
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(
                f"`power_iterations` should be greater than zero. Received: `power_iterations={power_iterations}`"
            )
        self.power_iterations = power_iterations

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.input_spec = InputSpec(shape=[None, *input_shape[1:]])
        layer = self.layer
        if hasattr(layer, "kernel"):
            self.kernel = layer.kernel
        elif hasattr(layer, "embeddings"):
            self.kernel = layer.embeddings
        else:
            raise ValueError(f"{type(layer).__name__} object has no attribute 'kernel' nor 'embeddings'")
        self.vector_u = self.add_weight(
            shape=(1, self.kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            name="vector_u",
            dtype=self.kernel.dtype,
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            vector, kernel = self._normalized()
            self.vector_u.assign(vector)
            self.kernel.assign(kernel)
        outputs = self.layer(inputs)
        # The rows that an embedding looks up do not take the dtype of their indices.
        return ops.cast(outputs, inputs.dtype) if backend.is_float_dtype(inputs.dtype) else outputs

    def _normalized(self) -> tuple[Any, Any]:
        """The next vector of the power iteration, and the kernel divided by its norm."""
        matrix = ops.reshape(self.kernel, (-1, self.kernel.shape[-1]))
        u: Any = ops.convert_to_tensor(self.vector_u)
        v: Any = None
        for _ in range(self.power_iterations):
            v = _unit(ops.matmul(u, ops.transpose(matrix)))
            u = _unit(ops.matmul(v, matrix))
        u, v = ops.stop_gradient(u), ops.stop_gradient(v)
        sigma = ops.matmul(ops.matmul(v, matrix), ops.transpose(u))
        # A kernel of zeros has no direction: it and the vector stay as they are.
        is_zero = ops.all(ops.equal(matrix, 0))
        sigma = ops.where(is_zero, ops.ones_like(sigma), sigma)
        u = ops.where(is_zero, ops.convert_to_tensor(self.vector_u), u)
        return u, ops.reshape(matrix / sigma, self.kernel.shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power_iterations": self.power_iterations}


def _unit(x: Any) -> Any:
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x)), 1e-14))
