"""ConvNeXt: a convolutional network with the habits of transformers (Liu et al., 2022)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import initializers, layers, ops, random
from rustdl.applications._application import BASE, Options, Pretrained, application, arguments, channel_axis
from rustdl.applications.imagenet_utils import RGB_DEVIATION, RGB_MEAN, decode_predictions, preprocessor
from rustdl.layers.layer import Layer
from rustdl.models.functional import Functional
from rustdl.models.sequential import Sequential

__all__ = [
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "LayerScale",
    "StochasticDepth",
    "decode_predictions",
    "preprocess_input",
]

_EPSILON = 1e-6


class StochasticDepth(Layer):
    """In training, zeros for a part of the samples, the others scaled up (Huang et al., 2016); else the identity.

    Args:
        drop_path_rate: The part of the samples that become zero.
        **kwargs: Name and dtype.
    """

    def __init__(self, drop_path_rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop_path_rate = drop_path_rate
        self.seed_generator = random.SeedGenerator()

    def call(self, x: Any, training: bool | None = None) -> Any:
        """The samples that are kept, divided by the probability of being kept."""
        if not training:
            return x
        keep = 1.0 - self.drop_path_rate
        shape = (ops.shape(x)[0], *(1,) * (len(x.shape) - 1))
        kept = ops.floor(keep + random.uniform(shape, 0, 1, dtype=x.dtype, seed=self.seed_generator))
        return x / keep * kept

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "drop_path_rate": self.drop_path_rate}


class LayerScale(Layer):
    """y = x * gamma with one learned factor for each channel (Touvron et al., 2021).

    Args:
        init_values: What the factors are before training.
        projection_dim: Number of channels.
        **kwargs: Name and dtype.
    """

    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.init_values = init_values
        self.projection_dim = projection_dim

    def build(self, _: Any) -> None:
        """Makes the factors."""
        self.gamma = self.add_weight(
            shape=(self.projection_dim,), initializer=initializers.Constant(self.init_values), trainable=True
        )

    def call(self, x: Any) -> Any:
        """The scaled input."""
        return x * self.gamma

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "init_values": self.init_values, "projection_dim": self.projection_dim}


def _layer_norm(name: str | None = None) -> Any:
    return layers.LayerNormalization(epsilon=_EPSILON, name=name)


def _block(x: Any, filters: int, name: str) -> Any:
    """Computes y = x + scale * mlp(norm(depthwise 7 x 7 convolution of x)); the mlp is four times as wide, GELU."""
    y = layers.Conv2D(filters, 7, padding="same", groups=filters, name=f"{name}_depthwise_conv")(x)
    y = _layer_norm(f"{name}_layernorm")(y)
    y = layers.Dense(4 * filters, name=f"{name}_pointwise_conv_1")(y)
    y = layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = layers.Dense(filters, name=f"{name}_pointwise_conv_2")(y)
    y = LayerScale(1e-6, filters, name=f"{name}_layer_scale")(y)
    # The published models drop no paths; the place of the layer that would is kept.
    return x + layers.Activation("linear", name=f"{name}_identity")(y)


def _halving(stage: int, filters: int, name: str) -> Sequential:
    """What comes before a stage: patches of 4 x 4 before the first, 2 x 2 before the others."""
    if stage == 0:
        stem = [layers.Conv2D(filters, 4, strides=4, name=f"{name}_stem_conv"), _layer_norm(f"{name}_stem_layernorm")]
        return Sequential(stem, name=f"{name}_stem")
    number = stage - 1
    parts = [
        _layer_norm(f"{name}_downsampling_layernorm_{number}"),
        layers.Conv2D(filters, 2, strides=2, name=f"{name}_downsampling_conv_{number}"),
    ]
    return Sequential(parts, name=f"{name}_downsampling_block_{number}")


def _convnext(
    options: Options,
    include_preprocessing: bool,
    depths: tuple[int, ...],
    filters: tuple[int, ...],
    variant: str,
    hashes: tuple[str, str],
) -> Functional:
    if channel_axis() == 1:
        raise ValueError(
            "ConvNeXt does not support the `channels_first` image data format: "
            "`rustdl.config.set_image_data_format('channels_last')` switches."
        )
    name = options.name or variant
    shape = options.image_shape(224)
    image = options.image(shape)
    x: Any = image
    if include_preprocessing and shape[-1] == 3:
        mean = [255 * value for value in RGB_MEAN]
        variance = [(255 * value) ** 2 for value in RGB_DEVIATION]
        x = layers.Normalization(mean=mean, variance=variance, name=f"{name}_prestem_normalization")(x)
    halvings = [_halving(stage, width, name) for stage, width in enumerate(filters)]
    for stage, (count, width) in enumerate(zip(depths, filters, strict=True)):
        x = halvings[stage](x)
        for i in range(count):
            x = _block(x, width, f"{name}_stage_{stage}_block_{i}")
    if options.include_top:
        x = layers.GlobalAveragePooling2D(name=f"{name}_head_gap")(x)
        x = _layer_norm(f"{name}_head_layernorm")(x)
        activation = options.classifier_activation_checked()
        x = layers.Dense(options.classes, activation=activation, name=f"{name}_head_dense")(x)
    else:
        x = _layer_norm()(options.pool(x, named=False))
    files = Pretrained(f"{BASE}convnext/", f"{variant}.h5", f"{variant}_notop.h5", hashes)
    return options.model(image, x, files, name)


def _variant(size: str, depth: int, width: int, *hashes: str) -> Callable[..., Functional]:
    variant = f"convnext_{size.lower()}"
    parameters = arguments(
        "include_top include_preprocessing weights input_tensor input_shape pooling classes classifier_activation name",
        include_preprocessing=True,
        name=variant,
    )
    return application(
        __name__,
        f"ConvNeXt{size}",
        "Liu et al., 2022, arXiv 2201.03545",
        parameters,
        _convnext,
        depths=(3, 3, depth, 3),
        filters=(width, 2 * width, 4 * width, 8 * width),
        variant=variant,
        hashes=hashes,
    )


# Blocks of the third stage, filters of the first, hashes of the weights with and without classifier.
ConvNeXtTiny = _variant(
    "Tiny",
    9,
    96,
    "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
    "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
)
ConvNeXtSmall = _variant(
    "Small",
    27,
    96,
    "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
    "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
)
ConvNeXtBase = _variant(
    "Base",
    27,
    128,
    "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
    "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
)
ConvNeXtLarge = _variant(
    "Large",
    27,
    192,
    "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
    "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
)
ConvNeXtXLarge = _variant(
    "XLarge",
    27,
    256,
    "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
    "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
)
preprocess_input = preprocessor(__name__, None)
