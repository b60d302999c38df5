"""Makes training.npz and training.json: values of losses, metrics and training runs from Keras on JAX.

Run with an environment that has keras and jax: `KERAS_BACKEND=jax python tests/golden/make_training.py`. The tests read
the files only.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

HERE = Path(__file__).parent


def loss_cases():
    """(name of the class, arguments, kind of data)."""
    for name in (
        "MeanSquaredError",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredLogarithmicError",
        "LogCosh",
        "CosineSimilarity",
        "KLDivergence",
        "Poisson",
        "CategoricalHinge",
        "Tversky",
        "Dice",
    ):
        yield name, {}, "values"
    yield "Huber", {"delta": 0.3}, "values"
    yield "Tversky", {"alpha": 0.2, "beta": 0.7}, "binary"
    yield "Dice", {"axis": [1]}, "binary"
    for name in ("Hinge", "SquaredHinge", "BinaryCrossentropy", "BinaryFocalCrossentropy"):
        yield name, {}, "binary"
    yield "BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary_logits"
    yield "BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}, "binary"
    for name in ("CategoricalCrossentropy", "CategoricalFocalCrossentropy"):
        yield name, {}, "classes"
        yield name, {"label_smoothing": 0.2}, "classes"
        yield name, {"from_logits": True}, "class_logits"
    yield "SparseCategoricalCrossentropy", {}, "indices"
    yield "SparseCategoricalCrossentropy", {"from_logits": True}, "index_logits"
    yield "SparseCategoricalCrossentropy", {"ignore_class": 2}, "indices"
    yield "CategoricalGeneralizedCrossEntropy", {"q": 0.4}, "indices"
    yield "Circle", {}, "embeddings"


def metric_cases():
    """(name of the class, arguments, kind of data)."""
    plain = ("MeanSquaredError", "RootMeanSquaredError", "LogCoshError", "CosineSimilarity", "PearsonCorrelation")
    for name in (*plain, "R2Score"):
        yield name, {}, "values"
    yield "ConcordanceCorrelation", {}, "values"
    yield "R2Score", {"class_aggregation": None}, "values"
    yield "BinaryAccuracy", {"threshold": 0.4}, "binary"
    for curve in ("ROC", "PR", "PRGAIN"):
        for summation in ("interpolation", "majoring", "minoring"):
            yield "AUC", {"curve": curve, "summation_method": summation}, "binary"
    yield "AUC", {"multi_label": True, "num_thresholds": 9}, "binary"
    yield "AUC", {"thresholds": [0.2, 0.7]}, "binary"
    for name in ("Precision", "Recall"):
        yield name, {}, "binary"
        yield name, {"thresholds": [0.2, 0.8]}, "binary"
        yield name, {"top_k": 2}, "binary"
        yield name, {"class_id": 1}, "binary"
    for name in ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"]:
        yield name, {"thresholds": [0.3, 0.6]}, "binary"
    yield "PrecisionAtRecall", {"recall": 0.5}, "binary"
    yield "RecallAtPrecision", {"precision": 0.6}, "binary"
    yield "SensitivityAtSpecificity", {"specificity": 0.5}, "binary"
    yield "SpecificityAtSensitivity", {"sensitivity": 0.5}, "binary"
    for average in (None, "micro", "macro", "weighted"):
        yield "F1Score", {"average": average}, "binary"
        yield "FBetaScore", {"average": average, "beta": 2.0, "threshold": 0.4}, "binary"
    yield "CategoricalAccuracy", {}, "classes"
    yield "TopKCategoricalAccuracy", {"k": 2}, "classes"
    yield "SparseCategoricalAccuracy", {}, "indices"
    yield "SparseTopKCategoricalAccuracy", {"k": 2}, "indices"
    yield "SparseCategoricalCrossentropy", {}, "indices"
    yield "MeanIoU", {"num_classes": 4, "sparse_y_pred": False, "dtype": "float32"}, "indices"
    yield "OneHotIoU", {"num_classes": 4, "target_class_ids": [0, 2], "dtype": "float32"}, "classes"


def data() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Targets and predictions of each kind."""
    r = np.random.RandomState(7)
    n, c = 24, 4
    p = r.dirichlet(np.ones(c), n).astype("float32")
    indices = r.randint(0, c, n)
    logits = r.randn(n, c).astype("float32") * 2
    unit = p / np.linalg.norm(p, axis=1, keepdims=True)
    binary = (r.rand(n, c) > 0.5).astype("float32")
    return {
        "values": (r.rand(n, c).astype("float32"), p),
        "binary": (binary, np.round(r.rand(n, c), 2).astype("float32")),
        "binary_logits": (binary, logits),
        "classes": (np.eye(c, dtype="float32")[indices], p),
        "class_logits": (np.eye(c, dtype="float32")[indices], logits),
        "indices": (indices, p),
        "index_logits": (indices, logits),
        "embeddings": (r.randint(0, 2, n), unit),
    }


def training(x, y, labels, weights):
    """Runs whose results rdl must give too: name -> history and predictions."""
    runs = {}

    def model(optimizer, loss, outputs=3, **kwargs):
        m = keras.Sequential(
            [
                keras.layers.Input((5,)),
                keras.layers.Dense(8, activation="tanh", name="a"),
                keras.layers.Dense(outputs, name="b", kernel_regularizer=kwargs.pop("regularizer", None)),
            ]
        )
        m.set_weights([w[..., :outputs] if i > 1 else w for i, w in enumerate(weights)])
        m.compile(optimizer, loss, **kwargs)
        return m

    def record(name, m, *args, **kwargs):
        history = m.fit(*args, shuffle=False, verbose=0, batch_size=8, **kwargs).history
        runs[name] = {
            "history": history,
            "evaluate": m.evaluate(x, args[1], verbose=0, batch_size=8),
            "predict": np.asarray(m.predict(x, verbose=0)).tolist(),
        }

    sgd = lambda: keras.optimizers.SGD(0.1)  # noqa: E731
    record("mse", model(sgd(), "mse", metrics=["mae"]), x, y, epochs=3)
    record("regularized", model(sgd(), "mse", regularizer="l2"), x, y, epochs=3)
    record("adam", model(keras.optimizers.Adam(0.01), "mse"), x, y, epochs=3, validation_split=0.25)
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    record("sparse", model(sgd(), sparse, metrics=["accuracy"], weighted_metrics=["accuracy"]), x, labels, epochs=3)
    record("class_weight", model(sgd(), sparse), x, labels, epochs=2, class_weight={0: 1.0, 1: 2.0, 2: 0.5})
    w = np.linspace(0, 2, len(x)).astype("float32")
    record(
        "sample_weight", model(sgd(), "mse", metrics=["mae"], weighted_metrics=["mae"]), x, y, epochs=2, sample_weight=w
    )
    record("validation_freq", model(sgd(), "mse"), x, y, epochs=4, validation_data=(x, y), validation_freq=2)
    record("steps", model(sgd(), "mse"), x, y, epochs=3, steps_per_epoch=2)
    return runs


def main() -> None:
    r = np.random.RandomState(3)
    x, y = r.rand(30, 5).astype("float32"), r.rand(30, 3).astype("float32")
    labels = r.randint(0, 3, 30)
    weights = [r.randn(*s).astype("float32") * 0.5 for s in ((5, 8), (8,), (8, 3), (3,))]
    kinds = data()
    w = np.linspace(0, 2, 24).astype("float32")
    out: dict = {"losses": [], "metrics": [], "training": training(x, y, labels, weights)}
    for name, config, kind in loss_cases():
        values = {}
        for reduction in ("sum_over_batch_size", "sum", "none", "mean_with_sample_weight"):
            for weighted in (False, True):
                if weighted and name in ("Dice", "Tversky"):
                    continue
                loss = getattr(keras.losses, name)(reduction=reduction, **config)
                value = loss(*kinds[kind], sample_weight=w if weighted else None)
                values[f"{reduction}/{weighted}"] = np.asarray(value).tolist()
        out["losses"].append([name, config, kind, values])
    for name, config, kind in metric_cases():
        for weighted in (False, True):
            metric = getattr(keras.metrics, name)(**config)
            for part in (slice(0, 10), slice(10, 24)):
                sample_weight = w[part] if weighted else None
                metric.update_state(kinds[kind][0][part], kinds[kind][1][part], sample_weight=sample_weight)
            out["metrics"].append([name, config, kind, weighted, np.asarray(metric.result()).tolist()])
    arrays = {f"{kind}_{i}": a for kind, pair in kinds.items() for i, a in enumerate(pair)}
    arrays |= {"x": x, "y": y, "labels": labels} | {f"weight_{i}": a for i, a in enumerate(weights)}
    np.savez_compressed(HERE / "training.npz", **arrays)
    (HERE / "training.json").write_text(json.dumps(out, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
