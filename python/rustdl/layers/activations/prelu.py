"""The rectified linear unit with learnt slopes."""

from __future__ import annotations

from typing import Any

from rustdl import activations
from rustdl.layers._weights import add_weight, set_weight_arguments, weight_config
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class PReLU(Layer):
    """`x` where `x > 0`, else `alpha * x` with a learnt alpha for each element (He et al., 2015).

    Args:
        alpha_initializer: initializer of alpha.
        alpha_regularizer: penalty on alpha.
        alpha_constraint: projection of alpha after each update.
        shared_axes: axes along which alpha is shared, such as `[1, 2]` for images.
        **kwargs: arguments of `Layer`.
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        set_weight_arguments(
            self,
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        if shared_axes is None:
            self.shared_axes = None
        else:
            self.shared_axes = list(shared_axes) if isinstance(shared_axes, list | tuple) else [shared_axes]

    def build(self, input_shape: Any) -> None:
        shared = self.shared_axes or []
        shape = tuple(1 if i in shared else n for i, n in enumerate(input_shape[1:], start=1))
        self.alpha = add_weight(self, "alpha", shape)
        axes = {i: n for i, n in enumerate(input_shape) if i > 0 and i not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)
        self.built = True

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs) - self.alpha * activations.relu(-inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = weight_config(self, "alpha")
        own.pop("activity_regularizer")
        return {**super().get_config(), **own, "shared_axes": self.shared_axes}
