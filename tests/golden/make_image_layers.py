"""Makes image_layers.npz: what Keras' image layers do, with the transformations that they drew.

Run as `KERAS_BACKEND=jax python tests/golden/make_image_layers.py`.
"""

import copy
import json
import random
from pathlib import Path

import keras
import numpy as np
from image_layer_cases import CASES, METHODS, arguments

found = {}


def encode(value, key):
    """A transformation as JSON; arrays go to `found`."""
    if isinstance(value, dict):
        return {"dict": {k: encode(v, f"{key}/{k}") for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"list": [encode(v, f"{key}/{i}") for i, v in enumerate(value)]}
    if value is None or isinstance(value, (int, str)):
        return value
    found[key] = np.asarray(value)
    return {"array": key}


random.seed(1)
keras.utils.set_random_seed(1)
transformations = {}
for name, (layer_name, kwargs, data, parts) in CASES.items():
    layer = getattr(keras.layers, layer_name)(**arguments(layer_name, kwargs))
    drawn_from = data["images"] if layer_name == "RandomGrayscale" else data
    transformation = layer.get_random_transformation(drawn_from)
    transformations[name] = encode(transformation, f"{name}/t")
    for part in parts:
        value = copy.deepcopy(data[part])
        value = {k: keras.ops.convert_to_tensor(v) for k, v in value.items()} if part == "bounding_boxes" else value
        result = getattr(layer, METHODS[part])(value, transformation=transformation)
        for key, array in result.items() if part == "bounding_boxes" else ((part, result),):
            found[f"{name}/y/{key if part != 'bounding_boxes' else 'box_' + key}"] = np.asarray(array)

found["transformations"] = np.array(json.dumps(transformations))
np.savez_compressed(Path(__file__).parent / "image_layers.npz", **found)
print(f"{len(CASES)} cases, {len(found)} arrays")
