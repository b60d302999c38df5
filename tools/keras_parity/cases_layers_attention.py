"""Attention layers with all kinds of masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from keras_parity.case import Case, In, grid, layer

Q, V = (2, 4, 6), (2, 5, 6)
ROWS = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
KEYS = np.array([[1, 1, 0, 0, 1], [1, 1, 1, 0, 1]], bool)
# Each query sees a key, also when these are combined with `KEYS` and position.
PAIRS = (np.arange(4)[:, None] + np.arange(5)) % 3 != 1
HEADS = np.random.default_rng(5).uniform(size=(2, 2, 4, 5)) < 0.6
HEADS[..., 0] = True
VALUE, KEY, SELF = In(V, 1), In(V, 2), In(Q, 0)
MHA = {"num_heads": 2, "key_dim": 3}
GQA = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}


def heads(name: str, args: dict[str, Any]) -> Iterator[Case]:
    """Masks, scores and options of both layers with heads."""
    masks: list[dict[str, Any]] = [
        {}, {"value_mask": KEYS}, {"key_mask": KEYS}, {"attention_mask": PAIRS[None]},
        {"attention_mask": np.broadcast_to(PAIRS, (2, 4, 5)).copy()}, {"attention_mask": PAIRS[None].astype("int32")},
        {"value_mask": KEYS, "attention_mask": PAIRS[None]}, {"attention_mask": PAIRS[None].astype("float32")},
    ]  # fmt: skip
    for mask in masks:
        for call in grid(use_causal_mask=[False, True], return_attention_scores=[False, True]):
            keywords = {k: v for k, v in call.items() if v}
            yield layer(name, args, Q, {"value": VALUE, **mask, **keywords})
    for mask in ({}, {"key_mask": KEYS}):
        for bias in (True, False):
            yield layer(name, {**args, "use_bias": bias}, Q, {"value": VALUE, "key": KEY, **mask})
    for window in (1, 2, 3):
        for call in ({}, {"use_causal_mask": True}, {"return_attention_scores": True}):
            yield layer(name, {**args, "sliding_window": window}, Q, {"value": SELF, **call})
    for bias in (True, False):
        for call in ({}, {"return_attention_scores": True}):
            yield layer(name, {**args, "use_gate": True, "use_bias": bias}, Q, {"value": VALUE, **call})
    for what in ("kernel", "bias"):
        yield layer(name, {**args, f"{what}_regularizer": "l2"}, Q, {"value": VALUE})
        yield layer(name, {**args, f"{what}_constraint": "non_neg"}, Q, {"value": VALUE})
    yield layer(name, {**args, "activity_regularizer": "l2"}, Q, {"value": VALUE})
    for dropout in (0.0, 0.5):
        yield layer(name, {**args, "dropout": dropout}, Q, {"value": VALUE, "training": dropout == 0.0})
    yield layer(name, args, Q, {"value": In((2, 5, 6), 1), "key": In((2, 3, 6), 2)}, refused=True)


def multi_head() -> Iterator[Case]:
    """Dimensions of values and outputs, axes."""
    for value_dim in (None, 2):
        for output_shape in (None, 5, (2, 3)):
            for call in ({}, {"return_attention_scores": True}):
                args = {**MHA, "value_dim": value_dim, "output_shape": output_shape}
                yield layer("MultiHeadAttention", args, Q, {"value": In((2, 5, 3), 1), "key": In((2, 5, 4), 2), **call})
    for mask in (HEADS, HEADS[:, :1]):
        for call in ({}, {"return_attention_scores": True}):
            yield layer("MultiHeadAttention", MHA, Q, {"value": VALUE, "attention_mask": mask, **call})
    for count in (1, 3):
        yield layer("MultiHeadAttention", {"num_heads": count, "key_dim": 2}, Q, {"value": VALUE})
    query, value = (2, 3, 4, 6), In((2, 3, 5, 6), 1)
    for axes in (None, 2, -2, (2,), (1, 2), (1,)):
        for output_shape in (None, (2, 3)):
            for call in ({}, {"return_attention_scores": True}):
                other = In((2, 2, 4, 6), 1) if axes == (1,) else value
                args = {**MHA, "attention_axes": axes, "output_shape": output_shape}
                yield layer("MultiHeadAttention", args, query, {"value": other, **call})
    yield layer("MultiHeadAttention", {"num_heads": 0, "key_dim": 2}, Q, {"value": VALUE}, refused=True)
    yield layer("MultiHeadAttention", {**MHA, "sliding_window": 0}, Q, {"value": VALUE}, refused=True)


def grouped() -> Iterator[Case]:
    """Numbers of heads."""
    for queries, keys in ((1, 1), (2, 1), (2, 2), (6, 2), (4, 4)):
        for call in ({}, {"return_attention_scores": True}, {"use_causal_mask": True}):
            args = {"head_dim": 2, "num_query_heads": queries, "num_key_value_heads": keys}
            yield layer("GroupQueryAttention", args, Q, {"value": VALUE, **call})
    args = {"head_dim": 2, "num_query_heads": 3, "num_key_value_heads": 2}
    yield layer("GroupQueryAttention", args, Q, {"value": VALUE}, refused=True)


def single() -> Iterator[Case]:
    """Attention without heads."""
    variants: list[tuple[str, dict[str, Any]]] = [
        ("Attention", {}),
        ("Attention", {"use_scale": True}),
        ("Attention", {"score_mode": "concat"}),
        ("Attention", {"use_scale": True, "score_mode": "concat"}),
        ("Attention", {"dropout": 0.4}),
        ("AdditiveAttention", {}),
        ("AdditiveAttention", {"use_scale": False}),
        ("AdditiveAttention", {"dropout": 0.4}),
    ]
    for name, args in variants:
        for inputs in ([Q, VALUE], [Q, VALUE, KEY]):
            for mask in (None, [ROWS, None], [None, KEYS], [ROWS, KEYS]):
                for call in grid(use_causal_mask=[False, True], return_attention_scores=[False, True]):
                    # Two inputs see all masks; three see each of them once.
                    if "dropout" in args and (mask or call["use_causal_mask"]):
                        continue
                    if len(inputs) == 3 and call["use_causal_mask"] is not call["return_attention_scores"]:
                        continue
                    keywords = {k: v for k, v in call.items() if v}
                    if "dropout" in args:
                        keywords["training"] = False
                    masked = mask if mask is None or len(inputs) == 2 else [*mask, mask[1]]
                    yield layer(name, args, inputs, {**({"mask": masked} if mask else {}), **keywords})
        yield layer(name, args, Q, refused=True)
        yield layer(name, args, [Q], refused=True)
    yield layer("Attention", {"score_mode": "cosine"}, [Q, VALUE], refused=True)


SIZES = "values may have another size than keys; Keras on JAX refuses that unless scores are asked for"
SCORES = "the foretold shape of the scores is that of the scores; Keras takes the number of queries for that of keys"


def with_reason(case: Case) -> Case:
    """Scores whose shape Keras foretells wrongly, and what JAX's kernel refuses."""
    value = case.call.get("value")
    if case.args.get("value_dim") and not case.call.get("return_attention_scores"):
        return replace(case, differs=SIZES)
    lengths = isinstance(value, In) and case.inputs[1:-1] != value.shape[1:-1]
    if (
        case.name.endswith("MultiHeadAttention")
        and case.call.get("return_attention_scores")
        and lengths
        and not case.refused
    ):
        return replace(case, differs=SCORES, where=("spec",))
    return case


ALL = (*heads("MultiHeadAttention", MHA), *heads("GroupQueryAttention", GQA), *multi_head(), *grouped(), *single())
CASES = [with_reason(case) for case in ALL]
