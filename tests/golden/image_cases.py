"""Calls of `ops.image` and adaptive pooling that make_image.py runs with Keras and test_image_ops.py with rustdl.

Each case is a function of `ops` and its inputs; those of CASES are compared with their gradients too.
"""

import functools
import itertools

import numpy as np

FORMATS = ("channels_last", "channels_first")
INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
AFFINE = np.array([[1.1, 0.2, -1.317, 0.1, 0.83, 2.43, 0, 0], [0.7, -0.31, 2.57, 0.3, 1.2, -1.03, 0, 0]], "float32")
CORNERS = np.array([[0, 0], [12, 0], [0, 8], [12, 8]], "float32")
MOVED = CORNERS + np.array([[1, 1.53], [-2, 0.51], [0.32, -1], [-1, -2.03]], "float32")

CASES = {}
FLAT = {}  # integers, and steps whose place is a matter of rounding


def images(*shape, seed=0, data_format="channels_last", dtype="float32"):
    x = np.random.default_rng(seed).random(shape, dtype="float32")
    if data_format == "channels_first":
        x = np.moveaxis(x, -1, -3)
    x = np.ascontiguousarray(x)
    return (x * 255).astype("uint8") if dtype == "uint8" else x


def add(table, name, function, *inputs, **kwargs):
    """`function` is a name in `ops.image`, or in `ops` after a dot."""

    def call(ops, *x):
        owner = ops if function.startswith(".") else ops.image
        return functools.partial(getattr(owner, function.removeprefix(".")), **kwargs)(*x)

    label = "-".join(str(v) for v in kwargs.values())
    key = f"{name}/{label}"
    assert key not in table
    table[key] = (call, inputs)


for f in FORMATS:
    x = images(2, 5, 6, 3, data_format=f)
    single = images(9, 13, 2, data_format=f)
    add(CASES, "gray", "rgb_to_grayscale", x, data_format=f)
    add(FLAT, "gray", "rgb_to_grayscale", images(4, 5, 3, data_format=f, dtype="uint8"), data_format=f)
    add(CASES, "rgb_to_hsv", "rgb_to_hsv", x, data_format=f)
    add(CASES, "hsv_to_rgb", "hsv_to_rgb", x, data_format=f)
    for interpolation, antialias, size in itertools.product(INTERPOLATIONS, (False, True), ((5, 7), (20, 4), (9, 26))):
        add(
            CASES,
            "resize",
            "resize",
            single,
            size=size,
            interpolation=interpolation,
            antialias=antialias,
            data_format=f,
        )
    for size in ((5, 7), (20, 4)):
        add(CASES, "resize-crop", "resize", x, size=size, crop_to_aspect_ratio=True, data_format=f)
        add(CASES, "resize-pad", "resize", x, size=size, pad_to_aspect_ratio=True, fill_value=0.7, data_format=f)
        add(FLAT, "resize-int", "resize", images(4, 9, 3, dtype="uint8", data_format=f), size=size, data_format=f)
    batch = images(2, 9, 13, 3, seed=1, data_format=f)
    for interpolation, mode in itertools.product(("nearest", "bilinear"), FILL_MODES):
        options = {"interpolation": interpolation, "fill_mode": mode, "fill_value": 0.5, "data_format": f}

        # The last two parameters mean nothing to Keras on JAX.
        def affine(ops, x, transform, options=options):
            return ops.image.affine_transform(x, ops.concatenate([transform, AFFINE[:, 6:]], axis=1), **options)

        CASES[f"affine/{interpolation}-{mode}-{f}"] = (affine, (batch, AFFINE[:, :6]))
    for interpolation in ("nearest", "bilinear"):
        options = {"interpolation": interpolation, "fill_value": 0.3, "data_format": f}
        add(CASES, "perspective", "perspective_transform", batch[0], CORNERS, MOVED, **options)
    for size, sigma in (((3, 3), (1.0, 1.0)), ((5, 3), (2.0, 0.7)), ((4, 2), (1.0, 2.0))):
        add(CASES, "blur", "gaussian_blur", x, kernel_size=size, sigma=sigma, data_format=f)
    add(CASES, "sobel", "sobel_edges", x, data_format=f)
    a, b = (images(2, 16, 14, 3, seed=seed, data_format=f) for seed in (2, 3))
    add(CASES, "ssim", "ssim", a, b, data_format=f)
    add(CASES, "ssim", "ssim", a, b, max_val=2.0, filter_size=5, filter_sigma=0.8, k1=0.02, k2=0.05, data_format=f)
    for size, strides, dilation, padding in itertools.product((3, (2, 3)), (None, 1), (1, 2), ("valid", "same")):
        if not (strides is None and dilation == 2):  # Keras has no convolution for it
            options = {"size": size, "strides": strides, "dilation_rate": dilation, "padding": padding}
            add(CASES, "patches", "extract_patches", x, **options, data_format=f)
    volume = np.moveaxis(images(6, 7, 5, 2), -1, 0) if f == "channels_first" else images(6, 7, 5, 2)
    for size, strides, padding in itertools.product((2, (2, 3, 1)), (None, 1), ("valid", "same")):
        options = {"size": size, "strides": strides, "padding": padding, "data_format": f}
        add(CASES, "patches_3d", "extract_patches_3d", volume, **options)
    add(CASES, "pad", "pad_images", x, top_padding=1, left_padding=2, target_height=9, target_width=9, data_format=f)
    add(CASES, "pad", "pad_images", x, top_padding=0, left_padding=2, bottom_padding=3, right_padding=1, data_format=f)
    add(
        CASES,
        "crop",
        "crop_images",
        x,
        top_cropping=1,
        right_cropping=2,
        target_height=3,
        target_width=2,
        data_format=f,
    )
    for name, rank in itertools.product(("average", "max"), (1, 2, 3)):
        z = np.random.default_rng(rank).random((2, *(7, 10, 6)[:rank], 3), dtype="float32")
        z = np.moveaxis(z, -1, 1) if f == "channels_first" else z
        for size in ((3,) * rank, (2, 5, 4)[:rank]):
            add(CASES, f"pool{rank}-{name}", f".adaptive_{name}_pool", z, output_size=size, data_format=f)

for shape, order, mode in itertools.product(((7,), (4, 6), (3, 4, 5)), (0, 1), FILL_MODES):
    x = np.random.default_rng(5).random(shape, dtype="float32")
    at = np.random.default_rng(6).random((len(shape), 3, 4), dtype="float32") * 24 - 9
    options = {"order": order, "fill_mode": mode, "fill_value": 2.0}
    add(CASES, f"map{len(shape)}", "map_coordinates", x, at, **options)
    add(FLAT, f"map{len(shape)}", "map_coordinates", (x * 50).astype("int32"), at, **options)

for method, antialias in itertools.product(("linear", "bicubic", "lanczos3", "lanczos5"), (True, False)):
    for scale, shape in (((2.0, 0.51), (14, 6, 3)), ((0.4, 0.3), (5, 5, 3))):
        x = images(9, 8, 3)
        options = {"output_shape": shape, "spatial_dims": (0, 1), "method": method, "antialias": antialias}
        given = (np.array(scale, "float32"), np.array([0.93, -0.72], "float32"))

        def call(ops, x, scale, translation, options=options):
            return ops.image.scale_and_translate(x, scale=scale, translation=translation, **options)

        CASES[f"scale/{method}-{antialias}-{shape}"] = (call, (x, *given))
