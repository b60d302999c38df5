"""The models of the comparison, once in Keras' API (rustdl and Keras run the same lines) and once in PyTorch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """One thing that is timed.

    Attributes:
        name: Its name in tables.
        model: Which model is built.
        batch_size: Rows of a step.
        batches: Batches in the data set, which is in memory.
        optimizer: "sgd" or "adam", with the learning rate `learning_rate`.
        learning_rate: The same for all frameworks.
        unit: What is counted: a training step, or a call of predict.
    """

    name: str
    model: str
    batch_size: int
    batches: int
    optimizer: str
    learning_rate: float
    unit: str = "step"


CASES = {
    "mlp_small": Case("MLP 784-128-10, SGD, batch 32", "mlp_small", 32, 400, "sgd", 0.01),
    "mlp_large": Case("MLP 784-512-512-10, dropout, Adam, batch 128", "mlp_large", 128, 40, "adam", 0.001),
    "convnet": Case("MNIST convnet, Adam, batch 128", "convnet", 128, 6, "adam", 0.001),
    "predict_row": Case("MLP 784-128-10, one row through predict", "mlp_small", 1, 1, "sgd", 0.01, "call"),
}


def make_data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Random pixels and labels: the time of a step does not depend on their values."""
    rng = np.random.default_rng(0)
    rows = case.batch_size * case.batches
    shape = (28, 28, 1) if case.model == "convnet" else (784,)
    x = rng.random((rows, *shape), dtype=np.float32)
    return x, rng.integers(0, CLASSES, rows).astype("int32")


def build_keras(keras: Any, case: Case) -> Any:
    """The compiled model in Keras' API; `keras` is the module keras or rustdl."""
    layers = keras.layers
    if case.model == "mlp_small":
        stack = [keras.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(CLASSES)]
    elif case.model == "mlp_large":
        stack = [keras.Input((784,))]
        for _ in range(2):
            stack += [layers.Dense(512, activation="relu"), layers.Dropout(0.2)]
        stack += [layers.Dense(CLASSES)]
    else:
        stack = [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES),
        ]
    model = keras.Sequential(stack)
    kind = keras.optimizers.SGD if case.optimizer == "sgd" else keras.optimizers.Adam
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=kind(case.learning_rate), loss=loss)
    return model


def build_torch(torch: Any, case: Case) -> tuple[Any, Any]:
    """The same model and optimizer in PyTorch."""
    nn = torch.nn
    if case.model == "mlp_small":
        stack = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, CLASSES)]
    elif case.model == "mlp_large":
        stack = [nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2)]
        stack += [nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, CLASSES)]
    else:
        stack = [
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(1600, CLASSES),
        ]
    model = nn.Sequential(*stack)
    kind = torch.optim.SGD if case.optimizer == "sgd" else torch.optim.Adam
    return model, kind(model.parameters(), lr=case.learning_rate)
