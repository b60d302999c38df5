"""Mixtures of several chains of augmentations."""

from __future__ import annotations

import random as python_random
from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._augmentation_layers import COLOR, GEOMETRIC, LEVELS, make_layers
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer


class AugMix(BaseImagePreprocessingLayer):
    """Mixes images with a mixture of differently augmented versions (Hendrycks et al., 2020).

    Several chains of random augmentations run side by side; a Dirichlet distribution gives their weights, a beta
    distribution the share of the image itself. Which augmentations a chain consists of is drawn in Python: anew at
    each direct call, once for a compiled step, whose strengths and weights are drawn anew at each run.

    Args:
        value_range: The range of the images' values.
        num_chains: Number of chains.
        chain_depth: The largest number of augmentations in a chain.
        factor: Strength of all of them within [0, 1], or a range.
        alpha: Parameter of both distributions.
        all_ops: Whether brightness, colour degeneration, contrast and sharpness are among them, too.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond [0, 1].

    Example:
        >>> import rustdl
        >>> rustdl.layers.AugMix(seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.num_chains = num_chains
        self.chain_depth = chain_depth
        self._set_factor(factor)
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self._set_seed(seed)
        self._choices = python_random.Random(self.generator.initial_seed)
        self._augment_layers = (*GEOMETRIC, *LEVELS, *(COLOR if all_ops else ()))
        shared = {key: value for key, value in kwargs.items() if key not in ("name", "trainable")}
        parts = make_layers(
            self._augment_layers, self.factor, value_range, interpolation, seed, data_format=data_format, **shared
        )
        for name, layer in parts.items():
            setattr(self, name, layer)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The weights of the chains, the share of the image itself, and the augmentations of each chain."""
        if not training:
            return None
        seed = self._seed(seed)
        weights = random.gamma((self.num_chains,), self.alpha, seed=seed)
        return {
            "chain_mixing_weights": weights / ops.sum(weights),
            "weight_sample": random.beta((), self.alpha, self.alpha, seed=seed),
            "chain_transforms": [self._chain(data, seed) for _ in range(self.num_chains)],
        }

    def _chain(self, data: Any, seed: Any) -> list[dict[str, Any]]:
        """Up to `chain_depth` augmentations; each place may stay empty."""
        chosen = (self._choices.choice((*self._augment_layers, None)) for _ in range(self.chain_depth))
        return [
            {"layer_name": name, "transformation": getattr(self, name).get_random_transformation(data, seed=seed)}
            for name in chosen
            if name is not None
        ]

    def _mixed(self, method: str, x: Any, transformation: Any) -> Any:
        """The mixture of what one method of the chains' layers makes."""
        dtype = self.compute_dtype
        x = ops.cast(x, dtype)
        weights = ops.cast(transformation["chain_mixing_weights"], dtype)
        share = ops.cast(transformation["weight_sample"], dtype)
        mixture = ops.zeros_like(x)
        for i, chain in enumerate(transformation["chain_transforms"]):
            augmented = x
            for step in chain:
                augmented = getattr(getattr(self, step["layer_name"]), method)(augmented, step["transformation"])
            mixture = mixture + augmented * weights[i]
        return share * x + (1 - share) * mixture

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The images mixed with their augmented versions."""
        if not training:
            return ops.cast(images, self.compute_dtype)
        images = self._mixed("transform_images", images, transformation)
        return ops.clip(images, self.value_range[0], self.value_range[1])

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes as they are: the image itself stays part of the mixture."""
        return bounding_boxes

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """The masks mixed like the images, as floats."""
        if not training:
            return segmentation_masks
        return self._mixed("transform_segmentation_masks", segmentation_masks, transformation)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "num_chains": self.num_chains,
            "chain_depth": self.chain_depth,
            "factor": self.factor,
            "alpha": self.alpha,
            "all_ops": self.all_ops,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }
