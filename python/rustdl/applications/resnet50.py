"""ResNet50 under the name of its own that Keras gives it."""

from rustdl.applications.resnet import ResNet50, decode_predictions, preprocess_input

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
