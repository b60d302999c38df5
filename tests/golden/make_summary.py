"""Writes `summary.json`: texts of `Model.summary()` by Keras (`KERAS_BACKEND=jax`, keras 3.15).

The models are described once, in `models(keras)`, which the test calls with rustdl.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

HERE = Path(__file__).parent


def models(keras):
    """Pairs of a name, a model and arguments of `summary`."""
    layers = keras.layers
    keras.utils.clear_session()
    convnet = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    yield "convnet", convnet, {}
    yield "convnet_narrow", convnet, {"line_length": 60, "show_trainable": True}
    yield "convnet_positions", convnet, {"line_length": 80, "positions": [0.3, 0.6, 1.0]}

    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3)
    x = layers.add([shared(a), shared(b)])
    inner = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, name="in1"), layers.Dense(2, name="in2", trainable=False)], name="inner"
    )
    x = layers.BatchNormalization()(inner(x))
    x = keras.ops.concatenate([x, a], axis=-1)
    graph = keras.Model([a, b], [x, layers.Dense(1, name="a_very_long_name_for_a_layer_that_wraps")(x)])
    yield "graph", graph, {}
    yield "graph_expanded", graph, {"expand_nested": True, "show_trainable": True}
    yield "graph_range", graph, {"layer_range": ["dense", "inner"]}

    x = keras.Input((4,))
    deep = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="i2")
    y = keras.Input((4,))
    middle = keras.Model(y, deep(y), name="i1")
    yield "nested", keras.Model(x, middle(x)), {"expand_nested": True}
    yield "split", keras.Model(x, keras.ops.split(x, 2, axis=1)), {}
    yield "unbuilt", keras.Sequential([layers.Dense(2)]), {}
    yield "empty", keras.Sequential(), {}


def main() -> None:
    os.environ["COLUMNS"] = "120"
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    texts = {}
    for name, model, arguments in models(keras):
        lines = []
        model.summary(print_fn=lambda text, lines=lines: lines.append(text), **arguments)
        texts[name] = "\n".join(lines)
    (HERE / "summary.json").write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
