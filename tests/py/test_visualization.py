"""Boxes and masks on images, and galleries."""

import numpy as np
import pytest

from rustdl import visualization

pytest.importorskip("PIL")


def boxes(**extra):
    return {"boxes": np.array([[[4.0, 5, 12, 13], [1, 1, 3, 3]]]), "labels": np.array([[1, -1]]), **extra}


@pytest.fixture
def formats():
    return pytest.importorskip("rustdl.utils.bounding_boxes")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.usefixtures("formats")
def test_boxes_are_where_they_should_be(data_format):
    images = np.zeros((1, 20, 30, 3), dtype="uint8")
    given = images if data_format == "channels_last" else images.transpose(0, 3, 1, 2)
    out = visualization.draw_bounding_boxes(
        given, boxes(), "xyxy", color=(255, 10, 20), line_thickness=1, data_format=data_format
    )
    assert out.shape == given.shape
    out = out if data_format == "channels_last" else out.transpose(0, 2, 3, 1)
    expected = images.copy()
    expected[0, 5:14, [4, 12]] = expected[0, [5, 13], 4:13] = (255, 10, 20)
    np.testing.assert_array_equal(out, expected)
    assert not images.any()


@pytest.mark.usefixtures("formats")
def test_names_and_confidences_are_written():
    images = np.zeros((1, 60, 90, 3), dtype="float32")
    plain = visualization.draw_bounding_boxes(images, boxes(), "xyxy")
    named = visualization.draw_bounding_boxes(images, boxes(), "xyxy", class_mapping={1: "cat"})
    sure = visualization.draw_bounding_boxes(
        images, boxes(confidences=np.array([[0.5, 0.1]])), "xyxy", class_mapping={1: "cat"}
    )
    assert (plain > 0).sum() < (named > 0).sum() < (sure > 0).sum()


def test_boxes_refused():
    images = np.zeros((1, 8, 8, 3))
    with pytest.raises(TypeError, match="should be a dict"):
        visualization.draw_bounding_boxes(images, [1], "xyxy")
    with pytest.raises(ValueError, match="'boxes' and 'labels'"):
        visualization.draw_bounding_boxes(images, {"boxes": []}, "xyxy")
    with pytest.raises(ValueError, match="batched 4D"):
        visualization.draw_bounding_boxes(images[0], boxes(), "xyxy")


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("blend", [True, False])
def test_masks(axis, blend):
    images = np.full((1, 2, 2, 3), 100.0)
    masks = np.array([[[0, 1], [2, 3]]])
    given = masks if axis is None else masks[..., None]
    out = visualization.draw_segmentation_masks(
        images, given, color_mapping={1: (200, 0, 0), 2: (0, 200, 0)}, alpha=0.5, blend=blend, ignore_index=2
    )
    painted = [150, 50, 50] if blend else [200, 0, 0]
    assert out[0].tolist() == [[[100] * 3, painted], [[100] * 3, [100] * 3]]
    colored = visualization.draw_segmentation_masks(images, given, blend=False)
    assert len({tuple(p) for p in colored.reshape(-1, 3).tolist()}) == 4
    first = visualization.draw_segmentation_masks(
        images.transpose(0, 3, 1, 2), masks[:, None], blend=False, data_format="channels_first"
    )
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), colored)


def test_masks_refused():
    with pytest.raises(TypeError, match="integer dtype"):
        visualization.draw_segmentation_masks(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="a class for each pixel"):
        visualization.draw_segmentation_masks(np.zeros((1, 2, 2, 3)), np.zeros((1, 3, 2), dtype=int))


@pytest.fixture
def agg():
    pytest.importorskip("matplotlib").use("agg")


@pytest.mark.usefixtures("agg")
def test_galleries_are_written(tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (5, 16, 16, 3))
    path = tmp_path / "gallery.png"
    visualization.plot_image_gallery(images, y_true=np.arange(5), label_map={0: "zero"}, path=path)
    assert path.stat().st_size > 1000
    masks = np.zeros((5, 16, 16), dtype="int32")
    visualization.plot_segmentation_mask_gallery(images, 2, y_true=masks, y_pred=masks[..., None], path=path)
    visualization.plot_image_gallery(images[..., :1] / 255, value_range=(0, 1), rows=1, cols=2, path=path)
    with pytest.raises(ValueError, match="either `path`"):
        visualization.plot_image_gallery(images, path=path, show=True)
    with pytest.raises(ValueError, match="`label_map`"):
        visualization.plot_image_gallery(images, y_true=np.arange(5), path=path)


@pytest.mark.usefixtures("agg", "formats")
def test_gallery_of_boxes_is_written(tmp_path):
    path = tmp_path / "boxes.png"
    images = np.zeros((1, 20, 30, 3))
    visualization.plot_bounding_box_gallery(images, "xyxy", y_true=boxes(), y_pred=boxes(), legend=True, path=path)
    assert path.stat().st_size > 500
    with pytest.raises(ValueError, match="`legend` OR"):
        visualization.plot_bounding_box_gallery(images, "xyxy", legend=True, legend_handles=[1])
