"""`BaseImagePreprocessingLayer`: one transformation for images and everything that belongs to them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rustdl import backend, ops, random
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.preprocessing.data_layer import DataLayer, in_tf_graph, run_in_tf_graph
from rustdl.layers.preprocessing.image_preprocessing._arguments import check_value_range, number_range
from rustdl.utils.bounding_boxes import clip_to_image_size, convert_format

_TRANSFORMS = ("transform_images", "transform_labels", "transform_bounding_boxes", "transform_segmentation_masks")


def _also_in_tf_graph(method: Callable[..., Any]) -> Callable[..., Any]:
    """A transform method that can also be called inside of `tf.data.Dataset.map`."""

    @functools.wraps(method)
    def call(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        if not in_tf_graph(x):
            return method(self, x, *args, **kwargs)

        def run(x: Any) -> Any:
            return method(self, x, *args, **kwargs)

        return run_in_tf_graph(run, lambda x: backend.compute_output_spec(run, x), x)

    return call


class _Functions:
    """All functions of `ops`, `backend` and `random` under the names of a Keras backend."""

    def __getattr__(self, name: str) -> Any:
        if name == "random":
            return random
        if name in ("numpy", "nn", "image", "math", "linalg", "core"):
            return ops
        return getattr(ops, name) if hasattr(ops, name) else getattr(backend, name)


class BaseImagePreprocessingLayer(DataLayer):
    """Base class of layers that transform images.

    A call draws one transformation (`get_random_transformation`) and applies it to each part of its input. The input
    is a batch of images (rank 4), one image (rank 3), or a dictionary with `"images"` and perhaps `"labels"`,
    `"bounding_boxes"` (a dictionary of `"boxes"` and `"labels"`) and `"segmentation_masks"`. Subclasses define
    `get_random_transformation`, `transform_images` (or `_transform_images`, which then serves the masks too, with
    nearest pixels), and for boxes `transform_bounding_boxes`. Labels pass by default.

    Args:
        factor: Strength, a number or a range of two, for subclasses with `_USE_BASE_FACTOR`.
        bounding_box_format: Format of the boxes, see `utils.bounding_boxes.convert_format`; needed where there are any.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor out of `_FACTOR_BOUNDS`, or one that the layer does not take.
    """

    _USE_BASE_FACTOR = True
    _FACTOR_BOUNDS: tuple[float, float] = (-1, 1)

    generator: Any
    seed: Any
    interpolation = "bilinear"

    def __init__(
        self, factor: Any = None, bounding_box_format: str | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.bounding_box_format = bounding_box_format
        self.data_format = backend.standardize_data_format(data_format)
        is_channels_first = self.data_format == "channels_first"
        self.height_axis, self.width_axis = (-2, -1) if is_channels_first else (-3, -2)
        self.channel_axis = -3 if is_channels_first else -1
        if self._USE_BASE_FACTOR:
            self._set_factor(factor or 0.0)
        elif factor is not None:
            raise ValueError(
                f"Layer {type(self).__name__} does not take a `factor` argument. Received: factor={factor}"
            )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in _TRANSFORMS:
            if name in cls.__dict__:
                setattr(cls, name, _also_in_tf_graph(cls.__dict__[name]))

    @property
    def backend(self) -> Any:
        """The functions that subclasses written for Keras call: `self.backend.numpy`, `.random`, `.image`, ..."""
        return _Functions()

    def _set_factor(self, factor: Any) -> None:
        self.factor = number_range(factor, self._FACTOR_BOUNDS, "factor")

    def _set_value_range(self, value_range: Any) -> None:
        self.value_range = check_value_range(value_range)

    def _set_seed(self, seed: Any) -> None:
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    # --- what subclasses define ---

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws what the transform functions need.

        Args:
            data: Images, or a dictionary with `"images"`.
            training: Whether there is anything to draw.
            seed: A seed instead of the layer's own generator.
        """
        return None

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        """Images, or masks as images, under the transformation."""
        raise NotImplementedError(f"{type(self).__name__} defines no `_transform_images`")

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """A batch of images under the transformation, in the compute dtype."""
        images = ops.cast(images, self.compute_dtype)
        if training:
            images = self._transform_images(images, transformation, self.interpolation)
        return images

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """Labels under the transformation: by default as they are."""
        return labels

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Boxes under the transformation."""
        raise NotImplementedError(
            f"{type(self).__name__} does not transform bounding boxes: leave 'bounding_boxes' out of its input"
        )

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """Masks under the transformation: by default as images, each pixel taken from the nearest one."""
        if training:
            segmentation_masks = self._transform_images(segmentation_masks, transformation, "nearest")
        return segmentation_masks

    # --- single samples ---

    def transform_single_image(self, image: Any, transformation: Any, training: bool = True) -> Any:
        """One image under the transformation."""
        return _unbatched(image, lambda x: self.transform_images(x, transformation=transformation, training=training))

    def transform_single_label(self, label: Any, transformation: Any, training: bool = True) -> Any:
        """One label under the transformation."""
        return _unbatched(label, lambda x: self.transform_labels(x, transformation=transformation, training=training))

    def transform_single_bounding_box(self, bounding_box: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes of one image under the transformation."""
        boxes = {key: ops.expand_dims(value, 0) for key, value in bounding_box.items()}
        boxes = self.transform_bounding_boxes(boxes, transformation=transformation, training=training)
        return {key: ops.squeeze(value, 0) for key, value in boxes.items()}

    def transform_single_segmentation_mask(
        self, segmentation_mask: Any, transformation: Any, training: bool = True
    ) -> Any:
        """One mask under the transformation."""
        return _unbatched(
            segmentation_mask,
            lambda x: self.transform_segmentation_masks(x, transformation=transformation, training=training),
        )

    # --- calling ---

    def call(self, data: Any, training: bool = True) -> Any:
        if not isinstance(data, dict):
            data = _tensor(data)
        transformation = self.get_random_transformation(data, training=training)
        options = {"transformation": transformation, "training": training}
        if not isinstance(data, dict):
            is_batch = self._is_batched(data)
            return (self.transform_images if is_batch else self.transform_single_image)(data, **options)
        images = _tensor(data["images"])
        is_batch = self._is_batched(images)
        result = dict(data)
        result["images"] = (self.transform_images if is_batch else self.transform_single_image)(images, **options)
        if "bounding_boxes" in data:
            if not self.bounding_box_format:
                raise ValueError(
                    "You passed an input with a 'bounding_boxes' key, but you didn't specify a bounding box format. "
                    f"Pass a `bounding_box_format` argument to your {type(self).__name__} layer, e.g. "
                    "`bounding_box_format='xyxy'`."
                )
            boxes = densify_bounding_boxes(data["bounding_boxes"])
            transform = self.transform_bounding_boxes if is_batch else self.transform_single_bounding_box
            result["bounding_boxes"] = transform(boxes, **options)
        if "labels" in data:
            labels = _tensor(data["labels"])
            result["labels"] = (self.transform_labels if is_batch else self.transform_single_label)(labels, **options)
        if "segmentation_masks" in data:
            masks = _tensor(data["segmentation_masks"])
            mask_transform = self.transform_segmentation_masks if is_batch else self.transform_single_segmentation_mask
            result["segmentation_masks"] = mask_transform(masks, **options)
        return result

    def _is_batched(self, images: Any) -> bool:
        rank = len(images.shape)
        if rank not in (3, 4):
            raise ValueError(
                "Expected image tensor to have rank 3 (single image) or 4 (batch of images). "
                f"Received: data.shape={tuple(images.shape)}"
            )
        return rank == 4

    # --- for subclasses ---

    def _images_shape(self, data: Any) -> tuple[Any, ...]:
        """The shape of the images in the input of `call`."""
        images = data["images"] if isinstance(data, dict) else data
        shape = tuple(backend.shape(images))
        if len(shape) not in (3, 4):
            raise ValueError(f"Expected the input image to be rank 3 or 4. Received inputs.shape={shape}")
        return shape

    def _batch_size(self, data: Any) -> Any:
        """The number of images, 1 for a single one."""
        shape = self._images_shape(data)
        return shape[0] if len(shape) == 4 else 1

    def _per_image_shape(self, data: Any) -> tuple[Any, ...]:
        """The shape of one number for each image, to broadcast with the images."""
        shape = self._images_shape(data)
        return (1, 1, 1) if len(shape) == 3 else (shape[0], 1, 1, 1)

    def _height_width(self, shape: Any) -> tuple[Any, Any]:
        return shape[self.height_axis], shape[self.width_axis]

    def _seed(self, seed: Any) -> Any:
        return self.generator if seed is None else seed

    def _is_chosen(self, batch_size: int, seed: Any) -> Any:
        """Whether each image is transformed, with a probability drawn from the range `factor`."""
        low, high = self.factor
        probability = random.uniform((batch_size,), minval=low, maxval=high, seed=seed)
        return random.uniform((batch_size,), seed=seed) < probability

    def _in_xyxy(self, bounding_boxes: Any, size: tuple[Any, Any], transform: Callable[[Any], Any]) -> Any:
        """Boxes converted to `"xyxy"`, transformed, cut off at the edges of an image, and converted back."""
        height, width = size
        boxes = convert_format(bounding_boxes, self._box_format(), "xyxy", height=height, width=width)
        boxes = {**boxes, "boxes": transform(boxes["boxes"])}
        boxes = clip_to_image_size(boxes, height=height, width=width)
        return convert_format(boxes, "xyxy", self._box_format(), height=height, width=width)

    def _box_format(self) -> str:
        if not self.bounding_box_format:
            raise ValueError(f"{type(self).__name__}: boxes need a `bounding_box_format`, e.g. 'xyxy'")
        return self.bounding_box_format

    def _transform_value_range(
        self, images: Any, original_range: Any, target_range: Any, dtype: Any = "float32"
    ) -> Any:
        """Values of one range spread over another."""
        if tuple(original_range) == tuple(target_range):
            return images
        (low, high), (target_low, target_high) = original_range, target_range
        images = (ops.cast(images, dtype) - low) / (high - low)
        return images * (target_high - target_low) + target_low

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config


def per_image(x: Any, images: Any) -> Any:
    """One value for each image, to broadcast with the images (or with a single one)."""
    return ops.reshape(x, (-1, 1, 1, 1) if len(images.shape) == 4 else (-1, 1, 1))


def _tensor(x: Any) -> Any:
    return x if isinstance(x, KerasTensor) else backend.convert_to_tensor(x)


def _unbatched(x: Any, function: Callable[[Any], Any]) -> Any:
    """A function of batches on one sample."""
    return ops.squeeze(function(ops.expand_dims(x, 0)), 0)


def _padded(rows: list[Any], length: int, filler: Any) -> list[Any]:
    return [*rows, *[filler] * (length - len(rows))]


def densify_bounding_boxes(bounding_boxes: Any) -> dict[str, Any]:
    """Boxes and labels as tensors; lists of different lengths are filled up with boxes of zeros and labels -1.

    Raises:
        ValueError: Not a dictionary of `"boxes"` and `"labels"`, or ranks and lengths that do not agree.
    """
    check_bounding_boxes(bounding_boxes)
    boxes, labels = bounding_boxes["boxes"], bounding_boxes["labels"]
    if isinstance(boxes, list) and boxes and isinstance(boxes[0], list) and boxes[0] and isinstance(boxes[0][0], list):
        most = max(len(row) for row in boxes)
        boxes = [_padded(row, most, [0, 0, 0, 0]) for row in boxes]
        labels = [_padded(row, most, -1) for row in labels]
    labels = _tensor(labels) if not isinstance(labels, list) else backend.convert_to_tensor(labels, dtype="int32")
    return {**bounding_boxes, "boxes": backend.convert_to_tensor(boxes, dtype="float32"), "labels": labels}


def check_bounding_boxes(bounding_boxes: Any) -> None:
    """Refuses what is not a dictionary of boxes and labels that belong together.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(
            "Expected `bounding_boxes` argument to be a dict with keys 'boxes' and 'labels'. "
            f"Received: bounding_boxes={bounding_boxes}"
        )
    boxes, labels = bounding_boxes["boxes"], bounding_boxes["labels"]
    if isinstance(boxes, list):
        if not isinstance(labels, list) or len(boxes) != len(labels):
            raise ValueError(
                "If `bounding_boxes['boxes']` is a list, then `bounding_boxes['labels']` must also be a list, of the "
                f"same length. Received: bounding_boxes['boxes']={boxes}, bounding_boxes['labels']={labels}"
            )
        return
    ranks = {2: (1, 2), 3: (2, 3)}
    rank, label_rank = len(backend.shape(boxes)), len(backend.shape(labels))
    if label_rank not in ranks.get(rank, ()):
        raise ValueError(
            "Expected `bounding_boxes['boxes']` to have shape (num_boxes, 4) or (batch_size, num_boxes, 4), and "
            "`bounding_boxes['labels']` one axis less (or a last axis of classes). Received: "
            f"bounding_boxes['boxes'].shape={backend.shape(boxes)}, "
            f"bounding_boxes['labels'].shape={backend.shape(labels)}"
        )
