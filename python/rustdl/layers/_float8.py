"""Products of 8-bit floats: inputs and kernel rounded to `float8_e4m3fn`, gradients of the output to `float8_e5m2`.

Each of the three has a scale and a history of the largest magnitudes of the steps before (Micikevicius et al., 2022). A
step rounds by the scale that it finds, and leaves the next one the scale that follows from the history. Both are
weights whose "gradient" is their new value: an optimizer assigns it (`overwrite_with_gradient`), so that they move with
each training step and stay in inference. Numbers are rounded to what an 8-bit float can hold; the sums are made in the
compute dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import ops, quantizers
from rustdl.dtype_policies.quantized_policy import QuantizedFloat8DTypePolicy
from rustdl.quantizers.float8 import float8_max

_WHAT = ("inputs", "kernel", "outputs_grad")


class Float8Products:
    """Mixin of `Quantizable`: the mode `"float8"`."""

    # Whether the layer computes with 8-bit floats. Its kernel stays a float, and is trained.
    _float8 = False

    def _float8_build(self) -> None:
        """Makes scales and histories."""
        layer: Any = self
        policy = layer._effective_policy()
        length = getattr(policy, "amax_history_length", QuantizedFloat8DTypePolicy.default_amax_history_length)
        for what in _WHAT:
            for suffix, shape, initializer in (("scale", (), "ones"), ("amax_history", (length,), "zeros")):
                variable = layer.add_weight(
                    name=f"{what}_{suffix}",
                    shape=shape,
                    dtype="float32",
                    initializer=initializer,
                    trainable=True,
                    autocast=False,
                    overwrite_with_gradient=True,
                )
                setattr(self, f"{what}_{suffix}", variable)
        self._float8 = True

    def _float8_product(self, product: Callable[[Any, Any], Any], inputs: Any, kernel: Any) -> Any:
        """`product(inputs, kernel)`, both rounded, and the gradient that comes back rounded too."""
        x = self._float8_rounded("inputs", inputs)
        y = product(x, self._float8_rounded("kernel", ops.cast(kernel, inputs.dtype)))
        return self._float8_gradient(y)

    def _float8_state(self, what: str) -> tuple[Any, Any]:
        return (
            ops.convert_to_tensor(getattr(self, f"{what}_scale")),
            ops.convert_to_tensor(getattr(self, f"{what}_amax_history")),
        )

    def _float8_rounded(self, what: str, x: Any) -> Any:
        kind = "float8_e4m3fn"

        def rounded(x: Any, scale: Any, history: Any) -> Any:
            new_scale = quantizers.compute_float8_scale(ops.max(history), scale, float8_max(kind))
            new_history = quantizers.compute_float8_amax_history(x, history)

            def gradient(*args: Any, upstream: Any = None) -> Any:
                # The rounding counts as the identity.
                return args[0] if upstream is None else upstream, new_scale, new_history

            return quantizers.quantize_and_dequantize(x, scale, kind, x.dtype), gradient

        return ops.custom_gradient(rounded)(x, *self._float8_state(what))

    def _float8_gradient(self, y: Any) -> Any:
        kind = "float8_e5m2"

        def same(y: Any, scale: Any, history: Any) -> Any:
            new_scale = quantizers.compute_float8_scale(ops.max(history), scale, float8_max(kind))

            def gradient(*args: Any, upstream: Any = None) -> Any:
                g = args[0] if upstream is None else upstream
                new_history = quantizers.compute_float8_amax_history(g, history)
                return quantizers.quantize_and_dequantize(g, scale, kind, g.dtype), new_scale, new_history

            return y, gradient

        return ops.custom_gradient(same)(y, *self._float8_state("outputs_grad"))
