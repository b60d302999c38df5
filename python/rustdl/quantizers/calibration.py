"""Quantization that looks at data: a model runs block by block, and the inputs of its layers are watched."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import ops
from rustdl.quantizers.awq import Magnitude
from rustdl.quantizers.gptq import Curvature

STATISTICS: dict[str, Any] = {"gptq": Curvature, "awq": Magnitude}
_BATCH = 8


def token_windows(dataset: Any, tokenizer: Any, length: int, count: int) -> np.ndarray:
    """Sequences of tokens, evenly spread over a data set.

    Args:
        dataset: Texts, or arrays of tokens.
        tokenizer: Turns a text into tokens: a function, or an object with a method `tokenize`.
        length: Tokens of a sequence. Less data than that is repeated.
        count: How many sequences.

    Returns:
        Tokens, `int32` of shape `(count, length)`.

    Raises:
        TypeError: `dataset` is a text, or no iterable.
        ValueError: `dataset` is empty.
    """
    if isinstance(dataset, str) or not hasattr(dataset, "__iter__"):
        raise TypeError(
            "The `dataset` argument must be an iterable of texts or of arrays of tokens, that is, the data itself. "
            f"Got type: {type(dataset).__name__}"
        )
    tokenize = getattr(tokenizer, "tokenize", tokenizer)
    parts = [np.asarray(tokenize(item) if isinstance(item, str) else item).reshape(-1) for item in dataset]
    tokens = np.concatenate(parts).astype("int32") if parts else np.empty(0, "int32")
    if not tokens.size:
        raise ValueError("Provided dataset is empty: quantization looks at the inputs of layers for some data.")
    tokens = np.resize(tokens, max(len(tokens), length))
    starts = np.linspace(0, len(tokens) - length, count, dtype="int64")
    return tokens[starts[:, None] + np.arange(length)]


def calibrate(config: Any, structure: dict[str, Any], wanted: Any, type_check: bool = True) -> None:
    """Quantizes the layers of blocks that follow each other; each block sees the outputs of quantized ones before it.

    Args:
        config: A `GPTQConfig` or `AWQConfig`.
        structure: `"pre_block_layers"`, from tokens to the inputs of the first block, and `"sequential_blocks"`.
        wanted: A function of a layer: whether it is quantized.
        type_check: Whether subclasses of `Dense` and `EinsumDense` are left out.
    """
    tokens = token_windows(config.dataset, config.tokenizer, config.sequence_length, config.num_samples)
    batches = [ops.convert_to_tensor(tokens[i : i + _BATCH]) for i in range(0, len(tokens), _BATCH)]
    for layer in structure["pre_block_layers"]:
        batches = _run(layer, batches)
    for block in structure["sequential_blocks"]:
        layers = [x for x in block._flatten_layers() if _can(x, config.mode, type_check) and wanted(x)]
        for layer in layers:
            layer.quantize(config.mode, type_check=type_check, config=config)
            layer._observer = STATISTICS[config.mode](layer._matrix_shape()[0])
        try:
            outputs = _run(block, batches)
            for layer in layers:
                layer._calibrate(config)
        finally:
            for layer in layers:
                layer._observer = None
        batches = _run(block, batches) if layers else outputs


def _can(layer: Any, mode: str, type_check: bool) -> bool:
    known = mode in getattr(layer, "_modes", ()) and layer.built
    return known and (not type_check or layer._quantizes_as_itself())


def _run(layer: Any, batches: list[Any]) -> list[Any]:
    return [layer(batch, training=False) for batch in batches]
