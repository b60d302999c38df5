"""What is compared: one thing that is timed, and its data."""

from dataclasses import dataclass

import numpy as np

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """One thing that is timed.

    Attributes:
        name: Its name in tables.
        model: Which model is built.
        shape: Shape of one input, as Keras has it.
        batch_size: Rows of a step.
        batches: Batches in the data set, which is in memory.
        optimizer: "sgd", "adam" or "adamw", with the learning rate `learning_rate`.
        learning_rate: The same for all frameworks.
        unit: What is counted: a training step, or a call of predict.
        dense_labels: One label a pixel or token instead of one an input.
        vocabulary: Inputs are tokens below it; 0 for real numbers.
        classes: Labels are below it.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    batch_size: int
    batches: int
    optimizer: str
    learning_rate: float
    unit: str = "step"
    dense_labels: bool = False
    vocabulary: int = 0
    classes: int = CLASSES


def make_data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Random pixels or tokens, and labels: the time of a step does not depend on their values."""
    rng = np.random.default_rng(0)
    rows = case.batch_size * case.batches
    if case.vocabulary:
        x = rng.integers(0, case.vocabulary, (rows, *case.shape)).astype("int32")
    else:
        x = rng.random((rows, *case.shape), dtype=np.float32)
    labels = (rows, *case.shape[:2]) if case.dense_labels else (rows,)
    return x, rng.integers(0, case.classes, labels).astype("int32")
