"""Checks of targets: NaN and class indices out of range, once before training; shapes that do not fit predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import losses, tree
from rustdl.losses.crossentropy import check_sparse_labels


def check_targets(compile_loss: Any, y: Any, y_pred: Any, argument: str = "y") -> None:
    """Raises ValueError where the targets make a built-in loss meaningless.

    Args:
        compile_loss: The built `CompileLoss`.
        y: The targets of all samples.
        y_pred: The predictions, or tensors of their shapes.
        argument: Name of the argument, for errors.
    """
    if compile_loss is None or not compile_loss.built or y is None:
        return
    parts = compile_loss.parts()
    if not parts:
        return
    targets = compile_loss.split(y)
    for (name, loss), target, prediction in zip(parts, targets, tree.flatten(y_pred), strict=True):
        fn = getattr(loss, "fn", None)
        if target is None or fn not in losses.BUILT_IN_FUNCTIONS or not hasattr(target, "shape"):
            continue
        where = f"{argument}['{name}']" if len(targets) > 1 and name else argument
        values = np.asarray(target)
        if values.dtype.kind == "f":
            _check_nan(values, where, loss)
        if fn is losses.sparse_categorical_crossentropy and len(prediction.shape) > 0:
            config = loss.get_config()
            check_sparse_labels(values, prediction.shape[config.get("axis", -1)], config.get("ignore_class"), where)


def _check_nan(values: np.ndarray[Any, Any], where: str, loss: Any) -> None:
    # One number that is NaN makes the sum NaN; only then the place is looked for.
    with np.errstate(invalid="ignore", over="ignore"):
        if not np.isnan(values.sum()):
            return
    bad = np.isnan(values)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(
        f"`{where}` holds NaN at index {first if len(first) > 1 else first[0]} ({int(bad.sum())} in all): the loss "
        f"'{loss.name}' "
        "would be NaN. Leave those samples out, or fill in values and give them `sample_weight` 0."
    )


_ELEMENTWISE: frozenset[Callable[..., Any]] = losses.BUILT_IN_FUNCTIONS - {
    losses.sparse_categorical_crossentropy,
    losses.categorical_generalized_cross_entropy,
    losses.ctc,
    losses.circle,
}


def check_shapes(loss: Any, output: str | None, y_true: Any, y_pred: Any) -> None:
    """Raises ValueError where targets cannot be compared with predictions."""
    fn = getattr(loss, "fn", None)
    if y_true is None or not hasattr(y_true, "shape") or not hasattr(y_pred, "shape"):
        return
    where = f" of output '{output}'" if output else ""
    true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
    if fn is losses.sparse_categorical_crossentropy:
        expected = pred_shape[:-1]
        if true_shape not in (expected, (*expected, 1)) and _elements(true_shape) != _elements(expected):
            raise ValueError(
                f"Loss '{loss.name}'{where}: targets have shape {true_shape}, predictions {pred_shape}: expected "
                "class indices of "
                f"shape {expected}. For one-hot targets use `categorical_crossentropy`."
            )
        return
    if fn not in _ELEMENTWISE:
        return

    true_aligned, pred_aligned = _aligned(true_shape, pred_shape)
    if not all(
        a == b or 1 in (a, b) or None in (a, b) for a, b in zip(true_aligned[::-1], pred_aligned[::-1], strict=False)
    ):
        hint = ""
        if fn is losses.categorical_crossentropy and len(true_shape) < len(pred_shape):
            hint = " For class indices use `sparse_categorical_crossentropy`."
        raise ValueError(
            f"Loss '{loss.name}'{where}: targets of shape {true_shape} do not fit predictions of shape {pred_shape}. "
            f"Give the last layer as many units as a target has numbers, or reshape the targets.{hint}"
        )


def _aligned(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes after the step that brings ranks that differ by a trailing 1 together."""
    if len(a) == len(b) + 1 and a[-1] == 1:
        return a[:-1], b
    if len(b) == len(a) + 1 and b[-1] == 1:
        return a, b[:-1]
    return a, b


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n or 0
    return count
