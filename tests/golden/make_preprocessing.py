"""Writes preprocessing.json, what Keras' layers give, and keras_text.keras, a model with vocabularies.

Needs keras, tensorflow and jax.

KERAS_BACKEND=jax python tests/golden/make_preprocessing.py
"""

import json
import pathlib

import keras
from preprocessing_cases import FAMILIES, text_model

HERE = pathlib.Path(__file__).parent

if __name__ == "__main__":
    goldens = {name: dict(family(keras.layers)) for name, family in FAMILIES.items()}
    (HERE / "preprocessing.json").write_text(json.dumps(goldens, ensure_ascii=True, separators=(",", ":")) + "\n")
    text_model(keras).save(HERE / "keras_text.keras")
    print(keras.__version__, {name: len(cases) for name, cases in goldens.items()})
