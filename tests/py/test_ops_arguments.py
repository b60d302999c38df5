"""Arguments of `ops` that Keras has beyond the engine's, against numpy; symbolic calls; complex results."""

import numpy as np
import pytest

import rustdl
from rustdl import KerasTensor, ops

RNG = np.random.default_rng(5)


def test_unique():
    x = RNG.integers(0, 5, (4, 6))
    found = ops.unique(x, return_index=True, return_inverse=True, return_counts=True)
    want = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    for got, expected in zip(found, want, strict=True):
        np.testing.assert_array_equal(np.asarray(got).reshape(-1), expected.reshape(-1))
    np.testing.assert_array_equal(np.asarray(found[0])[np.asarray(found[2])], x)
    rows, inverse = ops.unique([[1, 0], [0, 1], [1, 0]], axis=0, return_inverse=True)
    assert (rows.tolist(), inverse.tolist()) == ([[0, 1], [1, 0]], [1, 0, 1])
    found = ops.unique([3, 1, 2, 1], size=5, fill_value=-1, return_index=True, return_counts=True)
    assert [a.tolist() for a in found] == [[1, 2, 3, -1, -1], [1, 2, 0, 1, 1], [2, 1, 1, 0, 0]]
    assert ops.unique([3, 1, 2, 1], size=2).tolist() == [1, 2]
    assert ops.unique(KerasTensor((2, 3)), axis=1, size=2).shape == (2, 2)


def test_unstack_along_an_unknown_axis():
    steps = KerasTensor((None, None, 4))
    assert [part.shape for part in ops.unstack(steps, num=3, axis=1)] == [(None, 4)] * 3
    with pytest.raises(ValueError, match="Cannot infer argument `num`"):
        ops.unstack(steps, axis=1)
    with pytest.raises(ValueError, match=r"num=2, but axis 1 .* has size 3"):
        ops.unstack(KerasTensor((2, 3)), num=2, axis=1)


def test_the_number_of_segments_in_a_graph():
    ids = KerasTensor((None,), dtype="int32")
    assert ops.segment_sum(KerasTensor((None, 4)), ids, num_segments=5).shape == (5, 4)
    assert ops.segment_max(KerasTensor((6, 4)), ids).shape == (None, 4)
    with pytest.raises(ValueError, match="same leading dimension"):
        ops.segment_sum(KerasTensor((6, 4)), KerasTensor((5,), dtype="int32"))


def test_sizes_that_depend_on_values_run_eagerly_only():
    rows, ids = rustdl.Input((4,)), rustdl.Input((), dtype="int32")
    sums = ops.segment_sum(rows, ids)
    assert sums.shape == (None, 4)
    model = rustdl.Model([rows, ids], sums)
    x, y = np.arange(20, dtype="float32").reshape(5, 4), np.array([0, 2, 2, 1, 0], "int32")
    np.testing.assert_array_equal(model([x, y]), [x[0] + x[4], x[3], x[1] + x[2]])
    with pytest.raises(ValueError, match="pass `num_segments`"):
        model.predict([x, y], verbose=0)
    (where,) = ops.nonzero(ops.reshape(rows, (-1,)))
    assert where.shape == (None,)
    model = rustdl.Model(rows, ops.take(ops.reshape(rows, (-1,)), where))
    assert model(x - 3).tolist() == [i - 3 for i in range(20) if i != 3]
    assert [i.shape for i in ops.where(KerasTensor((2, 3)))] == [(None,)] * 2
    assert ops.slice(KerasTensor((3, 3)), KerasTensor((2,), dtype="int32"), (-1, 2)).shape == (None, 2)


def test_reductions_with_an_initial_value():
    x = RNG.normal(size=(3, 4)).astype("float32")
    for name in ("max", "min"):
        for arguments in ({}, {"axis": 1}, {"axis": (0, 1), "keepdims": True}):
            want = getattr(np, name)(x, initial=0.3, **arguments)
            np.testing.assert_array_equal(getattr(ops, name)(x, initial=0.3, **arguments), np.float32(want))
    assert ops.max(np.zeros((0, 2), "float32"), axis=0, initial=2.5).tolist() == [2.5, 2.5]


def test_linspace_gives_its_step():
    numbers, step = ops.linspace(1.0, 3.0, 5, retstep=True)
    assert (numbers.tolist(), float(step)) == ([1, 1.5, 2, 2.5, 3], 0.5)
    assert float(ops.linspace(0.0, 1.0, 4, endpoint=False, retstep=True)[1]) == 0.25


def test_small_integers():
    assert ops.cumsum(np.ones(3, "int16")).dtype == "int16"
    assert ops.cumprod([True, False]).dtype == "int32"
    a, b = np.full((2, 3), 100, "int8"), np.full((3, 2), -100, "int8")
    np.testing.assert_array_equal(ops.matmul(a, b).numpy(), a.astype("int32") @ b)
    np.testing.assert_array_equal(ops.einsum("ij,jk->ik", a, b).numpy(), a.astype("int32") @ b)
    assert ops.add(np.ones(1, "uint32"), np.ones(1, "int8")).dtype == "int32"


def test_halves_do_not_overflow_on_the_way():
    x = np.full(3, 65504, "float16")
    assert float(ops.mean(x)) == 65504
    assert float(ops.moments(x, axes=[0])[0]) == 65504
    y = RNG.normal(size=999).astype("float16")
    assert float(ops.median(y)) == float(np.median(y))


def test_scale_of_a_normalization_lies_along_its_axis_or_broadcasts():
    x = RNG.normal(size=(2, 4, 5)).astype("float32")
    plain = np.asarray(ops.rms_normalization(x, axis=1))
    for shape, along in (((4,), (4, 1)), ((5,), (5,)), ((4, 1), (4, 1)), ((), ())):
        scale = RNG.normal(size=shape).astype("float32")
        found = ops.rms_normalization(x, scale=scale, axis=1)
        np.testing.assert_allclose(found, plain * scale.reshape(along), rtol=1e-6)


def test_quantiles_beside_infinities():
    x = np.array([1.0, 2.0, np.inf, np.inf, -np.inf])
    assert float(ops.quantile(x, 0.25)) == 1.0
    assert float(ops.nanmedian([np.inf, np.nan])) == np.inf


def test_view():
    assert ops.view(np.array([[1, 2]], "int32"), "int16").shape == (1, 4)
    assert ops.view(ops.cast([1.0], "bfloat16"), "int16").tolist() == [16256]
    assert ops.view(np.array([16256], "int16"), "bfloat16").dtype == "bfloat16"
    with pytest.raises(ValueError, match="scalar"):
        ops.view(np.array(1, "int16"), "int8")


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda: ops.add(KerasTensor((None, 3)), KerasTensor((2, None))), (2, 3)),
        (lambda: ops.add(KerasTensor((None, None, 3)), KerasTensor((2, 3))), (None, 2, 3)),
        (lambda: ops.matmul(KerasTensor((None, 3)), KerasTensor((None, 4))), (None, 4)),
        (lambda: ops.einsum("ii->i", KerasTensor((None, 3))), (3,)),
        (lambda: ops.take(KerasTensor((None, 3)), KerasTensor((4,)), axis=1), (None, 4)),
        (lambda: ops.bitwise_and(KerasTensor((None, 3)), KerasTensor((2, 3))), (2, 3)),
        (lambda: ops.stft(KerasTensor((None, 40)), 8, 3, 16)[0], (None, 14, 9)),
        (lambda: ops.rearrange(KerasTensor((None, 4, 6)), "b (h w) c -> b c h w", h=2), (None, 6, 2, 2)),
    ],
)
def test_symbolic_shapes(call, shape):
    assert call().shape == shape


def test_what_cannot_fit_is_still_an_error():
    with pytest.raises(ValueError, match="broadcast"):
        ops.add(KerasTensor((None, 3)), KerasTensor((None, 4)))
    with pytest.raises(TypeError, match="integers"):
        ops.bitwise_and(np.ones(2, "float32"), 1)


def test_complex_results_are_numpy_arrays():
    z = ops.polar(np.array([1.0, 2.0], "float32"), np.array([2.0, 3.0], "float32"))
    np.testing.assert_allclose(z, [np.exp(2j), 2 * np.exp(3j)], rtol=1e-6)
    parts = ops.view_as_real(z)
    np.testing.assert_array_equal(ops.view_as_complex(parts), z)
    np.testing.assert_array_equal(ops.real(z).numpy(), z.real)
    np.testing.assert_array_equal(ops.imag(z).numpy(), z.imag)
    values, vectors = ops.eig(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    np.testing.assert_allclose(np.array([[0.0, 1.0], [-1.0, 0.0]]) @ vectors, vectors * values, atol=1e-12)
    assert ops.eig(np.diag([1.0, 2.0]))[0].tolist() == [1.0, 2.0]
    with pytest.raises(NotImplementedError, match="complex"):
        rustdl.grad(lambda x: ops.sum(ops.real(ops.polar(x, x))))(1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.fft((np.zeros((2, 0)), np.zeros((2, 0)))),
        lambda: ops.fft(np.zeros(3)),
        lambda: ops.fft((np.zeros(3), np.zeros(2))),
        lambda: ops.fft2((np.zeros(3), np.zeros(3))),
        lambda: ops.rfft(np.zeros(3), 0),
        lambda: ops.irfft((np.zeros((3, 1)), np.zeros((3, 1)))),
        lambda: ops.stft(np.zeros(16, "float32"), 8, 0, 8),
        lambda: ops.stft(np.zeros(16, "float32"), 8, 2, 4),
        lambda: ops.stft(np.zeros(16, "float32"), 8, 2, 8, window="box"),
        lambda: ops.fold(np.zeros((1, 8, 5)), 4, 2),
        lambda: ops.rearrange(np.zeros((2, 6)), "b (h w) -> b h w", h=4),
        lambda: ops.rearrange(np.zeros((2, 6)), "a b -> a"),
        lambda: ops.ctc_decode(np.zeros((1, 2, 3)), [2], strategy="best"),
        lambda: ops.norm(np.zeros((2, 2)), ord="max"),
    ],
)
def test_bad_arguments(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()


def test_source_inputs_without_an_input_layer():
    a, b = KerasTensor((2,)), KerasTensor((2,))
    found = rustdl.utils.get_source_inputs(ops.square(a + b + a))
    assert len(found) == 2
    assert found[0] is a
    assert found[1] is b


def test_softmax_over_one_element_warns():
    with pytest.warns(UserWarning, match="sigmoid instead"):
        assert ops.softmax(np.zeros((2, 1), "float32")).tolist() == [[1], [1]]
    ops.softmax(np.zeros((1, 2), "float32"))  # a batch of one is nothing special
    ops.softmax(np.zeros((2, 3, 1), "float32"))  # attention to a single key


def test_cholesky_of_an_indefinite_matrix_says_so():
    x = np.stack([np.eye(2), [[1.0, 2.0], [2.0, 1.0]]])
    with pytest.raises(ValueError, match="not positive definite"):
        ops.cholesky(x)
    assert np.isnan(np.asarray(rustdl.jit(ops.cholesky)(x))).any()  # values are not known in there
    assert np.isnan(np.asarray(ops.cholesky(x * np.nan))).any()
    x = RNG.normal(size=(3, 4, 4))
    x = x @ np.swapaxes(x, 1, 2)
    np.testing.assert_allclose(ops.cholesky(x), np.linalg.cholesky(x), atol=1e-5)
    np.testing.assert_allclose(ops.cholesky(x, upper=True), np.swapaxes(np.linalg.cholesky(x), 1, 2), atol=1e-5)


def test_layer_normalization_with_the_deprecated_scaling():
    x = RNG.normal(size=(3, 5)).astype("float32")
    with pytest.warns(UserWarning, match="deprecated"):
        got = ops.layer_normalization(x, gamma=np.full(5, 2.0, "float32"), rms_scaling=True, epsilon=1e-3)
    np.testing.assert_allclose(got, 2 * x / np.sqrt(x.var(axis=1, keepdims=True) + 1e-3), rtol=1e-5)


def test_the_size_of_a_batch_of_unknown_length():
    inputs = rustdl.Input((3,))
    assert ops.size(KerasTensor((2, 3))) == 6
    assert ops.size(inputs).shape == ()
    model = rustdl.Model(inputs, inputs / ops.cast(ops.size(inputs), "float32"))
    for rows in (2, 5):
        np.testing.assert_allclose(model.predict(np.ones((rows, 3)), verbose=0), np.full((rows, 3), 1 / (3 * rows)))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4), (1, 1)])
def test_lu_factor_of_any_shape(shape):
    x = RNG.normal(size=shape)
    factors, pivots = (np.asarray(a) for a in ops.lu_factor(x))
    m, n = shape[-2:]
    k = min(m, n)
    assert pivots.shape == (*shape[:-2], k)
    lower = np.tril(factors, -1)[..., :k] + np.eye(m, k)
    product = lower @ np.triu(factors)[..., :k, :]
    for rows, exchanged in zip(x.reshape(-1, m, n), pivots.reshape(-1, k), strict=True):
        for i, j in enumerate(exchanged):
            rows[[i, j]] = rows[[j, i]]
    np.testing.assert_allclose(product, x, atol=1e-6)
    assert np.abs(lower).max(initial=0) <= 1


@pytest.mark.parametrize(
    ("dtype", "to"), [("int32", "int16"), ("int16", "int32"), ("float32", "uint8"), ("int32", "float32")]
)
def test_view_in_a_graph(dtype, to):
    x = RNG.integers(0, 100, (3, 4)).astype(dtype)
    inputs = rustdl.Input((4,), dtype=dtype)
    outputs = ops.view(inputs, to)
    assert outputs.dtype == to
    assert outputs.shape == (None, *x.view(to).shape[1:])
    np.testing.assert_array_equal(rustdl.Model(inputs, outputs)(x), x.view(to))
    with pytest.raises(ValueError, match="no whole number"):
        ops.view(KerasTensor((2, 3), dtype="int16"), "int64")


def test_batch_normalization_names_the_vector_that_does_not_fit():
    x, five = KerasTensor((None, 3, 5)), np.ones(5, "float32")
    for name in ("offset", "scale"):
        with pytest.raises(ValueError, match=f"`{name}` must be a vector of length 5"):
            ops.batch_normalization(x, five, five, axis=-1, **{name: np.ones(3, "float32")})
    with pytest.raises(ValueError, match=r"`variance` must be a vector of length 5.*\(1, 5\)"):
        ops.batch_normalization(np.zeros((2, 5)), five, np.ones((1, 5)), axis=-1)
