"""Layer normalisation."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers._weights import set_weight_arguments, weight_config
from rustdl.layers.layer import Layer
from rustdl.layers.normalization._axes import check_axes


class LayerNormalization(Layer):
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`, mean and variance of each example (Ba et al., 2016).

    Args:
        axis: axis or axes over which mean and variance are taken; gamma and beta have their shape.
        epsilon: added to the variance.
        center: whether beta is added.
        scale: whether gamma multiplies.
        beta_initializer: initializer of beta.
        gamma_initializer: initializer of gamma.
        beta_regularizer: penalty on beta.
        gamma_regularizer: penalty on gamma.
        beta_constraint: projection of beta after each update.
        gamma_constraint: projection of gamma after each update.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.LayerNormalization()(rustdl.ops.ones((2, 3))).shape
        (2, 3)
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        # An old argument of Keras: divide by the standard deviation only.
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        self.rms_scaling = bool(rms_scaling)
        if not isinstance(axis, int | list | tuple):
            raise TypeError(
                "Expected an int or a list/tuple of ints for the argument 'axis', but received: " + repr(axis)
            )
        self.axis: Any = list(axis) if isinstance(axis, list | tuple) else axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        set_weight_arguments(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        check_axes(self.axis, input_shape)
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        shape = tuple(input_shape[a] for a in self.axis)
        self.gamma = self._weight("gamma", shape) if self.scale or self.rms_scaling else None
        self.beta = self._weight("beta", shape) if self.center and not self.rms_scaling else None
        self.built = True

    def _weight(self, name: str, shape: Any) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
            trainable=True,
            autocast=False,
        )

    def call(self, inputs: Any) -> Any:
        if self.rms_scaling:
            return self._scaled(inputs)
        outputs = ops.layer_normalization(inputs, self.gamma, self.beta, self.axis, self.epsilon)
        return ops.cast(outputs, self.compute_dtype)

    def _scaled(self, inputs: Any) -> Any:
        x = ops.cast(inputs, backend.result_type(inputs.dtype, "float32"))
        variance = ops.var(x, axis=tuple(self.axis), keepdims=True)
        axes = [a % len(x.shape) for a in self.axis]
        gamma = ops.reshape(self.gamma, [n if i in axes else 1 for i, n in enumerate(x.shape)])
        return ops.cast(x * ops.rsqrt(variance + self.epsilon) * ops.cast(gamma, x.dtype), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        check_axes(self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = weight_config(self, "beta", "gamma")
        own.pop("activity_regularizer")
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "rms_scaling": self.rms_scaling,
            **own,
        }
