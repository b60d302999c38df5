"""The base class of losses: what turns per-sample values, weights and masks into one number."""

from __future__ import annotations

from typing import Any

from rustdl import backend, dtype_policies, ops, tree

Tensor = Any

REDUCTIONS = (None, "none", "sum", "sum_over_batch_size", "mean", "mean_with_sample_weight")


class Loss:
    """Base class of all losses.

    A subclass defines `call(y_true, y_pred)`, which returns one value for each sample (shape `[batch, d1, ...]`);
    calling
    the object multiplies these by `sample_weight` and by the masks, and reduces them.

    Args:
        name: Name of the loss; by default that of the class in snake case.
        reduction: `"sum_over_batch_size"` (the same as `"mean"`): the sum divided by the number of values; `"sum"`;
            `"mean_with_sample_weight"`: the sum divided by the sum of the weights; `"none"` or `None`: no reduction.
        dtype: dtype or policy of the computation; the global float type by default.

    Raises:
        ValueError: for an unknown `reduction`.

    Example:
        >>> import rustdl
        >>> class Quartic(rustdl.losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return rustdl.ops.mean((y_true - y_pred) ** 4, axis=-1)
        >>> float(Quartic()([[0.0, 0.0]], [[1.0, 2.0]]))
        8.5
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if name is None:
            from rustdl.utils.naming import auto_name

            name = auto_name(self.__class__.__name__)
        self.name = name
        self.reduction = standardize_reduction(reduction)
        self._dtype_policy = dtype_policies.get(dtype or backend.floatx())
        self._dtype = self._dtype_policy.compute_dtype

    @property
    def dtype(self) -> str:
        """The dtype in which the loss is computed."""
        return str(self._dtype)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        in_mask = mask_of(y_pred)
        with backend.name_scope(self.name):
            y_pred = tree.map_structure(lambda x: self._to_tensor(x, "y_pred"), _numbers_to_array(y_pred))
            y_true = tree.map_structure(lambda x: self._to_tensor(x, "y_true"), _numbers_to_array(y_true))
            values = self.call(y_true, y_pred)
            out_mask = mask_of(values)
            if in_mask is not None and out_mask is not None:
                mask = ops.logical_and(in_mask, out_mask)
            else:
                mask = in_mask if out_mask is None else out_mask
            return reduce_weighted_values(
                values, sample_weight=sample_weight, mask=mask, reduction=self.reduction, dtype=self.dtype
            )

    def _to_tensor(self, x: Any, argument: str) -> Tensor:
        if x is None:
            raise ValueError(
                f"Loss '{self.name}': `{argument}` is None. Pass an array of targets and an array of predictions."
            )
        dtype = getattr(x, "dtype", None)
        if dtype is not None and getattr(dtype, "kind", "") in ("U", "S", "O"):
            raise ValueError(
                f"Loss '{self.name}': `{argument}` has dtype {dtype}, expected numbers. Encode text or objects as "
                "integers first."
            )
        return ops.convert_to_tensor(x, dtype=self.dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """One value for each sample. To be defined by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} must define `call(self, y_true, y_pred)`.")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Makes a loss from what `get_config` returned."""
        return cls(**config)

    def _obj_type(self) -> str:
        return "Loss"


def _numbers_to_array(x: Any) -> Any:
    """Nested lists of numbers as one array; a list of arrays or tensors is a structure and stays one."""
    if isinstance(x, (list, tuple)) and all(isinstance(leaf, (int, float)) for leaf in tree.flatten(x)):
        return ops.convert_to_tensor(x)
    return x


def standardize_reduction(reduction: str | None) -> str | None:
    """Returns `reduction` if it is one of the known reductions, else raises ValueError."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"Invalid value for argument `reduction`. Expected one of {set(REDUCTIONS)}. Received: "
            f"reduction={reduction}"
        )
    return reduction


def mask_of(x: Any) -> Any:
    """The mask that travels with a tensor, or None."""
    return backend.get_keras_mask(x)


def squeeze_or_expand_to_same_rank(x1: Tensor, x2: Tensor, expand_rank_1: bool = True) -> tuple[Tensor, Tensor]:
    """Brings two tensors whose ranks differ by one trailing axis of length 1 to the same rank.

    `[n]` and `[n, 1]` become `[n, 1]` both (unless `expand_rank_1` is False); `[n, t, 1]` and `[n, t]` become `[n, t]`.
    """
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 == rank2:
        return x1, x2
    if rank1 == rank2 + 1 and x1.shape[-1] == 1:
        if rank2 == 1 and expand_rank_1:
            x2 = ops.expand_dims(x2, axis=-1)
        else:
            x1 = ops.squeeze(x1, axis=-1)
    elif rank2 == rank1 + 1 and x2.shape[-1] == 1:
        if rank1 == 1 and expand_rank_1:
            x1 = ops.expand_dims(x1, axis=-1)
        else:
            x2 = ops.squeeze(x2, axis=-1)
    return x1, x2


def _product(shape: Any) -> Any:
    count: Any = 1
    for n in shape:
        count = count * n
    return count


def reduce_values(
    values: Tensor, sample_weight: Tensor = None, reduction: str | None = "sum_over_batch_size"
) -> Tensor:
    """Sums values that are weighted already, and divides as `reduction` asks."""
    if reduction is None or reduction == "none" or tuple(values.shape) == () or 0 in tuple(values.shape):
        return values
    total = ops.sum(values)
    if reduction in ("sum_over_batch_size", "mean") or (
        reduction == "mean_with_sample_weight" and sample_weight is None
    ):
        return total / _product(values.shape)
    if reduction == "mean_with_sample_weight":
        # A batch whose weights are all zero has loss zero, not NaN.
        return ops.divide_no_nan(total, ops.cast(ops.sum(sample_weight), total.dtype))
    return total


def reduce_weighted_values(
    values: Tensor,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = "sum_over_batch_size",
    dtype: Any = None,
) -> Tensor:
    """Applies weights and mask to the values of the samples, and reduces them."""
    reduction = standardize_reduction(reduction)
    values = ops.convert_to_tensor(values, dtype=dtype)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=dtype)
    if mask is not None:
        sample_weight = apply_mask(
            sample_weight, ops.convert_to_tensor(mask, dtype=dtype), dtype=dtype, reduction=reduction
        )
    if sample_weight is not None:
        sample_weight = ops.cast(sample_weight, values.dtype)
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        values = values * _align_weights(sample_weight, values)
    return reduce_values(values, sample_weight, reduction)


def _align_weights(weights: Tensor, values: Tensor) -> Tensor:
    """Checks that the weights broadcast to the values."""
    w, v = tuple(weights.shape), tuple(values.shape)
    if not all(a == b or 1 in (a, b) or None in (a, b) for a, b in zip(reversed(w), reversed(v), strict=False)):
        raise ValueError(
            f"`sample_weight` of shape {w} does not fit the values of the loss, of shape {v}: pass one weight for "
            "each sample, "
            "or an array that broadcasts to that shape."
        )
    return weights


def apply_mask(sample_weight: Any, mask: Tensor, dtype: Any, reduction: str | None) -> Tensor:
    """Folds the mask into the weights.

    For a mean, the kept entries are weighted by (entries / kept entries), so the division by the number of all entries
    gives the mean of the kept ones.
    """
    if reduction in ("mean", "sum_over_batch_size"):
        mask = mask * (_product(mask.shape) / (ops.sum(mask) + backend.epsilon()))
    if sample_weight is None:
        return mask
    sample_weight = ops.cast(sample_weight, dtype)
    mask, sample_weight = squeeze_or_expand_to_same_rank(mask, sample_weight)
    return mask * _align_weights(sample_weight, mask)
