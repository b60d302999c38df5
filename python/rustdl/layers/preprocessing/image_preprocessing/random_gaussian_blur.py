"""Images blurred at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._arguments import number_range
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomGaussianBlur(ColorLayer):
    """Smooths images by a Gaussian of random width, one for the batch.

    Args:
        factor: Probability that an image is blurred, or a range that it is drawn from.
        kernel_size: Pixels of the kernel along both axes, one odd number or two.
        sigma: The largest deviation of the Gaussian in pixels, or a range, within [0, 1].
        value_range: The range of the images' values, to which results are clipped.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor or sigma beyond [0, 1], or an even kernel size.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomGaussianBlur(seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.kernel_size = _odd_sizes(kernel_size)
        self.sigma = number_range(sigma, self._FACTOR_BOUNDS, "sigma")
        self.value_range = value_range
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Which images are blurred, and the deviations along x and y."""
        if not training:
            return None
        seed, (low, high) = self._seed(seed), self.sigma
        return {
            "should_apply_blur": self._is_chosen(self._batch_size(data), seed),
            "blur_factor": random.uniform((2,), minval=low, maxval=high, seed=seed, dtype=self.compute_dtype) + 1e-6,
        }

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images, some of them blurred."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        blurred = ops.image.gaussian_blur(
            images, kernel_size=self.kernel_size, sigma=transformation["blur_factor"], data_format=self.data_format
        )
        is_chosen = ops.reshape(transformation["should_apply_blur"], (-1, 1, 1, 1))
        return ops.clip(ops.where(is_chosen, blurred, images), self.value_range[0], self.value_range[1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": self.factor,
            "kernel_size": self.kernel_size,
            "sigma": self.sigma,
            "value_range": self.value_range,
            "seed": self.seed,
        }


def _odd_sizes(kernel_size: Any) -> tuple[int, int]:
    sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
    if len(sizes) != 2 or any(isinstance(n, str) or n % 2 != 1 for n in sizes):
        raise ValueError(f"kernel_size must be an odd number, or two of them. Received: kernel_size={kernel_size}")
    return int(sizes[0]), int(sizes[1])
