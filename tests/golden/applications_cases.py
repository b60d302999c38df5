"""The models whose shape is compared with Keras': every architecture, and each argument that changes one."""

import numpy as np

NAMES = [
    *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    *(f"DenseNet{depth}" for depth in (121, 169, 201)),
    *(f"EfficientNetB{i}" for i in range(8)),
    *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetLarge",
    "NASNetMobile",
    *(f"ResNet{depth}{version}" for depth in (50, 101, 152) for version in ("", "V2")),
    "VGG16",
    "VGG19",
    "Xception",
]

# For each family the smallest model, small images, without the classifier.
SMALL = {
    "ConvNeXtTiny": 64,
    "DenseNet121": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "EfficientNetV2S": 64,
    "InceptionResNetV2": 96,
    "InceptionV3": 96,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Large": 64,
    "MobileNetV3Small": 64,
    "NASNetMobile": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "VGG16": 64,
    "Xception": 96,
}

CASES = {name: (name, {"weights": None}) for name in NAMES}
CASES |= {
    f"{name}_notop_{pooling}": (
        name,
        {"weights": None, "include_top": False, "input_shape": (size, size, 3), "pooling": pooling},
    )
    for name, size in SMALL.items()
    for pooling in ("avg", "max")
}
CASES |= {
    "MobileNet_half": (
        "MobileNet",
        {"weights": None, "alpha": 0.5, "depth_multiplier": 2, "input_shape": (160, 160, 3)},
    ),
    "MobileNetV2_wide": ("MobileNetV2", {"weights": None, "alpha": 1.4, "classes": 10}),
    "MobileNetV2_narrow": ("MobileNetV2", {"weights": None, "alpha": 0.35, "input_shape": (97, 97, 1)}),
    "MobileNetV3Small_minimalistic": ("MobileNetV3Small", {"weights": None, "minimalistic": True, "dropout_rate": 0}),
    "MobileNetV3Large_wide": ("MobileNetV3Large", {"weights": None, "alpha": 1.25, "include_preprocessing": False}),
    "EfficientNetV2B0_gray": ("EfficientNetV2B0", {"weights": None, "input_shape": (64, 64, 1)}),
    "EfficientNetV2S_plain": ("EfficientNetV2S", {"weights": None, "include_preprocessing": False, "classes": 7}),
    "ConvNeXtTiny_plain": ("ConvNeXtTiny", {"weights": None, "include_preprocessing": False, "classes": 7}),
    "EfficientNetB0_any": ("EfficientNetB0", {"weights": None, "include_top": False}),
    "Xception_any": ("Xception", {"weights": None, "include_top": False}),
}


def describe(keras, model):
    """What is compared: names and classes of layers in order, shapes of weights, counts, shapes of in- and outputs."""
    layers = [f"{layer.name} {type(layer).__name__} {layer.output.shape}" for layer in model.layers]
    weights = [f"{w.name} {tuple(w.shape)}" for w in model.weights]
    return {
        "name": model.name,
        "parameters": model.count_params(),
        "trainable": sum(int(keras.ops.size(w)) for w in model.trainable_weights),
        "layer_count": len(layers),
        "input": list(model.input_shape),
        "output": list(model.output_shape),
        "layers": layers,
        "weights": weights,
    }


# Variance of the kernels times the fan-in, for which outputs depend on the images and do not overflow.
GAINS = {
    "DenseNet121": 2.2,
    "EfficientNetB0": 2.3,
    "EfficientNetV2B0": 1.8,
    "InceptionResNetV2": 1.8,
    "InceptionV3": 2.2,
    "MobileNet": 2.5,
    "MobileNetV3Large": 2.0,
    "MobileNetV3Small": 2.2,
    "VGG16": 2.5,
}


def weights_like(shapes, gain=1.5):
    """Random values for weights given as `(name, shape)`: kernels by the fan-in, so that signals keep their size.

    Values depend on the place in the list alone, so both libraries get the same.
    """
    rng = np.random.default_rng(0)
    values = []
    for name, shape in shapes:
        if name in ("variance", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name in ("gamma", "scale"):
            value = rng.uniform(0.8, 1.2, shape)
        elif len(shape) >= 2:
            depthwise = name == "depthwise_kernel" or shape[-1] == 1
            fan_in = np.prod(shape[:2]) if depthwise else np.prod(shape[:-1])
            value = rng.standard_normal(shape, dtype="float32") * np.sqrt(gain / fan_in)
        else:
            value = rng.uniform(-0.1, 0.1, shape)
        values.append(np.asarray(value, "float32"))
    return values


def random_model(keras, name, size):
    """A model without classifier, with the random weights above, and a batch of images for it."""
    model = getattr(keras.applications, name)(
        weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3)
    )
    floats = [w for w in model.weights if "float" in str(w.dtype)]
    values = weights_like([(w.name, tuple(w.shape)) for w in floats], GAINS.get(name, 1.5))
    for weight, value in zip(floats, values, strict=True):
        weight.assign(value)
    images = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3)).astype("float32")
    # Networks that do not rescale their inputs get the range they expect.
    rescales = name.startswith(("EfficientNet", "ConvNeXt", "MobileNetV3"))
    return model, images if rescales else images / 127.5 - 1
