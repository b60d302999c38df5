"""`utils.bounding_boxes`: against definitions, and against Keras (tests/golden/make_boxes.py)."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import ops
from rustdl.utils import bounding_boxes
from rustdl.utils.bounding_boxes.formats import FORMATS

HEIGHT, WIDTH = 40, 50
BOX = np.array([[[10.0, 5.0, 30.0, 25.0], [0.0, 0.0, 50.0, 40.0]]], "float32")
# Two boxes in every format, written out.
WRITTEN = {
    "xyxy": [[10, 5, 30, 25], [0, 0, 50, 40]],
    "yxyx": [[5, 10, 25, 30], [0, 0, 40, 50]],
    "xywh": [[10, 5, 20, 20], [0, 0, 50, 40]],
    "center_xywh": [[20, 15, 20, 20], [25, 20, 50, 40]],
    "center_yxhw": [[15, 20, 20, 20], [20, 25, 40, 50]],
    "rel_xyxy": [[0.2, 0.125, 0.6, 0.625], [0, 0, 1, 1]],
    "rel_yxyx": [[0.125, 0.2, 0.625, 0.6], [0, 0, 1, 1]],
    "rel_xywh": [[0.2, 0.125, 0.4, 0.5], [0, 0, 1, 1]],
    "rel_center_xywh": [[0.4, 0.375, 0.4, 0.5], [0.5, 0.5, 1, 1]],
}


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parents[1] / "golden" / "boxes.npz") as data:
        return dict(data)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(FORMATS, FORMATS)))
def test_every_format_into_every_other(source, target):
    boxes = np.array(WRITTEN[source], "float32")
    for given in (boxes, boxes[None], {"boxes": boxes, "labels": np.array([1, 2])}):
        y = bounding_boxes.convert_format(given, source.upper(), target, height=HEIGHT, width=WIDTH)
        if isinstance(y, dict):
            assert y["labels"] is given["labels"]
            y = y["boxes"]
        np.testing.assert_allclose(np.asarray(y).reshape(2, 4), WRITTEN[target], atol=1e-4)


def overlap(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common + 1e-7)


def test_iou_pair_by_pair(golden):
    a, b = golden["corners"], golden["other"]
    wanted = np.array([[[overlap(p, q) for q in b[i]] for p in a[i]] for i in range(3)])
    np.testing.assert_allclose(bounding_boxes.compute_iou(a, b, "xyxy"), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bounding_boxes.compute_iou(a[0], b, "xyxy")[0], wanted[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bounding_boxes.compute_iou(a, b[1], "xyxy")[1], wanted[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bounding_boxes.compute_iou(a[2], b[2], "xyxy"), wanted[2], rtol=1e-5, atol=1e-6)
    scaled = a / np.array([WIDTH, HEIGHT] * 2, "float32")
    relative = bounding_boxes.compute_iou(
        scaled, b / np.array([WIDTH, HEIGHT] * 2, "float32"), "rel_xyxy", image_shape=(HEIGHT, WIDTH, 3)
    )
    np.testing.assert_allclose(relative, wanted, rtol=1e-4, atol=1e-5)


def test_equals_keras(golden):
    a, b, p = golden["corners"], golden["other"], golden["parameters"]
    check = np.testing.assert_allclose
    affine = bounding_boxes.affine_transform(a, *p, height=HEIGHT, width=WIDTH)
    check(affine, golden["affine"], rtol=1e-5, atol=1e-4)
    centre = bounding_boxes.affine_transform(a, *p, height=HEIGHT, width=WIDTH, center_x=0.2, center_y=0.7)
    check(centre, golden["affine_centre"], rtol=1e-5, atol=1e-4)
    single = bounding_boxes.affine_transform(a[0], *p[:, :1], height=HEIGHT, width=WIDTH)
    check(single, golden["affine"][0], rtol=1e-5, atol=1e-4)
    masked = np.where(np.arange(6)[None, :, None] == 2, -1.0, a).astype("float32")
    iou = bounding_boxes.compute_iou(masked, b, "yxyx", use_masking=True, mask_val=-7)
    check(iou, golden["iou_masked"], rtol=1e-5, atol=1e-6)
    check(bounding_boxes.compute_ciou(a[:, :4], b, "center_xywh"), golden["ciou"], rtol=1e-5, atol=1e-6)
    for encoding in ("center_xywh", "center_yxhw"):
        arguments = ("xyxy", "xyxy", encoding, [0.1, 0.1, 0.2, 0.2])
        deltas = bounding_boxes.encode_box_to_deltas(a[0, :4], b, *arguments)
        check(deltas, golden[f"deltas/{encoding}"], rtol=1e-5, atol=1e-5)
        check(bounding_boxes.decode_deltas_to_boxes(a[0, :4], deltas, *arguments), b, rtol=1e-4, atol=1e-3)
        levels = bounding_boxes.decode_deltas_to_boxes({0: a[0, :4]}, {0: deltas}, *arguments)
        check(levels[0], b, rtol=1e-4, atol=1e-3)


def test_crop_pad_and_clip():
    part = bounding_boxes.crop(BOX, top=10, left=20, height=10, width=20)
    np.testing.assert_array_equal(part, [[[0, 0, 10, 10], [0, 0, 20, 10]]])
    np.testing.assert_array_equal(bounding_boxes.pad(BOX, top=1, left=2)[0, 0], [12, 6, 32, 26])
    clipped = bounding_boxes.clip_to_image_size({"boxes": BOX, "labels": np.array([[4, 5]])}, height=5, width=20)
    np.testing.assert_array_equal(clipped["boxes"], [[[10, 5, 20, 5], [0, 0, 20, 5]]])
    assert clipped["labels"].tolist() == [[-1, 5]]


def test_ciou_has_a_gradient_and_compiles():
    a = ops.convert_to_tensor(BOX[0])
    moved = ops.convert_to_tensor(BOX[0] + 3.0)

    def loss(b):
        return ops.sum(1.0 - bounding_boxes.compute_ciou(b, moved, "xyxy"))

    gradient = rustdl.grad(loss)(a)
    step = 1e-2
    numeric = [
        (float(loss(a + step * basis)) - float(loss(a - step * basis))) / (2 * step)
        for basis in np.eye(8, dtype="float32").reshape(8, 2, 4)
    ]
    np.testing.assert_allclose(np.asarray(gradient).ravel(), numeric, rtol=0.02, atol=2e-4)
    np.testing.assert_allclose(rustdl.jit(loss)(a), loss(a), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bounding_boxes.convert_format(BOX, "xyxy", "polar"), ValueError, "Invalid source or target"),
        (lambda: bounding_boxes.convert_format(BOX, "xyxy", "rel_xyxy"), ValueError, "`height` and `width`"),
        (lambda: bounding_boxes.convert_format(BOX[..., :3], "xyxy", "xywh"), ValueError, "last dimension of 4"),
        (lambda: bounding_boxes.clip_to_image_size({"boxes": BOX}), ValueError, "must be set"),
        (lambda: bounding_boxes.clip_to_image_size({"boxes": BOX}, 1, 1, "xywh"), NotImplementedError, "xywh"),
        (lambda: bounding_boxes.crop(BOX, 0, 0, 1, 1, "xywh"), NotImplementedError, "xywh"),
        (lambda: bounding_boxes.compute_iou(BOX[0, 0], BOX, "xyxy"), ValueError, "boxes1"),
        (lambda: bounding_boxes.compute_iou(BOX, BOX, "rel_xyxy"), ValueError, "image_shape"),
        (lambda: bounding_boxes.compute_ciou(BOX, BOX, "rel_xyxy"), ValueError, "image_shape"),
        (lambda: bounding_boxes.encode_box_to_deltas(BOX, BOX, "xyxy", "xyxy", "xywh"), ValueError, "encoding_format"),
        (
            lambda: bounding_boxes.decode_deltas_to_boxes(BOX, BOX, "xyxy", "xyxy", variance=[1.0]),
            ValueError,
            "length 4",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
