"""Functions of `ops.image` and adaptive pooling against Keras' values and gradients (tests/golden/make_image.py)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import ops

GOLDEN_DIR = Path(__file__).parents[1] / "golden"
_spec = importlib.util.spec_from_file_location("image_cases", GOLDEN_DIR / "image_cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN_DIR / "image.npz") as data:
        return dict(data)


def check(y, want, tolerance=1e-5):
    assert tuple(y.shape) == want.shape
    assert y.dtype == want.dtype
    scale = max(1, np.abs(want).max()) if want.size else 1
    np.testing.assert_allclose(np.asarray(y), want, rtol=1e-5, atol=tolerance * scale)


@pytest.mark.parametrize("name", cases.CASES)
def test_values_and_gradients(name, golden):
    function, inputs = cases.CASES[name]
    # Solving for a perspective loses a digit.
    tolerance = 1e-4 if name.startswith("perspective") else 1e-5
    y = function(ops, *inputs)
    check(y, golden[f"case/{name}/y"], tolerance)
    weights = np.linspace(-1, 1, y.size, dtype="float32").reshape(y.shape)
    gradients = rustdl.grad(lambda *x: ops.sum(function(ops, *x) * weights), argnums=tuple(range(len(inputs))))(*inputs)
    for i, gradient in enumerate(gradients):
        check(gradient, golden[f"case/{name}/g{i}"], 5 * tolerance)


@pytest.mark.parametrize("name", cases.FLAT)
def test_values_of_integers(name, golden):
    function, inputs = cases.FLAT[name]
    y, want = function(ops, *inputs), golden[f"flat/{name}/y"]
    assert (tuple(y.shape), y.dtype) == (want.shape, want.dtype)
    # The last bit of a float decides where halves go: at most one value in a hundred, by one.
    difference = np.abs(np.asarray(y).astype(int) - want)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.01


@pytest.mark.parametrize("name", [name for i, name in enumerate(cases.CASES) if i % 5 == 0])
def test_compiled_and_symbolic(name):
    function, inputs = cases.CASES[name]
    eager = function(ops, *inputs)
    compiled = rustdl.jit(lambda *x: function(ops, *x))(*map(ops.convert_to_tensor, inputs))
    np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-5)
    symbolic = function(ops, *(rustdl.KerasTensor(x.shape, str(x.dtype)) for x in inputs))
    assert symbolic.shape == eager.shape
    assert symbolic.dtype == eager.dtype


def test_unknown_sizes():
    x = rustdl.Input((None, None, 3))
    assert ops.image.resize(x, (7, 8)).shape == (None, 7, 8, 3)
    assert ops.image.pad_images(x, 2, 3, target_height=20, target_width=30).shape == (None, 20, 30, 3)
    assert ops.image.crop_images(x, 2, 3, target_height=20, target_width=30).shape == (None, 20, 30, 3)
    assert ops.image.elastic_transform(x).shape == (None, None, None, 3)
    assert ops.image.ssim(x, x).shape == (None,)
    with pytest.raises(ValueError, match="height of the images is unknown"):
        ops.image.crop_images(x, 1, 1, 1, 1)


def test_in_a_model_that_is_saved(tmp_path):
    x = rustdl.Input((8, 8, 3))
    y = ops.image.resize(ops.image.rgb_to_grayscale(x), (4, 6), interpolation="bicubic")
    model = rustdl.Model(x, y)
    model.save(tmp_path / "m.keras")
    a = cases.images(3, 8, 8, 3)
    again = rustdl.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(a, verbose=0), model.predict(a, verbose=0))


def test_elastic_transform():
    x = ops.convert_to_tensor(cases.images(2, 16, 16, 3))
    y = ops.image.elastic_transform(x, alpha=4.0, sigma=1.0, seed=3)
    assert np.array_equal(y, ops.image.elastic_transform(x, alpha=4.0, sigma=1.0, seed=3))
    assert not np.array_equal(y, ops.image.elastic_transform(x, alpha=4.0, sigma=1.0, seed=4))
    np.testing.assert_allclose(ops.image.elastic_transform(x, alpha=0.0, seed=3), x, atol=1e-6)
    assert float(ops.min(y)) >= float(ops.min(x)) - 1e-6


def test_projective_affine_transform():
    """The denominator k = c0 x + c1 y + 1 against a perspective that says the same."""
    x = cases.images(9, 13, 2)
    corners, moved = cases.CORNERS, cases.MOVED
    from rustdl.ops._image.geometry import homography

    transform = homography(corners[None], moved[None])[0]
    wanted = ops.image.perspective_transform(x, corners, moved)
    np.testing.assert_allclose(ops.image.affine_transform(x, transform), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.image.resize(x, (0, 3)), "positive height and width"),
        (lambda x: ops.image.resize(x, (3, 3, 3)), "tuple of 2 integers"),
        (lambda x: ops.image.resize(x, (3, 3), interpolation="area"), "interpolation"),
        (lambda x: ops.image.resize(x, (3, 3), fill_mode="wrap"), "fill_mode"),
        (lambda x: ops.image.resize(x[0, 0], (3, 3)), "rank 3"),
        (lambda x: ops.image.rgb_to_hsv(ops.cast(x, "uint8")), "expected float dtype"),
        (lambda x: ops.image.rgb_to_grayscale(x[..., :2]), "channel size"),
        (lambda x: ops.image.affine_transform(x, np.ones(7, "float32")), "8 parameters"),
        (lambda x: ops.image.map_coordinates(x, np.ones((3, 2), "float32"), 1), "First dim of `coordinates`"),
        (lambda x: ops.image.map_coordinates(x, np.ones((4, 2), "float32"), 2), "order"),
        (lambda x: ops.image.pad_images(x, 1, 1), "exactly two of"),
        (lambda x: ops.image.crop_images(x, 9, 0, 0, 0), "must be >= 0"),
        (lambda x: ops.image.extract_patches(x, (2, 2, 2, 2)), "length 2 or 3"),
        (lambda x: ops.image.perspective_transform(x, np.ones((3, 2)), np.ones((3, 2))), "start_points"),
        (lambda x: ops.image.ssim(x, x, filter_size=50), "smaller than the window"),
        (lambda x: ops.adaptive_max_pool(x, (1, 2, 3)), "output_size"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(ops.ones((2, 5, 6, 3)))
