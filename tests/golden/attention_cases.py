"""The attention layers and calls that `make_attention.py` runs in Keras and `test_attention.py` runs here."""

from __future__ import annotations

from typing import Any

import numpy as np

Q, V = (2, 5, 6), (2, 7, 6)
ROWS = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], bool)
KEYS = np.array([[1, 1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 1, 1, 1]], bool)
# Each query sees a key, also when combined with `KEYS` and position.
PAIRS = (np.arange(5)[:, None] + np.arange(7)) % 3 != 1
HEAD = np.random.default_rng(5).uniform(size=(2, 2, 5, 7)) < 0.6
HEAD[..., 0] = True
MHA = {"num_heads": 2, "key_dim": 4}
GQA = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
SCORES = {"return_attention_scores": True}
CAUSAL = {"use_causal_mask": True}


def _heads(name: str, args: dict[str, Any]) -> list[Any]:
    masks = {"value_mask": KEYS, "attention_mask": np.broadcast_to(PAIRS, (2, 5, 7)).copy()}
    return [
        (name, args, (Q, V), {}),
        (name, args, (Q, V), SCORES),
        (name, args, (Q, V, V), {}),
        (name, args, (Q, Q), CAUSAL),
        (name, args, (Q, V), {**CAUSAL, **SCORES}),
        (name, args, (Q, V), masks),
        (name, args, (Q, V), {**masks, **CAUSAL, **SCORES}),
        (name, args, (Q, V, V), {"key_mask": KEYS, **CAUSAL}),
        (name, args, (Q, V), {"attention_mask": PAIRS[None].astype("float32")}),
        (name, {**args, "sliding_window": 2}, (Q, Q), {}),
        (name, {**args, "sliding_window": 3}, (Q, Q), {**CAUSAL, **SCORES}),
        (name, {**args, "use_gate": True, "use_bias": False}, (Q, V), {}),
    ]


# Class, arguments, shapes of query, value and perhaps key, call arguments.
CASES: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
    *_heads("MultiHeadAttention", MHA),
    *_heads("GroupQueryAttention", GQA),
    ("MultiHeadAttention", {**MHA, "value_dim": 3, "output_shape": 5}, (Q, (2, 7, 3), (2, 7, 4)), SCORES),
    ("MultiHeadAttention", {**MHA, "output_shape": (2, 3)}, (Q, V), SCORES),
    ("MultiHeadAttention", MHA, (Q, V), {"attention_mask": HEAD}),
    ("MultiHeadAttention", MHA, ((2, 3, 4, 6), (2, 3, 4, 6)), SCORES),
    ("MultiHeadAttention", {**MHA, "attention_axes": (2,)}, ((2, 3, 4, 6), (2, 3, 5, 6)), SCORES),
    ("MultiHeadAttention", {**MHA, "attention_axes": -2}, ((2, 3, 4, 6), (2, 3, 5, 6)), {}),
    ("MultiHeadAttention", {**MHA, "attention_axes": (1, 2)}, ((2, 3, 2, 6), (2, 4, 2, 6)), SCORES),
    *(
        (name, args, shapes, call)
        for name, args in (
            ("Attention", {}),
            ("Attention", {"use_scale": True}),
            ("Attention", {"use_scale": True, "score_mode": "concat"}),
            ("AdditiveAttention", {}),
            ("AdditiveAttention", {"use_scale": False}),
        )
        for shapes, call in (
            ((Q, V), {}),
            ((Q, V, V), SCORES),
            ((Q, V), CAUSAL),
            ((Q, V), {"mask": [ROWS, KEYS]}),
            ((Q, V), {"mask": [None, KEYS], **CAUSAL, **SCORES}),
        )
    ),
]


def make(layers: Any, case: int) -> Any:
    """The layer of a case."""
    name, args, _, _ = CASES[case]
    return getattr(layers, name)(**args)


def inputs(case: int) -> list[np.ndarray]:
    """Query, value, and key where the case has one."""
    rng = np.random.default_rng(100 + case)
    return [rng.normal(size=shape).astype("float32") for shape in CASES[case][2]]


def arguments(case: int, x: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The positional arguments of the call and the others."""
    name, _, _, call = CASES[case]
    return ([list(x)], call) if name in ("Attention", "AdditiveAttention") else (list(x), call)


def set_weights(layer: Any) -> None:
    """Numbers that tell the weights apart."""
    rng = np.random.default_rng(7)
    layer.set_weights([rng.uniform(-1, 1, w.shape).astype("float32") for w in layer.trainable_weights])


def cotangent(shape: Any) -> np.ndarray:
    """Weights of the sum whose gradient is compared."""
    return np.random.default_rng(9).normal(size=shape).astype("float32")
