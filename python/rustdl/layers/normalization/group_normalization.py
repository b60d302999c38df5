"""Group normalisation."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers._weights import set_weight_arguments, weight_config
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.normalization._axes import check_axes


class GroupNormalization(Layer):
    """Normalises each example over groups of channels and all other axes (Wu and He, 2018).

    Args:
        groups: number of groups; -1 for one group a channel (instance normalisation).
        axis: the channel axis.
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

    Raises:
        ValueError: the channels cannot be divided into the groups.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        if isinstance(groups, bool) or not isinstance(groups, int) or (groups < 1 and groups != -1):
            raise ValueError(
                "The argument `groups` must be a positive integer, or -1 for one group a channel. Received: "
                f"groups={groups}"
            )
        super().__init__(**kwargs)
        self.supports_masking = True
        # Large float32 inputs would overflow if they were cast to float16 before they are normalised.
        self.autocast = False
        self.groups = groups
        self.axis = axis
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

    def build(self, input_shape: Any) -> None:
        check_axes(self.axis, input_shape)
        channels = input_shape[self.axis]
        if channels is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer received an input "
                f"with shape {input_shape}."
            )
        if self.groups == -1:
            self.groups = channels
        if channels < self.groups:
            raise ValueError(
                f"Number of groups ({self.groups}) cannot be more than the number of channels ({channels})."
            )
        if channels % self.groups != 0:
            raise ValueError(
                f"Number of groups ({self.groups}) must be a multiple of the number of channels ({channels})."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self.gamma = self._weight("gamma", channels) if self.scale else None
        self.beta = self._weight("beta", channels) if self.center else None
        self.built = True

    def _weight(self, name: str, channels: int) -> Any:
        return self.add_weight(
            name=name,
            shape=(channels,),
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
            autocast=False,
        )

    def call(self, inputs: Any) -> Any:
        shape = tuple(inputs.shape)
        axis = self.axis % len(shape)
        groups = (self.groups, shape[axis] // self.groups)
        x = ops.cast(inputs, backend.result_type(inputs.dtype, "float32"))
        x = ops.reshape(x, (*shape[:axis], *groups, *shape[axis + 1 :]))
        reduced = tuple(i for i in range(1, len(shape) + 1) if i != axis)
        mean, variance = ops.moments(x, axes=reduced, keepdims=True)
        factor = ops.rsqrt(variance + self.epsilon)
        broadcast = (*(1,) * axis, *groups, *(1,) * (len(shape) - axis - 1))
        if self.gamma is not None:
            factor = factor * ops.cast(ops.reshape(self.gamma, broadcast), x.dtype)
        shift = -mean * factor
        if self.beta is not None:
            shift = shift + ops.cast(ops.reshape(self.beta, broadcast), x.dtype)
        return ops.cast(ops.reshape(x * factor + shift, shape), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        check_axes(self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = weight_config(self, "beta", "gamma")
        own.pop("activity_regularizer")
        return {
            **super().get_config(),
            "groups": self.groups,
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **own,
        }
