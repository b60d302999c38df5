"""Quantization of all layers of a model that can be quantized."""

from __future__ import annotations

import re
import warnings
from typing import Any

from rustdl.quantizers.calibration import calibrate
from rustdl.quantizers.quantization_config import resolve_config


def quantize_model(model: Any, mode: Any, config: Any, filters: Any, type_check: bool) -> None:
    """See `Model.quantize`."""
    resolved = resolve_config(mode, config)
    if not model.built:
        raise ValueError(
            "Cannot quantize a layer that isn't yet built. Call the model on data, or `build(input_shape)`."
        )
    wanted = _filter(filters)
    if resolved.mode in ("gptq", "awq"):
        calibrate(resolved, _structure(model, resolved), wanted, type_check)
        model.train_function = model.test_function = model.predict_function = None
        return
    changed = False
    for layer in list(model._flatten_layers()):
        inner = layer._flatten_layers(include_self=False)
        if inner or not layer.weights or not wanted(layer):
            continue
        try:
            layer.quantize(resolved.mode, type_check=type_check, config=config)
            changed = True
        except NotImplementedError as error:
            warnings.warn(str(error), stacklevel=3)
    if changed:
        model.train_function = model.test_function = model.predict_function = None


def _structure(model: Any, config: Any) -> dict[str, Any]:
    """Which layers lead to the blocks, and the blocks; see `Model.get_quantization_layer_structure`."""
    structure = config.quantization_layer_structure
    if structure is None:
        structure = model.get_quantization_layer_structure(config.mode)
    if not isinstance(structure, dict) or not {"pre_block_layers", "sequential_blocks"} <= set(structure):
        raise ValueError(
            f"For mode='{config.mode}', a valid quantization structure must be provided, either via "
            "`config.quantization_layer_structure` or by overriding `model.get_quantization_layer_structure(mode)`: a "
            "dictionary with the keys 'pre_block_layers' and 'sequential_blocks', lists of layers. Received: "
            f"{structure}"
        )
    return structure


def _filter(filters: Any) -> Any:
    """A function of a layer from the argument `filters`."""
    if filters is None:
        return lambda layer: True
    if callable(filters):
        return filters
    patterns = [filters] if isinstance(filters, str) else list(filters)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(
            "quantize: `filters` must be a regular expression of layer names, a list of them, or a function of a "
            f"layer. Received: filters={filters}"
        )
    return lambda layer: any(re.search(pattern, layer.name) for pattern in patterns)
