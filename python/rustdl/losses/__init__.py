"""Losses: what training makes small."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from rustdl.losses.crossentropy import (
    CTC,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    ctc,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from rustdl.losses.hinge import CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge
from rustdl.losses.loss import Loss
from rustdl.losses.overlap import Circle, Dice, Tversky, circle, dice, tversky
from rustdl.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from rustdl.losses.wrapper import LossFunctionWrapper

_CLASSES: tuple[type[Loss], ...] = (
    Loss, LossFunctionWrapper, KLDivergence, Poisson, BinaryCrossentropy, BinaryFocalCrossentropy,
    CategoricalCrossentropy, CategoricalFocalCrossentropy, SparseCategoricalCrossentropy,
    CategoricalGeneralizedCrossEntropy, MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError, CosineSimilarity, LogCosh, Huber, Hinge, SquaredHinge, CategoricalHinge,
    Dice, Tversky, Circle, CTC,
)  # fmt: skip
_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    kl_divergence, poisson, binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy,
    categorical_focal_crossentropy, categorical_generalized_cross_entropy, sparse_categorical_crossentropy,
    mean_squared_error, mean_absolute_error, mean_absolute_percentage_error, mean_squared_logarithmic_error,
    cosine_similarity, log_cosh, huber, hinge, squared_hinge, categorical_hinge, dice, tversky, circle, ctc,
)  # fmt: skip
_ALIASES: dict[str, Callable[..., Any]] = {
    "bce": binary_crossentropy,
    "kld": kl_divergence,
    "mae": mean_absolute_error,
    "mse": mean_squared_error,
    "mape": mean_absolute_percentage_error,
    "msle": mean_squared_logarithmic_error,
}

ALL_OBJECTS: dict[str, Any] = {c.__name__: c for c in _CLASSES} | {f.__name__: f for f in _FUNCTIONS}
ALL_OBJECTS |= _ALIASES | {k.upper(): v for k, v in _ALIASES.items()}
BUILT_IN_FUNCTIONS = frozenset(_FUNCTIONS)


def serialize(loss: Any) -> Any:
    """The configuration of a loss, from which `deserialize` makes it again."""
    from rustdl.saving import serialize_keras_object

    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a loss from its configuration or its name."""
    from rustdl.saving import deserialize_keras_object

    return deserialize_keras_object(name, module_objects=ALL_OBJECTS, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """The loss that a name, a configuration, a class, a function or a loss object stands for.

    Raises:
        ValueError: when it stands for nothing known.

    Example:
        >>> from rustdl import losses
        >>> losses.get("mse") is losses.mean_squared_error
        True
    """
    if identifier is None:
        return None
    found: Any = None
    if isinstance(identifier, dict):
        found = deserialize(identifier)
    elif isinstance(identifier, str):
        found = ALL_OBJECTS.get(identifier)
        if found is None:
            from rustdl.saving import get_registered_object

            found = get_registered_object(identifier)
    else:
        found = identifier
    if inspect.isclass(found):
        found = found()
    if callable(found):
        return found
    from rustdl.utils.suggestions import unknown_identifier

    raise unknown_identifier("loss", identifier, ALL_OBJECTS)


__all__ = [
    "CTC", "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy", "CategoricalHinge", "Circle", "CosineSimilarity", "Dice", "Hinge", "Huber",
    "KLDivergence", "LogCosh", "Loss", "LossFunctionWrapper", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy", "SquaredHinge",
    "Tversky", "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
    "categorical_focal_crossentropy", "categorical_generalized_cross_entropy", "categorical_hinge", "circle",
    "cosine_similarity", "ctc", "deserialize", "dice", "get", "hinge", "huber", "kl_divergence", "log_cosh",
    "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error",
    "poisson", "serialize", "sparse_categorical_crossentropy", "squared_hinge", "tversky",
]  # fmt: skip
