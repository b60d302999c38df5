"""The models, optimizers and data of `keras_files.py`: functions of the library, so that both make the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROWS = 24


@dataclass(frozen=True)
class Case:
    """One model with what it is trained by.

    Attributes:
        name: Its name in tables and files.
        model: Makes it, given the library.
        data: Gives inputs and targets.
        optimizer: Makes the optimizer, given the library.
        loss: As `compile` takes it.
        compile_arguments: Further arguments of `compile`.
        weights_only: Whether the class is not known to the other library, so that only weights can move.
        reload: Whether the source too reads its file before it trains on. Keras on JAX can't go on with averaged
            weights: it has given the buffers away that variables and averages share.
    """

    name: str
    model: Callable[[Any], Any]
    data: Callable[[], tuple[Any, Any]]
    optimizer: Callable[[Any], Any]
    loss: Any = "mse"
    compile_arguments: dict[str, Any] = field(default_factory=dict)
    weights_only: bool = False
    reload: bool = False


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers, one row a sample."""
    return np.random.default_rng(seed).normal(size=(ROWS, *shape)).astype("float32")


def words(*shape: int, size: int = 10, seed: int = 0) -> np.ndarray:
    """Integers below `size`."""
    return np.random.default_rng(seed).integers(0, size, (ROWS, *shape)).astype("int32")


# -------------------------------------------------------------------------------------------------------------- models


def mlp(k: Any) -> Any:
    """Dense layers with a regularizer and a constraint."""
    layers = k.layers
    return k.Sequential(
        [
            k.Input((6,)),
            layers.Dense(8, activation="tanh", kernel_regularizer="l2"),
            layers.Dense(7, activation="gelu", kernel_constraint=k.constraints.MaxNorm(2.0)),
            layers.Dense(3),
        ]
    )


def batch_norm(k: Any) -> Any:
    """Convolutions with batch normalisation."""
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 2)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            layers.Activation("relu"),
            layers.SeparableConv2D(5, 3, padding="same", use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def branches(k: Any) -> Any:
    """Two inputs, branches of several kinds of convolutions, two outputs."""
    layers = k.layers
    image, extra = k.Input((8, 8, 2), name="image"), k.Input((3,), name="extra")
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    b = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(image)
    x = layers.Multiply()([layers.Add()([a, b]), a])
    x = layers.MaxPooling2D()(x)
    y = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)
    x = layers.Concatenate()([layers.Flatten()(x), layers.Flatten()(y), layers.Dense(4)(extra)])
    x = layers.LayerNormalization()(x)
    return k.Model(
        [image, extra], [layers.Dense(2, name="one")(x), layers.Dense(1, activation="sigmoid", name="two")(x)]
    )


def nested(k: Any) -> Any:
    """A model in a model in a model, used twice; outputs in a dictionary."""
    layers = k.layers
    deepest = k.Sequential([layers.Dense(4, activation="elu")], name="deepest")
    inputs = k.Input((6, 4))
    inner = k.Model(inputs, layers.Add()([deepest(inputs), inputs]), name="inner")
    x = inputs = k.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(10, 4)(x)
    x = layers.Conv1D(4, 3, padding="causal")(x)
    x = inner(inner(x))
    return k.Model(
        inputs,
        {
            "first": layers.Dense(1, name="first")(layers.Flatten()(x)),
            "second": layers.GlobalMaxPooling1D(name="second")(x),
        },
    )


def shared(k: Any) -> Any:
    """One layer over two inputs that come in a dictionary."""
    layers = k.layers
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    tower = layers.Dense(5, activation="tanh", name="tower")
    return k.Model({"a": a, "b": b}, layers.Dot(1)([tower(a), tower(b)]))


def masked(k: Any) -> Any:
    """Recurrent layers over masked words."""
    layers = k.layers
    inputs = k.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(10, 4, mask_zero=True)(inputs)
    x = layers.LSTM(3, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    x = layers.SimpleRNN(3)(x)
    return k.Model(inputs, layers.Dense(1)(x))


def recurrent(k: Any) -> Any:
    """Recurrent layers, one with the states of another; with a mask too, Keras would forget that there."""
    layers = k.layers
    inputs = k.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(10, 4)(inputs)
    x, h, c = layers.LSTM(3, return_sequences=True, return_state=True)(x)
    x = layers.LSTM(3, return_sequences=True)(x, initial_state=[h, c])
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    x = layers.SimpleRNN(3)(x)
    return k.Model(inputs, layers.Dense(1)(x))


def cells(k: Any) -> Any:
    """Stacked cells, `TimeDistributed`, and a convolutional LSTM."""
    layers = k.layers
    inputs = k.Input((5, 4))
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4, reset_after=False)], return_sequences=True)(inputs)
    x = layers.TimeDistributed(layers.Dense(6, activation="tanh"))(x)
    x = layers.Reshape((5, 3, 2, 1))(x)
    x = layers.ConvLSTM2D(2, 2, padding="same")(x)
    return k.Model(inputs, layers.Dense(1)(layers.Flatten()(x)))


def attention(k: Any) -> Any:
    """Causal and grouped attention with residuals."""
    layers = k.layers
    inputs = k.Input((6, 8))
    # No biases: that of the keys has gradient zero, of which adaptive optimizers make steps of any sign.
    x = layers.MultiHeadAttention(2, 4, use_bias=False)(inputs, inputs, use_causal_mask=True)
    x = skip = layers.LayerNormalization()(layers.Add()([x, inputs]))
    x = layers.EinsumDense("btf,fo->bto", (None, 8), bias_axes="o", activation="gelu")(x)
    x = layers.GroupQueryAttention(4, 4, 2, use_bias=False)(x, x)
    x = layers.RMSNormalization()(layers.Add()([x, skip]))
    return k.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


def normalizers(k: Any) -> Any:
    """Layers that normalise; without `SpectralNormalization`, whose kernel Keras on JAX does not assign."""
    layers = k.layers
    scale = layers.Normalization(name="scale")
    scale.adapt(numbers(6, seed=3))
    inputs = k.Input((6,))
    x = layers.Dense(8)(scale(inputs))
    x = layers.GroupNormalization(2)(x)
    x = layers.PReLU()(x)
    x = layers.UnitNormalization()(x)
    return k.Model(inputs, layers.Dense(3)(x))


def subclassed(k: Any) -> Any:
    """A subclassed model with layers in lists and dictionaries."""

    class Block(k.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.steps = [k.layers.Dense(6, activation="tanh"), k.layers.Dense(6)]
            self.parts = {"norm": k.layers.LayerNormalization()}

        def build(self, shape: Any) -> None:
            self.shift = self.add_weight(shape=(shape[-1],), initializer="ones", name="shift")
            for step in self.steps:
                step.build(shape)
            self.parts["norm"].build(shape)
            super().build(shape)

        def call(self, x: Any) -> Any:
            y = x * self.shift
            for step in self.steps:
                y = step(y)
            return self.parts["norm"](x + y)

    class Net(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [Block(), Block()]
            self.out = k.layers.Dense(3)

        def call(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return self.out(x)

    return Net()


def dropout(k: Any) -> Any:
    """Seeds of dropout are state that moves with the file; the rate is zero, since the libraries draw other numbers."""
    layers = k.layers
    return k.Sequential(
        [k.Input((6,)), layers.Dense(8), layers.Dropout(0.0, seed=3), layers.GaussianNoise(0.0), layers.Dense(3)]
    )


# ---------------------------------------------------------------------------------------------------------------- cases


def vectors() -> tuple[Any, Any]:
    """Data of the models over vectors."""
    return numbers(6), numbers(3, seed=1)


def images() -> tuple[Any, Any]:
    """Data of the models over images."""
    return numbers(8, 8, 2), words(size=3, seed=1)


def sgd(k: Any) -> Any:
    """SGD with momentum."""
    return k.optimizers.SGD(0.05, momentum=0.9)


MODELS = [
    Case("sequential", mlp, vectors, lambda k: "adam", compile_arguments={"metrics": ["mae"]}),
    Case("batch norm", batch_norm, images, sgd, "sparse_categorical_crossentropy", {"metrics": ["accuracy"]}),
    Case(
        "branches, two outputs",
        branches,
        lambda: ([numbers(8, 8, 2), numbers(3, seed=1)], [numbers(2, seed=2), words(1, size=2, seed=3)]),
        lambda k: "rmsprop",
        ["mse", "binary_crossentropy"],
        {"loss_weights": [1.0, 0.3], "metrics": [["mae"], ["accuracy"]]},
    ),
    Case(
        "nested, dict output",
        nested,
        lambda: (words(6), {"first": numbers(1, seed=1), "second": numbers(4, seed=2)}),
        lambda k: k.optimizers.Nadam(0.01),
        {"first": "mse", "second": "mae"},
    ),
    Case(
        "shared, dict input",
        shared,
        lambda: ({"a": numbers(4), "b": numbers(4, seed=1)}, numbers(1, seed=2)),
        sgd,
        "huber",
    ),
    Case("recurrent, states", recurrent, lambda: (words(7), numbers(1, seed=1)), lambda k: k.optimizers.Adam(0.01)),
    Case("recurrent, masked", masked, lambda: (words(7), numbers(1, seed=1)), lambda k: k.optimizers.Adam(0.01)),
    Case("cells, ConvLSTM", cells, lambda: (numbers(5, 4), numbers(1, seed=1)), sgd),
    Case("attention", attention, lambda: (numbers(6, 8), numbers(2, seed=1)), lambda k: k.optimizers.AdamW(0.003)),
    Case("normalizers", normalizers, vectors, sgd),
    Case("subclassed", subclassed, vectors, lambda k: k.optimizers.Adam(0.01), weights_only=True),
    Case("dropout seeds", dropout, vectors, sgd),
]

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda k: k.optimizers.SGD(0.05),
    "SGD nesterov": lambda k: k.optimizers.SGD(0.05, momentum=0.8, nesterov=True, clipnorm=0.5),
    "RMSprop centered": lambda k: k.optimizers.RMSprop(0.003, momentum=0.5, centered=True),
    "Adam amsgrad": lambda k: k.optimizers.Adam(0.01, amsgrad=True, global_clipnorm=1.0),
    "AdamW": lambda k: k.optimizers.AdamW(0.01, weight_decay=0.05, clipvalue=0.3),
    "Adadelta": lambda k: k.optimizers.Adadelta(0.5),
    "Adagrad": lambda k: k.optimizers.Adagrad(0.05),
    "Adamax": lambda k: k.optimizers.Adamax(0.01),
    "Adafactor": lambda k: k.optimizers.Adafactor(0.01),
    "Nadam": lambda k: k.optimizers.Nadam(0.01),
    "Ftrl": lambda k: k.optimizers.Ftrl(0.05, l1_regularization_strength=0.001),
    "Lion": lambda k: k.optimizers.Lion(0.003),
    "Lamb": lambda k: k.optimizers.Lamb(0.01),
    "Muon": lambda k: k.optimizers.Muon(0.01),
    "ScheduleFreeAdamW": lambda k: k.optimizers.ScheduleFreeAdamW(0.01),
    "LossScaleOptimizer": lambda k: k.optimizers.LossScaleOptimizer(k.optimizers.Adam(0.01), initial_scale=256.0),
    "SGD accumulation": lambda k: k.optimizers.SGD(0.05, gradient_accumulation_steps=2),
    "Adam accumulation": lambda k: k.optimizers.Adam(0.01, gradient_accumulation_steps=3, global_clipnorm=0.5),
    "MultiOptimizer": lambda k: k.optimizers.MultiOptimizer(
        k.optimizers.OptimizerMap(k.optimizers.SGD(0.05, momentum=0.9), {".*bias": k.optimizers.Adam(0.01)})
    ),
    "SGD schedule": lambda k: k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)),
    "Adam cosine": lambda k: k.optimizers.Adam(
        k.optimizers.schedules.CosineDecay(0.02, 20, warmup_target=0.05, warmup_steps=5)
    ),
    "SGD restarts": lambda k: k.optimizers.SGD(k.optimizers.schedules.CosineDecayRestarts(0.1, 4, m_mul=0.8)),
    "SGD inverse time": lambda k: k.optimizers.SGD(k.optimizers.schedules.InverseTimeDecay(0.1, 3, 0.5, True)),
    "SGD pieces": lambda k: k.optimizers.SGD(k.optimizers.schedules.PiecewiseConstantDecay([3, 8], [0.1, 0.05, 0.02])),
    "SGD polynomial": lambda k: k.optimizers.SGD(k.optimizers.schedules.PolynomialDecay(0.1, 10, 0.01, power=2.0)),
}

AVERAGED: dict[str, Callable[[Any], Any]] = {
    "SGD EMA": lambda k: k.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.9),
    "Adam EMA overwriting": lambda k: k.optimizers.Adam(
        0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=4
    ),
}

CASES = [
    *MODELS,
    *(Case(name, mlp, vectors, optimizer) for name, optimizer in OPTIMIZERS.items()),
    *(Case(name, mlp, vectors, optimizer, reload=True) for name, optimizer in AVERAGED.items()),
]
