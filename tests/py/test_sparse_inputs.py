"""Sparse matrices of scipy as data: the same numbers as for the dense array."""

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

sparse = pytest.importorskip("scipy.sparse")

RNG = np.random.default_rng(0)
DENSE = np.where(RNG.random((70, 12)) < 0.2, RNG.normal(size=(70, 12)), 0.0).astype("float32")
Y = RNG.normal(size=(70, 1)).astype("float32")


def _model():
    rustdl.utils.set_random_seed(0)
    model = rustdl.Sequential([rustdl.Input((12,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("form", ["csr", "coo", "csc"])
def test_fit_evaluate_predict(form):
    x = getattr(sparse, f"{form}_matrix")(DENSE)
    got, want = _model(), _model()
    first = got.fit(x, Y, epochs=2, batch_size=16, shuffle=False, validation_split=0.2, verbose=0).history
    second = want.fit(DENSE, Y, epochs=2, batch_size=16, shuffle=False, validation_split=0.2, verbose=0).history
    for name in second:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-5)
    np.testing.assert_allclose(got.predict(x, verbose=0), want.predict(DENSE, verbose=0), rtol=1e-5)
    weight = RNG.random(70)
    ours = got.evaluate(x, Y, sample_weight=weight, verbose=0)
    np.testing.assert_allclose(ours, want.evaluate(DENSE, Y, sample_weight=weight, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(got.train_on_batch(x, Y), want.train_on_batch(DENSE, Y), rtol=1e-5)
    np.testing.assert_allclose(got(x), want(DENSE), rtol=1e-5)


def test_every_epoch_sees_all_rows_in_another_order():
    seen = []

    class Seen(rustdl.Model):
        def train_step(self, data):
            seen.append(np.asarray(data[0]))
            return {}

    model = Seen()
    model.compile(run_eagerly=True)
    model.fit(sparse.csr_array(DENSE), Y, epochs=2, batch_size=32, verbose=0)
    epochs = np.concatenate(seen).reshape(2, 70, 12)
    key = tuple(DENSE.T)
    for epoch in epochs:
        np.testing.assert_array_equal(epoch[np.lexsort(tuple(epoch.T))], DENSE[np.lexsort(key)])
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], DENSE)


def test_generators_and_ops():
    def batches():
        for start in range(0, 64, 16):
            yield sparse.csr_matrix(DENSE[start : start + 16]), Y[start : start + 16]

    got, want = _model(), _model()
    got.fit(batches(), verbose=0)
    want.fit(DENSE[:64], Y[:64], batch_size=16, shuffle=False, verbose=0)
    np.testing.assert_allclose(got.get_weights()[0], want.get_weights()[0], rtol=1e-5)
    np.testing.assert_array_equal(ops.convert_to_tensor(sparse.coo_matrix(DENSE)), DENSE)


def test_mistakes():
    with pytest.raises(ValueError, match="cardinality"):
        _model().fit(sparse.csr_matrix(DENSE), Y[:5], verbose=0)
    with pytest.raises(ValueError, match="empty"):
        _model().predict(sparse.csr_matrix((0, 12), dtype="float32"), verbose=0)
