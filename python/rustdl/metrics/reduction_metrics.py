"""Sum and mean of values over batches, and the mean of a function of targets and predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import ops
from rustdl.losses.loss import apply_mask, mask_of, squeeze_or_expand_to_same_rank
from rustdl.metrics.metric import Metric, Tensor


def reduce_to_samplewise_values(
    values: Any, sample_weight: Any, reduce_fn: Callable[..., Tensor], dtype: str
) -> tuple[Tensor, Tensor | None]:
    """Brings values `[batch, ...]` to one number a sample, weighted.

    Returns:
        The weighted values `[batch]`, and the weights `[batch]` (None without weights and mask).
    """
    mask = mask_of(values)
    values = ops.cast(ops.convert_to_tensor(values), dtype)
    if sample_weight is not None:
        if mask is not None:
            sample_weight = _masked_weights(sample_weight, mask, dtype)
        sample_weight = ops.cast(ops.convert_to_tensor(sample_weight), dtype)
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        weight_rank, rank = len(sample_weight.shape), len(values.shape)
        if rank > weight_rank:
            values = reduce_fn(values, axis=tuple(range(weight_rank, rank)))
        values = values * sample_weight
        if len(values.shape) == weight_rank:
            sample_weight = ops.broadcast_to(sample_weight, tuple(values.shape))
        if weight_rank > 1:
            sample_weight = reduce_fn(sample_weight, axis=tuple(range(1, weight_rank)))
    if len(values.shape) > 1:
        values = reduce_fn(values, axis=tuple(range(1, len(values.shape))))
    return values, sample_weight


def _masked_weights(sample_weight: Any, mask: Any, dtype: str) -> Tensor:
    """Weights that are zero where the mask is; one weight a sample counts for all entries of its sample."""
    sample_weight, mask = ops.cast(ops.convert_to_tensor(sample_weight), dtype), ops.cast(mask, dtype)
    rank = len(sample_weight.shape)
    if 0 < rank < len(mask.shape) and sample_weight.shape[0] == mask.shape[0]:
        sample_weight = ops.expand_dims(sample_weight, axis=tuple(range(rank, len(mask.shape))))
    return apply_mask(sample_weight, mask, dtype=dtype, reduction="sum")


class Sum(Metric):
    """The (weighted) sum of all values seen.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.

    Example:
        >>> from rustdl.metrics import Sum
        >>> m = Sum()
        >>> m.update_state([1.0, 3.0, 5.0])
        >>> float(m.result())
        9.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(shape=(), initializer="zeros", dtype=self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, _ = reduce_to_samplewise_values(values, sample_weight, ops.sum, self.dtype)
        self.total.assign_add(ops.sum(values))

    def reset_state(self) -> None:
        self.total.assign(0)

    def result(self) -> Tensor:
        return ops.cast(self.total, self.dtype)


class Mean(Metric):
    """The (weighted) mean of all values seen; 0 where nothing was.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.

    Example:
        >>> from rustdl.metrics import Mean
        >>> m = Mean()
        >>> m.update_state([1.0, 3.0, 5.0, 7.0])
        >>> float(m.result())
        4.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(shape=(), initializer="zeros", dtype=self.dtype, name="total")
        self.count = self.add_variable(shape=(), initializer="zeros", dtype=self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, sample_weight = reduce_to_samplewise_values(values, sample_weight, ops.mean, self.dtype)
        self.total.assign_add(ops.sum(values))
        if sample_weight is not None:
            self.count.assign_add(ops.sum(sample_weight))
        else:
            self.count.assign_add(ops.cast(ops.shape(values)[0] if len(values.shape) > 0 else 1, self.dtype))

    def reset_state(self) -> None:
        self.total.assign(0)
        self.count.assign(0)

    def result(self) -> Tensor:
        return ops.divide_no_nan(self.total, ops.cast(self.count, self.dtype))


class MeanMetricWrapper(Mean):
    """The mean of a function `fn(y_true, y_pred, **kwargs)` that returns one value a sample.

    Args:
        fn: The function.
        name: Name of the metric.
        dtype: See `Metric`.
        **kwargs: Passed on to `fn` at each call.
    """

    # Arguments of the constructor that `get_config` of a named subclass lists in place of `fn`.
    _arguments: tuple[str, ...] = ()

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        if type(self)._direction is None:
            self._direction = direction_of(fn)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        mask = mask_of(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if sample_weight is not None and mask is not None:
            sample_weight = _masked_weights(sample_weight, mask, self.dtype)
        elif mask is not None:
            sample_weight = ops.cast(mask, self.dtype)
        super().update_state(values, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if type(self) is not MeanMetricWrapper and type(self).__module__.startswith("rustdl."):
            return config | {name: getattr(self, name) for name in self._arguments}
        from rustdl.saving import serialize_keras_object

        config["fn"] = serialize_keras_object(self._fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        if "fn" in config:
            from rustdl.saving import deserialize_keras_object

            config = deserialize_keras_object(config)
        return cls(**config)


def direction_of(fn: Any) -> str | None:
    """Whether a higher or a lower value of a function is better, by what its name says."""
    name = getattr(fn, "__name__", "")
    if any(part in name for part in ("accuracy", "similarity", "correlation", "top_k")):
        return "up"
    from rustdl import losses

    return "down" if fn in losses.BUILT_IN_FUNCTIONS else None
