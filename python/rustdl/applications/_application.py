"""How the constructors of this package are made: their arguments, their input, their top, their weights."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rustdl import backend, layers
from rustdl.applications import imagenet_utils
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.models.functional import Functional

BASE = "https://storage.googleapis.com/tensorflow/keras-applications/"

# The arguments that most constructors share, in their usual order.
USUAL: dict[str, Any] = {
    "include_top": True,
    "weights": "imagenet",
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
    "name": None,
}

_ARGUMENT_DOCS = {
    "include_top": "Whether to end in the classifier.",
    "weights": "None for random ones, the path of a file (`.weights.h5`, `.keras` or Keras' older `.h5`), or "
    '`"imagenet"`: from the cache folder `~/.keras/models`, downloaded at first use.',
    "input_tensor": "A `KerasTensor` to start from, instead of a new input.",
    "input_shape": "Shape of one image. By default what the network was made for with the classifier, and any size "
    "without.",
    "pooling": 'Without the classifier: None for maps of features, `"avg"` or `"max"` for their mean or maximum.',
    "classes": "Number of classes.",
    "classifier_activation": "Activation of the classifier; None gives logits.",
    "name": "Name of the model.",
    "alpha": "Factor for the number of filters in every layer.",
    "depth_multiplier": "Depthwise filters for each channel.",
    "dropout": "Rate of the dropout before the classifier.",
    "dropout_rate": "Rate of the dropout before the classifier.",
    "minimalistic": "Whether to do without 5 x 5 kernels, squeeze-and-excitation and hard swish.",
    "include_preprocessing": "Whether the model rescales its inputs (from 0 to 255) itself.",
}


@dataclass(frozen=True)
class Pretrained:
    """Where weights trained on ImageNet lie.

    Attributes:
        folder: Address of the folder.
        file: Name of the file with the classifier, in the cache.
        file_without_top: Name of the file without it.
        hashes: MD5 or SHA-256 of the two; None where they are not checked.
        remote: Names of the two at the address, where they differ from those in the cache.
    """

    folder: str
    file: str
    file_without_top: str
    hashes: tuple[str | None, str | None] = (None, None)
    remote: tuple[str, str] | None = None

    def path(self, include_top: bool) -> str:
        """The file on this machine, downloaded if it is not there yet.

        Raises:
            OSError: It is neither in the cache nor can it be downloaded.
        """
        from rustdl.utils.file_utils import get_file

        which = 0 if include_top else 1
        file = (self.file, self.file_without_top)[which]
        remote = self.remote[which] if self.remote else file
        try:
            return get_file(file, self.folder + remote, cache_subdir="models", file_hash=self.hashes[which])
        except OSError as error:
            raise OSError(
                f"{error} The weights can also be given as the path of a file, `weights='path/to/{file}'`; "
                "`weights=None` makes a model with random ones."
            ) from error


def kernels_files(folder: str, stem: str, hashes: tuple[str, str]) -> Pretrained:
    """The files of the families that name theirs `<stem>_weights_tf_dim_ordering_tf_kernels[_notop].h5`."""
    file = f"{stem}_weights_tf_dim_ordering_tf_kernels"
    return Pretrained(f"{BASE}{folder}/", f"{file}.h5", f"{file}_notop.h5", hashes)


@dataclass(frozen=True)
class Options:
    """The usual arguments of one call."""

    include_top: bool
    weights: Any
    input_tensor: Any
    input_shape: Any
    pooling: str | None
    classes: int
    classifier_activation: Any
    name: str | None

    def with_input_shape(self, input_shape: Any) -> Options:
        """The same arguments with another shape of images."""
        return replace(self, input_shape=input_shape)

    def check(self) -> None:
        """Refuses weights that do not exist, classes that they do not have, unknown kinds of pooling."""
        if self.weights not in {"imagenet", None} and not os.path.exists(self.weights):
            raise ValueError(
                "The `weights` argument should be either `None` (random initialization), 'imagenet' (pre-training on "
                f"ImageNet), or the path to the weights file to be loaded. Received: weights={self.weights}"
            )
        if self.weights == "imagenet" and self.include_top and self.classes != 1000:
            raise ValueError(
                "If using `weights='imagenet'` with `include_top=True`, `classes` should be 1000. "
                f"Received: classes={self.classes}"
            )
        if self.pooling not in {None, "avg", "max"}:
            raise ValueError(f"`pooling` should be None, 'avg' or 'max'. Received: pooling={self.pooling}")

    def image_shape(self, default_size: int, min_size: int = 32) -> tuple[int | None, ...]:
        """The checked shape of one image."""
        return imagenet_utils.obtain_input_shape(
            self.input_shape, default_size, min_size, backend.image_data_format(), self.include_top, self.weights
        )

    def image(self, shape: Any) -> KerasTensor:
        """The tensor to start from."""
        if self.input_tensor is None:
            return layers.Input(shape=shape)  # type: ignore[no-any-return]
        if not isinstance(self.input_tensor, KerasTensor):
            raise ValueError(
                "`input_tensor` must be a KerasTensor, such as `rustdl.Input(...)` gives. "
                f"Received a value of type {type(self.input_tensor)}"
            )
        return self.input_tensor

    def classifier_activation_checked(self) -> Any:
        """The classifier's activation, refused where trained weights do not allow it."""
        imagenet_utils.validate_activation(self.classifier_activation, self.weights)
        return self.classifier_activation

    def top(self, x: Any, avg_pool: str | None = "avg_pool", *, named: bool = True, **dense: Any) -> Any:
        """Mean over the image and a dense classifier; without a classifier the pooling that was asked for.

        Args:
            x: Maps of features.
            avg_pool: Name of the pooling below the classifier.
            named: Whether the pooling without a classifier has a name of its own.
            **dense: Further arguments of the dense layer.
        """
        if not self.include_top:
            return self.pool(x, named)
        x = layers.GlobalAveragePooling2D(name=avg_pool)(x)
        return self.dense(x, **dense)

    def dense(self, x: Any, **arguments: Any) -> Any:
        """The classifier."""
        activation = self.classifier_activation_checked()
        return layers.Dense(self.classes, activation=activation, name="predictions", **arguments)(x)

    def pool(self, x: Any, named: bool) -> Any:
        """The pooling that was asked for."""
        if self.pooling == "avg":
            return layers.GlobalAveragePooling2D(name="avg_pool" if named else None)(x)
        if self.pooling == "max":
            return layers.GlobalMaxPooling2D(name="max_pool" if named else None)(x)
        return x

    def model(self, image: KerasTensor, outputs: Any, pretrained: Pretrained, name: str | None = None) -> Functional:
        """The model from `image` to `outputs`, with its weights."""
        from rustdl.ops.operation_utils import get_source_inputs

        inputs: Any = image if self.input_tensor is None else get_source_inputs(image)
        model = Functional(inputs, outputs, name=name or self.name)
        if self.weights == "imagenet":
            model.load_weights(pretrained.path(self.include_top))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model


def arguments(order: str | None = None, **defaults: Any) -> dict[str, Any]:
    """The arguments of a constructor: names in order, with their defaults.

    Args:
        order: Names, separated by blanks; by default the usual ones.
        **defaults: Defaults of further arguments, or other ones for the usual.
    """
    known = {**USUAL, **defaults}
    return {name: known[name] for name in (order.split() if order else USUAL)}


def application(
    module: str, name: str, paper: str, parameters: dict[str, Any], build: Callable[..., Functional], **variant: Any
) -> Callable[..., Functional]:
    """A public constructor, such as `ResNet50`.

    Args:
        module: The module it belongs to.
        name: Its name.
        paper: Where the architecture comes from.
        parameters: Names and defaults of its arguments.
        build: Makes the model from `Options`, the arguments that are not usual ones, and the variant.
        **variant: What tells this architecture from its siblings.
    """
    signature = inspect.Signature(
        [
            inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value)
            for key, value in parameters.items()
        ],
        return_annotation=Functional,
    )

    def construct(*args: Any, **kwargs: Any) -> Functional:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}() {error}. Its arguments: {', '.join(parameters)}") from None
        given = {**parameters, **bound.arguments}
        options = Options(**{key: given.pop(key) for key in USUAL})
        options.check()
        return build(options, **variant, **given)

    construct.__name__ = construct.__qualname__ = name
    construct.__module__ = module
    construct.__signature__ = signature  # type: ignore[attr-defined]
    construct.__doc__ = _documentation(name, paper, parameters)
    return construct


def _documentation(name: str, paper: str, parameters: dict[str, Any]) -> str:
    described = "\n".join(f"    {key}: {_ARGUMENT_DOCS[key]} Default {value!r}." for key, value in parameters.items())
    return f"""{name}, a classifier of images ({paper}).

Layers have the names and the order that Keras gives them, so weights that Keras saved can be loaded.

Args:
{described}

Returns:
    A functional model.

Raises:
    ValueError: Arguments that do not fit each other, or a shape that the network cannot take.
    OSError: Weights that are not in the cache and cannot be downloaded.
"""


def channel_axis() -> int:
    """The axis of a batch of images that holds the channels."""
    return 1 if backend.image_data_format() == "channels_first" else 3


def spatial_sizes(x: Any) -> tuple[Any, Any]:
    """Height and width of a batch of images."""
    return tuple(x.shape[2:4]) if channel_axis() == 1 else tuple(x.shape[1:3])  # type: ignore[return-value]


def correct_pad(x: Any, kernel_size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros around an image, for which a valid convolution with stride 2 covers what a "same" one would.

    An odd size gets as many on both sides, an even one (or unknown) one less before than after.
    """
    after = kernel_size // 2
    height, width = (1 - (size % 2 if size is not None else 0) for size in spatial_sizes(x))
    return (after - height, after), (after - width, after)


def make_divisible(filters: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to a number of filters, never more than a tenth below it."""
    rounded = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * filters else rounded + divisor
