"""Batch normalisation."""

from __future__ import annotations

from typing import Any

from rustdl import backend, initializers, ops
from rustdl.layers._weights import set_weight_arguments, weight_config
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.normalization._axes import check_axes


class BatchNormalization(Layer):
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta` along one axis (Ioffe and Szegedy, 2015).

    In training mean and variance are those of the batch, and the moving ones follow:
    `moving = momentum * moving + (1 - momentum) * batch`. Otherwise, and while `trainable` is False, the moving ones
    are used.

    Args:
        axis: the axis that keeps its own statistics, usually the channels.
        momentum: of the moving statistics.
        epsilon: added to the variance.
        center: whether beta is added.
        scale: whether gamma multiplies.
        beta_initializer: initializer of beta.
        gamma_initializer: initializer of gamma.
        moving_mean_initializer: initializer of the moving mean.
        moving_variance_initializer: initializer of the moving variance.
        beta_regularizer: penalty on beta.
        gamma_regularizer: penalty on gamma.
        beta_constraint: projection of beta after each update.
        gamma_constraint: projection of gamma after each update.
        renorm: batch renormalisation (Ioffe, 2017): training uses corrected statistics close to the moving ones.
        renorm_clipping: dict with any of `rmin`, `rmax`, `dmax`, the bounds of the correction.
        renorm_momentum: momentum of the statistics that the correction refers to.
        synchronized: kept for compatibility: there is one replica.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.BatchNormalization()(rustdl.ops.ones((2, 3))).shape
        (2, 3)
    """

    moving_mean_initializer: Any
    moving_variance_initializer: Any

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)
        if synchronized and backend.backend() not in ("tensorflow", "rustdl"):
            raise ValueError("The argument `synchronized=True` is not supported.")
        self.synchronized = synchronized
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        set_weight_arguments(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        self.supports_masking = True
        self.gamma = None
        self.beta = None
        self.moving_mean = None
        self.moving_variance = None
        self.renorm = renorm
        self.renorm_clipping = _check_clipping(renorm_clipping) if renorm else None
        self.renorm_momentum = renorm_momentum
        self.moving_stddev = None
        self.renorm_mean = None
        self.renorm_stddev = None
        self._reduction_axes: list[int] = []

    def build(self, input_shape: Any) -> None:
        check_axes(self.axis, input_shape)
        size = input_shape[self.axis]
        shape = (size,)
        if self.scale:
            self.gamma = self._trainable_weight("gamma", shape)
        if self.center:
            self.beta = self._trainable_weight("beta", shape)
        self.moving_mean = self._statistic("moving_mean", shape, self.moving_mean_initializer)
        self.moving_variance = self._statistic("moving_variance", shape, self.moving_variance_initializer)
        if self.renorm:
            self.moving_stddev = self._statistic("moving_stddev", shape, self._initial_stddev)
            self.renorm_mean = self._statistic("renorm_mean", shape, _copy(self.moving_mean_initializer))
            self.renorm_stddev = self._statistic("renorm_stddev", shape, self._initial_stddev)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})
        self._reduction_axes = [i for i in range(len(input_shape)) if i != self.axis % len(input_shape)]
        self.built = True

    def _trainable_weight(self, name: str, shape: Any) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
            trainable=True,
            autocast=False,
        )

    def _statistic(self, name: str, shape: Any, initializer: Any) -> Any:
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False, autocast=False)

    def _initial_stddev(self, shape: Any, dtype: Any = None) -> Any:
        return ops.sqrt(_copy(self.moving_variance_initializer)(shape, dtype=dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        check_axes(self.axis, input_shape)
        return input_shape

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                "The mask provided should be one dimension less than the inputs. Received: "
                f"mask.shape={mask.shape}, inputs.shape={inputs.shape}"
            )
        dtype = backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        gamma = ops.cast(self.gamma, dtype) if self.scale else None
        beta = ops.cast(self.beta, dtype) if self.center else None
        if training and self.trainable:
            mean, variance = self._moments(x, mask)
            if self.renorm:
                gamma, beta = self._renorm_transform(mean, variance, gamma, beta)
                self._update_renorm(mean, variance)
            else:
                self._follow(self.moving_mean, mean, self.momentum)
                self._follow(self.moving_variance, variance, self.momentum)
        else:
            mean = ops.cast(self.moving_mean, dtype)
            variance = ops.cast(self.moving_variance, dtype)
        outputs = ops.batch_normalization(
            x, mean=mean, variance=variance, axis=self.axis, offset=beta, scale=gamma, epsilon=self.epsilon
        )
        return ops.cast(outputs, self.compute_dtype)

    def _follow(self, variable: Any, value: Any, momentum: float) -> None:
        old = ops.cast(variable, value.dtype)
        variable.assign(old * momentum + value * (1.0 - momentum))

    def _moments(self, x: Any, mask: Any) -> tuple[Any, Any]:
        if mask is None:
            mean, variance = ops.moments(x, axes=self._reduction_axes)
            return mean, variance
        weights = ops.cast(ops.broadcast_to(ops.expand_dims(mask, -1), x.shape), x.dtype)
        axes = tuple(self._reduction_axes)
        count = ops.sum(weights, axis=axes, keepdims=True) + backend.epsilon()
        mean = ops.sum(x * weights, axis=axes, keepdims=True) / count
        variance = ops.sum(ops.square(x - mean) * weights, axis=axes, keepdims=True) / count
        return ops.squeeze(mean, axis=axes), ops.squeeze(variance, axis=axes)

    def _renorm_transform(self, mean: Any, variance: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:
        """Gamma and beta with the correction `x_hat * r + d`, r and d constants for the gradient."""
        stddev = ops.sqrt(variance + self.epsilon)
        reference = ops.maximum(ops.cast(self.renorm_stddev, mean.dtype), self.epsilon**0.5)
        r = stddev / reference
        d = (mean - ops.cast(self.renorm_mean, mean.dtype)) / reference
        clipping = self.renorm_clipping or {}
        if clipping.get("rmin") is not None:
            r = ops.maximum(r, clipping["rmin"])
        if clipping.get("rmax") is not None:
            r = ops.minimum(r, clipping["rmax"])
        if clipping.get("dmax") is not None:
            d = ops.clip(d, -clipping["dmax"], clipping["dmax"])
        r, d = ops.stop_gradient(r), ops.stop_gradient(d)
        shift = d if gamma is None else d * gamma
        return (r if gamma is None else r * gamma), (shift if beta is None else shift + beta)

    def _update_renorm(self, mean: Any, variance: Any) -> None:
        stddev = ops.sqrt(variance + self.epsilon)
        self._follow(self.renorm_mean, mean, self.renorm_momentum)
        self._follow(self.renorm_stddev, stddev, self.renorm_momentum)
        self._follow(self.moving_mean, mean, self.momentum)
        self._follow(self.moving_stddev, stddev, self.momentum)
        moving: Any = self.moving_stddev
        moving_variance: Any = self.moving_variance
        moving_variance.assign(ops.relu(ops.square(moving) - self.epsilon))

    def get_config(self) -> dict[str, Any]:
        own = weight_config(self, "beta", "gamma")
        own.pop("activity_regularizer")
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **own,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }


def _copy(initializer: Any) -> Any:
    return initializer.clone() if isinstance(initializer, initializers.Initializer) else initializer


def _check_clipping(clipping: dict[str, float] | None) -> dict[str, float]:
    clipping = clipping or {}
    known = {"rmax", "rmin", "dmax"}
    unknown = set(clipping) - known
    if unknown:
        raise ValueError(f"Received invalid keys for `renorm_clipping` argument: {unknown}. Supported values: {known}.")
    rmax, rmin, dmax = (clipping.get(k) for k in ("rmax", "rmin", "dmax"))
    if rmax is not None and rmax < 1:
        raise ValueError(
            f"rmax should be greater than or equal to 1 in the `renorm_clipping` argument. Received: rmax={rmax}."
        )
    if rmin is not None and rmax is not None and rmin > rmax:
        raise ValueError(
            "rmin should be less than or equal to rmax in the `renorm_clipping` argument. "
            f"Received: rmin={rmin} and rmax={rmax}."
        )
    if dmax is not None and dmax < 0:
        raise ValueError(f"dmax should be non-negative in the `renorm_clipping` argument. Received: dmax={dmax}.")
    return clipping
