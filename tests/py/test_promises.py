"""What rustdl promises beyond correct numbers: interrupts, reproducibility, threads, forks, memory, a light import."""

import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import rustdl as keras
from rustdl import _rustdl, layers

RNG = np.random.default_rng(0)
X = RNG.random((256, 20)).astype("float32")
Y = RNG.integers(0, 5, 256)


def mlp():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((20,)), layers.Dense(32, activation="relu"), layers.Dropout(0.2), layers.Dense(5)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def python(code, **environment):
    """Runs code in a new interpreter with this one's path; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------------------------------------------------ import


def test_import_is_light():
    code = """
import sys, os, threading, numpy
before = set(sys.modules)
tasks = len(os.listdir('/proc/self/task')) if os.path.isdir('/proc/self/task') else threading.active_count()
import rustdl
after = len(os.listdir('/proc/self/task')) if os.path.isdir('/proc/self/task') else threading.active_count()
new = {name.partition('.')[0] for name in set(sys.modules) - before}
print(after - tasks)
print(sorted(new - {'rustdl'} - set(sys.stdlib_module_names)))
print(sorted(new & {'h5py', 'scipy', 'sklearn', 'ml_dtypes', 'matplotlib', 'inspect', 'asyncio', 'unittest'}))
"""
    assert python(code).split("\n")[:3] == ["0", "[]", "[]"]


# ------------------------------------------------------------------------------------------------------------ Ctrl-C

INTERRUPTED = """
import os, signal, threading, time
import numpy as np
import rustdl as keras
from rustdl import layers

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell's children ignore it
rng = np.random.default_rng(0)
x, y = rng.random((65536, 64)).astype("float32"), rng.integers(0, 5, 65536)
model = keras.Sequential([keras.Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(5)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x[:64], y[:64], batch_size=32, verbose=0)
sent = []

def interrupt():
    steps = int(model.optimizer.iterations)
    while int(model.optimizer.iterations) == steps:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
    sent.append(int(model.optimizer.iterations))

threading.Thread(target=interrupt, daemon=True).start()
try:
    model.fit(x, y, batch_size=32, epochs=1000000, verbose=VERBOSE)
except KeyboardInterrupt:
    more = int(model.optimizer.iterations) - sent[0]
else:
    raise SystemExit("fit was not interrupted")
first = model.predict(x[:100], verbose=0)
assert np.isfinite(first).all()
assert np.array_equal(first, model.predict(x[:100], verbose=0))
model.fit(x[:64], y[:64], batch_size=32, verbose=0)
print("\\nmore =", more)
"""


@pytest.mark.parametrize("verbose", ["0", "1", "2"])
def test_interrupt_stops_fit_and_the_model_still_predicts(verbose):
    more_steps = int(python(INTERRUPTED.replace("VERBOSE", verbose)).split("more = ")[1].split()[0])
    # Counted in steps, not seconds, which depend on how busy the machine is; an epoch has 2048.
    assert more_steps < 2048


def test_interrupt_stops_between_two_batches():
    """A signal that arrives during a batch is answered before the next one ends."""
    model = mlp()
    model.fit(X, Y, batch_size=32, verbose=0)
    before = int(model.optimizer.iterations)

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=32, verbose=0, callbacks=[Interrupt()])
    assert int(model.optimizer.iterations) == before + 3
    assert model.predict(X, verbose=0).shape == (256, 5)


# --------------------------------------------------------------------------------------------------- reproducibility

DEMO = """
import hashlib
import numpy as np
import rustdl as keras
from rustdl import layers

rng = np.random.default_rng(0)
x, y = rng.random((300, 8, 8, 1)).astype("float32"), rng.integers(0, 10, 300)
keras.utils.set_random_seed(7)
model = keras.Sequential([
    keras.Input((8, 8, 1)),
    layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(2),
    layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(2),
    layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=32, epochs=3, verbose=0)
digest = hashlib.sha256()
for weight in model.get_weights():
    digest.update(np.ascontiguousarray(weight).tobytes())
digest.update(model.predict(x, verbose=0).tobytes())
print(keras.num_threads(), digest.hexdigest())
"""


def test_weights_do_not_depend_on_the_number_of_threads():
    runs = [python(DEMO, RUSTDL_NUM_THREADS=str(n)).split() for n in (1, 2, 4)]
    assert [threads for threads, _ in runs] == ["1", "2", "4"]
    assert len({digest for _, digest in runs}) == 1


def test_another_seed_gives_other_weights():
    a, b = (python(DEMO.replace("set_random_seed(7)", f"set_random_seed({seed})")) for seed in (7, 8))
    assert a.split()[1] != b.split()[1]


# ------------------------------------------------------------------------------------------------- threads and forks


def test_predict_from_eight_threads():
    model = mlp()
    expected = model.predict(X, verbose=0)
    results, errors = [], []

    def work():
        try:
            for _ in range(5):
                results.append(model.predict(X, verbose=0))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(results) == 40
    assert all(np.array_equal(result, expected) for result in results)


FORKED = """
import os, sys, time, warnings
import numpy as np
import rustdl as keras
from rustdl import layers

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, for a fork with threads
x = np.random.default_rng(0).random((4096, 256)).astype("float32")
model = keras.Sequential([keras.Input((256,)), layers.Dense(256, activation="relu"), layers.Dense(10)])
expected = model.predict(x, verbose=0)
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(model.predict(x, verbose=0), expected) else 1)
    deadline = time.monotonic() + 60
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, 9)
            sys.exit("the child hangs")
        time.sleep(0.005)
    if status != 0:
        sys.exit(f"the child ended with status {status}")
print("forked")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_use():
    assert "forked" in python(FORKED, RUSTDL_NUM_THREADS="2")


# ------------------------------------------------------------------------------------------------------------ memory


def settled():
    """The number of live tensors once nothing unreachable is left."""
    for _ in range(3):
        gc.collect()
    return _rustdl.live_tensors()


def test_nothing_is_alive_after_a_model_is_gone():
    def use():
        keras.backend.clear_session()
        model = mlp()
        model.fit(X, Y, batch_size=32, epochs=2, validation_split=0.25, verbose=0)
        model.evaluate(X, Y, verbose=0)
        model.predict(X, verbose=0)
        model.train_on_batch(X[:32], Y[:32])
        value, gradient = keras.value_and_grad(lambda x: keras.ops.sum(model(x) ** 2))(X)
        assert gradient.shape == X.shape
        assert np.isfinite(float(value))
        keras.backend.clear_session()

    use()  # fills the caches that the process keeps
    before = settled()
    use()
    use()
    assert settled() == before


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_memory_does_not_grow_with_the_steps():
    model = mlp()
    model.fit(X, Y, batch_size=8, epochs=20, verbose=0)
    for _ in range(200):
        model.train_on_batch(X[:8], Y[:8])
        model.predict_on_batch(X[:8])
    tensors, before, steps = settled(), resident_bytes(), 0
    model.fit(X, Y, batch_size=8, epochs=60, verbose=0)
    steps += 60 * 32
    for _ in range(1000):
        model.train_on_batch(X[:8], Y[:8])
        model.predict_on_batch(X[:8])
        steps += 2
    assert settled() == tensors
    assert (resident_bytes() - before) / steps <= 1024


# ------------------------------------------------------------------------------------------------------ Python's part


def python_calls(model, rows, arguments):
    """How many Python functions one epoch over so many rows calls."""
    x, y = np.resize(X, (rows, 20)), np.resize(Y, rows)
    arguments = arguments(x, y)
    model.fit(x, y, batch_size=4, verbose=0, **arguments)
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        model.fit(x, y, batch_size=4, verbose=0, **arguments)
    finally:
        sys.setprofile(None)
    return calls


THIN = {
    "plain": lambda x, y: {},
    "in order": lambda x, y: {"shuffle": False},
    "shuffled batches": lambda x, y: {"shuffle": "batch"},
    "class weights": lambda x, y: {"class_weight": {0: 0.5, 3: 2.0}},
    "sample weights": lambda x, y: {"sample_weight": np.linspace(0, 1, len(x))},
    "validation data": lambda x, y: {"validation_data": (x, y)},
    "weighted validation data": lambda x, y: {"validation_data": (x, y, np.linspace(0, 1, len(x)))},
    "validation split": lambda x, y: {"validation_split": 0.5},
    "callbacks of epochs": lambda x, y: {
        "callbacks": [keras.callbacks.EarlyStopping("loss"), keras.callbacks.ReduceLROnPlateau("loss")]
    },
}


@pytest.mark.parametrize("kind", THIN)
def test_no_python_runs_for_a_batch(kind):
    model = mlp()
    model.add(layers.BatchNormalization())
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.01, 100), clipnorm=1.0, use_ema=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)],
        weighted_metrics=["accuracy"],
    )
    gc.disable()
    try:
        few, many = (python_calls(model, rows, THIN[kind]) for rows in (64, 64 * 50))
    finally:
        gc.enable()
    # 16 batches and 800 batches: the same calls.
    assert many == few


def test_two_models_train_in_two_threads():
    def train(result, index):
        keras_model = models[index]
        keras_model.fit(X, Y, batch_size=32, epochs=3, shuffle=False, verbose=0)
        result[index] = keras_model.get_weights()

    models, alone, together = [mlp(), mlp()], {}, {}
    train(alone, 0)
    models = [mlp(), mlp()]
    threads = [threading.Thread(target=train, args=(together, i)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone[0], together[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_panic_in_a_kernel_is_an_ordinary_exception():
    """Eagerly and inside a compiled step; afterwards everything works."""
    x = np.ones((4, 4), "float32")
    _rustdl._inject_panic("matmul")
    with pytest.raises(RuntimeError, match="matmul: internal error: injected"):
        keras.ops.matmul(x, x)
    np.testing.assert_array_equal(keras.ops.matmul(x, x), x @ x)

    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(x, x[:, :2], verbose=0)
    _rustdl._inject_panic("matmul")
    with pytest.raises(Exception, match="injected") as raised:
        model.fit(x, x[:, :2], verbose=0)
    assert isinstance(raised.value, RuntimeError)
    model.fit(x, x[:, :2], verbose=0)
    assert np.isfinite(model.predict(x, verbose=0)).all()
