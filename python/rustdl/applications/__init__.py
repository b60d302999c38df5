"""Image classifiers of the literature, with Keras' layer names, so that weights trained elsewhere can be loaded."""

from rustdl._lazy import attach

_FAMILIES = {
    "convnext": ("ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge"),
    "densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "efficientnet": tuple(f"EfficientNetB{size}" for size in range(8)),
    "efficientnet_v2": tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "L", "M", "S")),
    "inception_resnet_v2": ("InceptionResNetV2",),
    "inception_v3": ("InceptionV3",),
    "mobilenet": ("MobileNet",),
    "mobilenet_v2": ("MobileNetV2",),
    "mobilenet_v3": ("MobileNetV3Large", "MobileNetV3Small"),
    "nasnet": ("NASNetLarge", "NASNetMobile"),
    "resnet": ("ResNet101", "ResNet152", "ResNet50"),
    "resnet_v2": ("ResNet101V2", "ResNet152V2", "ResNet50V2"),
    "vgg16": ("VGG16",),
    "vgg19": ("VGG19",),
    "xception": ("Xception",),
}
_MODULES = (*_FAMILIES, "imagenet_utils", "resnet50")
_EXPORTS = {name: f"rustdl.applications.{module}" for module, names in _FAMILIES.items() for name in names}
_EXPORTS |= {module: f"rustdl.applications.{module}:" for module in _MODULES}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
