"""Checks of targets in memory, made once before training: NaN and class indices out of range."""

from __future__ import annotations

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
    targets = compile_loss.split(y)
    for (name, loss), target, prediction in zip(compile_loss.parts(), targets, tree.flatten(y_pred), strict=True):
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
