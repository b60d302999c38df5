"""The layers that `RandAugment` and `AugMix` choose from."""

from __future__ import annotations

from typing import Any

GEOMETRIC = ("random_shear", "random_translation", "random_rotation")
COLOR = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
LEVELS = ("random_posterization", "solarization", "auto_contrast", "equalization")


def make_layers(
    names: Any, factor: Any, value_range: Any, interpolation: str, seed: Any, **kwargs: Any
) -> dict[str, Any]:
    """The layers of these names, all of one strength.

    Args:
        names: Snake-case names of layers.
        factor: Range of the strength within [0, 1].
        value_range: The range of the images' values.
        interpolation: Of the layers that move pixels.
        seed: A seed or `None`.
        **kwargs: Arguments of all layers.
    """
    from rustdl import layers

    colors: dict[str, Any] = {"value_range": value_range, **kwargs}
    moves: dict[str, Any] = {"interpolation": interpolation, "seed": seed, **kwargs}
    makers: dict[str, Any] = {
        "random_shear": lambda: layers.RandomShear(x_factor=factor, y_factor=factor, **moves),
        "random_translation": lambda: layers.RandomTranslation(height_factor=factor, width_factor=factor, **moves),
        "random_rotation": lambda: layers.RandomRotation(factor=factor, **moves),
        "random_brightness": lambda: layers.RandomBrightness(factor=factor, seed=seed, **colors),
        "random_color_degeneration": lambda: layers.RandomColorDegeneration(factor=factor, seed=seed, **colors),
        "random_contrast": lambda: layers.RandomContrast(factor=factor, seed=seed, **colors),
        "random_sharpness": lambda: layers.RandomSharpness(factor=factor, seed=seed, **colors),
        "random_posterization": lambda: layers.RandomPosterization(
            factor=max(1, int(8 * factor[1])), seed=seed, **colors
        ),
        "solarization": lambda: layers.Solarization(
            addition_factor=factor, threshold_factor=factor, seed=seed, **colors
        ),
        "auto_contrast": lambda: layers.AutoContrast(**colors),
        "equalization": lambda: layers.Equalization(**colors),
    }
    return {name: makers[name]() for name in names}
