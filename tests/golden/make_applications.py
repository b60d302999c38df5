"""Makes the goldens of Keras' applications, by Keras 3 itself; run with KERAS_BACKEND=torch.

That backend is the quickest here, but lacks NASNetMobile: its entries were made with numpy's.


applications.json holds names, layers and parameter counts (of long lists the hash; `--dump FOLDER` writes them whole,
to look into a difference). applications.npz holds the outputs of one model of each family with random weights.
keras_mobilenet.weights.h5 is a file of weights as Keras writes it.
"""

import hashlib
import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
from applications_cases import CASES, SMALL, describe, random_model

FOLDER = os.path.dirname(os.path.abspath(__file__))


def structure(dump):
    found = {}
    for key, (name, arguments) in CASES.items():
        keras.utils.clear_session()
        entry = describe(keras, getattr(keras.applications, name)(**arguments))
        if dump:
            with open(os.path.join(dump, f"{key}.json"), "w") as stream:
                json.dump(entry, stream, indent=1)
        for part in ("layers", "weights"):
            entry[part] = hashlib.sha256("\n".join(entry[part]).encode()).hexdigest()[:16]
        found[key] = entry
        print(key, entry["parameters"], flush=True)
    with open(os.path.join(FOLDER, "applications.json"), "w") as stream:
        json.dump(found, stream, indent=1)
        stream.write("\n")


def outputs():
    found = {}
    for name, size in SMALL.items():
        keras.utils.clear_session()
        model, images = random_model(keras, name, size)
        found[name] = keras.ops.convert_to_numpy(model(images))[:, :64]
        print(name, np.abs(found[name]).mean(), found[name].std(axis=0).mean(), flush=True)
    np.savez_compressed(os.path.join(FOLDER, "applications.npz"), **found)


def weights_file():
    keras.utils.clear_session()
    model = keras.applications.MobileNet(weights=None, include_top=False, alpha=0.05, input_shape=(32, 32, 3))
    rng = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    model.save_weights(os.path.join(FOLDER, "keras_mobilenet.weights.h5"))


if __name__ == "__main__":
    structure(sys.argv[sys.argv.index("--dump") + 1] if "--dump" in sys.argv else None)
    outputs()
    weights_file()
