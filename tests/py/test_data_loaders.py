"""Datasets from folders and series, image files, Config, the older names and configurations."""

import io
import json
import pickle
import wave

import numpy as np
import pytest

import rustdl
from rustdl.utils import (
    Config,
    array_to_img,
    audio_dataset_from_directory,
    image_dataset_from_directory,
    img_to_array,
    load_img,
    save_img,
    text_dataset_from_directory,
    timeseries_dataset_from_array,
)


@pytest.fixture
def texts(tmp_path):
    for name, count in (("bad", 5), ("good", 8)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.txt").write_text(f"{name} text {i}")
    (tmp_path / "bad" / "notes.md").write_text("not a text")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def everything(dataset):
    parts = list(dataset)
    return [x for xs, _ in parts for x in xs], np.concatenate([np.asarray(ys) for _, ys in parts])


def test_texts_with_labels_in_alphabetical_order(texts, capsys):
    data = text_dataset_from_directory(texts, batch_size=4, shuffle=False)
    assert "Found 13 files belonging to 2 classes." in capsys.readouterr().out
    assert data.class_names == ["bad", "good"]
    assert len(data) == 4
    x, y = everything(data)
    assert y.tolist() == [0] * 5 + [1] * 8
    assert x == [f"{('bad', 'good')[c]} text {i}" for c, i in zip(y, [*range(5), *range(8)], strict=True)]
    assert data[0][1].dtype == "int32"


def test_shuffled_orders_follow_the_seed_and_change_with_each_pass(texts):
    first = text_dataset_from_directory(texts, seed=3, verbose=False)
    again = text_dataset_from_directory(texts, seed=3, verbose=False)
    # The files are in the order that Keras' `index_directory` gives for this seed.
    expected = text_dataset_from_directory(texts, shuffle=False, verbose=False).file_paths
    np.random.RandomState(3).shuffle(expected)
    assert first.file_paths == again.file_paths == expected
    passes = [everything(first)[0] for _ in range(3)]
    assert [everything(again)[0] for _ in range(3)] == passes
    assert passes[0] != passes[1]
    assert sorted(passes[0]) == sorted(passes[1])
    one_order = text_dataset_from_directory(texts, seed=3, verbose=False, format="grain")
    assert everything(one_order)[0] == everything(one_order)[0]
    for x, y in [everything(first)]:
        assert [t.startswith("good") for t in x] == y.astype(bool).tolist()


@pytest.mark.parametrize(("mode", "shape", "dtype"), [("binary", (1,), "float32"), ("categorical", (2,), "float32")])
def test_label_modes(texts, mode, shape, dtype):
    _, y = text_dataset_from_directory(texts, label_mode=mode, batch_size=None, verbose=False)[0]
    assert (y.shape, y.dtype) == (shape, dtype)
    alone = text_dataset_from_directory(texts, labels=None, max_length=3, verbose=False)
    assert set(alone[0]) == {"bad", "goo"}
    given = text_dataset_from_directory(texts, labels=list(range(13)), shuffle=False, batch_size=13, verbose=False)
    assert np.asarray(given[0][1]).tolist() == list(range(13))


def test_validation_split_has_no_overlap(texts):
    options = {"validation_split": 0.4, "seed": 1, "verbose": False}
    train, valid = text_dataset_from_directory(texts, subset="both", **options)
    assert set(train.file_paths).isdisjoint(valid.file_paths)
    assert (len(train.file_paths), len(valid.file_paths)) == (8, 5)
    assert text_dataset_from_directory(texts, subset="validation", **options).file_paths == valid.file_paths
    assert everything(valid)[0] == everything(valid)[0]


def test_steps_of_pipelines(texts):
    data = text_dataset_from_directory(texts, batch_size=2, shuffle=False, verbose=False)
    layer = rustdl.layers.TextVectorization(output_mode="multi_hot")
    layer.adapt(data.map(lambda x, y: x))
    vectors = data.map(lambda x, y: (layer(x), y)).cache().prefetch(2)
    assert len(vectors.take(3)) == 3
    assert len(vectors.skip(3)) == 4
    assert vectors.class_names == ["bad", "good"]
    model = rustdl.Sequential([rustdl.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    history = model.fit(vectors, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert model.predict(vectors.map(lambda x, y: x), verbose=0).shape == (13, 1)


def test_refused_arguments(texts, tmp_path):
    def call(**options):
        text_dataset_from_directory(texts, verbose=False, **options)

    for options, message in (
        ({"labels": "file"}, "list/tuple of integer labels"),
        ({"labels": [1], "class_names": ["a"]}, "only pass `class_names`"),
        ({"class_names": ["ugly"]}, "did not match"),
        ({"labels": [1, 2]}, "match the number of files"),
        ({"label_mode": "one_hot"}, "`label_mode`"),
        ({"validation_split": 2, "subset": "training"}, "between 0 and 1"),
        ({"validation_split": 0.2}, "If `subset` is set"),
        ({"validation_split": 0.2, "subset": "test"}, "`subset` must be"),
        ({"validation_split": 0.2, "subset": "both"}, "provide a `seed`"),
        ({"class_names": ["bad"], "label_mode": "binary"}, "exactly 2"),
        ({"format": "torch"}, '"tf" or "grain"'),
        ({"batch_size": 0}, "positive integer"),
    ):
        with pytest.raises(ValueError, match=message):
            call(**options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="No text files found"):
        text_dataset_from_directory(tmp_path / "empty", labels=None, verbose=False)


def write_wav(path, values, width=2, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(values.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        scaled = np.round(values * (2 ** (8 * width - 1) - 1)).astype("<i4")
        raw = (scaled + 128).astype("u1") if width == 1 else scaled.reshape(-1, 1).view("u1")[:, :width]
        file.writeframes(raw.tobytes())


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_audio(tmp_path, width):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    waves = [np.sin(np.arange(n) / 5)[:, None] * [0.5, -0.25] for n in (100, 150)]
    for name, values in zip("ab", waves, strict=True):
        write_wav(tmp_path / name / "x.wav", values, width)
    x, y = audio_dataset_from_directory(tmp_path, shuffle=False, verbose=False)[0]
    assert (x.shape, y.tolist()) == ((2, 150, 2), [0, 1])
    np.testing.assert_allclose(np.asarray(x)[0, :100], waves[0], atol=2 ** (2 - 8 * width))
    assert not np.asarray(x)[0, 100:].any()
    x, _ = audio_dataset_from_directory(tmp_path, output_sequence_length=120, verbose=False)[0]
    assert x.shape == (2, 120, 2)
    pytest.importorskip("scipy")
    x, _ = audio_dataset_from_directory(tmp_path, sampling_rate=4000, verbose=False)[0]
    assert x.shape == (2, 75, 2)


def test_audio_that_is_damaged(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(ValueError, match="not a WAV file"):
        audio_dataset_from_directory(tmp_path, labels=None, verbose=False)[0]
    with pytest.raises(ValueError, match="dense tensors only"):
        audio_dataset_from_directory(tmp_path, ragged=True)


def naive_windows(data, targets, length, stride, rate, start, end):
    data = data[start:end]
    found = []
    for i in range(0, len(data), stride):
        last = i + (length - 1) * rate
        if last >= len(data) or (targets is not None and i >= len(targets)):
            break
        window = [data[i + k * rate] for k in range(length)]
        found.append(window if targets is None else (window, targets[(start or 0) + i]))
    return found


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("rate", [1, 2])
@pytest.mark.parametrize(("start", "end"), [(None, None), (5, None), (None, 20), (3, 17)])
@pytest.mark.parametrize("with_targets", [False, True])
def test_windows(length, stride, rate, start, end, with_targets):
    data = np.arange(30)
    targets = data * 10 if with_targets else None
    windows = timeseries_dataset_from_array(data, targets, length, stride, rate, None, start_index=start, end_index=end)
    expected = naive_windows(data, targets, length, stride, rate, start, end)
    found = [(x.tolist(), int(y)) for x, y in windows] if with_targets else [x.tolist() for x in windows]
    assert found == expected
    batched = timeseries_dataset_from_array(data, targets, length, stride, rate, 4, start_index=start, end_index=end)
    assert len(batched) == -(-len(expected) // 4)


def test_windows_shuffled_and_refused():
    data = np.arange(50)
    shuffled = timeseries_dataset_from_array(data, data, 3, shuffle=True, seed=1, batch_size=None)
    pairs = [(x.tolist(), int(y)) for x, y in shuffled]
    assert all(x == [y, y + 1, y + 2] for x, y in pairs)
    assert [y for _, y in pairs] != sorted(y for _, y in pairs)
    for options, message in (
        ({"sampling_rate": 0}, "higher than 0"),
        ({"sequence_stride": 60}, "lower than the length"),
        ({"start_index": -1}, "start_index"),
        ({"start_index": 9, "end_index": 4}, "higher than `start_index`"),
        ({"end_index": 60}, "lower than the length"),
    ):
        with pytest.raises(ValueError, match=message):
            timeseries_dataset_from_array(data, None, 3, **options)


pillow = pytest.importorskip("PIL.Image")


def test_images_there_and_back(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype("float32")
    path = tmp_path / "image.png"
    save_img(path, array, scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(path)), array)
    first = img_to_array(load_img(path), data_format="channels_first")
    np.testing.assert_array_equal(first, array.transpose(2, 0, 1))
    np.testing.assert_array_equal(img_to_array(array_to_img(first, "channels_first", scale=False)), array)
    assert img_to_array(load_img(path, color_mode="grayscale")).shape == (5, 7, 1)
    assert img_to_array(load_img(str(path), color_mode="rgba")).shape == (5, 7, 4)
    assert load_img(path, target_size=(3, 2)).size == (2, 3)
    assert load_img(io.BytesIO(path.read_bytes()), target_size=(4, 4), keep_aspect_ratio=True).size == (4, 4)
    scaled = img_to_array(array_to_img(np.array([[[1.0], [3.0]]])))
    assert scaled[..., 0].tolist() == [[0.0, 255.0]]
    with pytest.warns(UserWarning, match="RGBA"):
        save_img(tmp_path / "a.jpg", np.zeros((4, 4, 4)))
    with pytest.raises(ValueError, match="rank 3"):
        array_to_img(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="Invalid interpolation"):
        load_img(path, target_size=(1, 1), interpolation="best")
    with pytest.raises(TypeError, match="path-like"):
        load_img(3)


def test_image_dataset(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(3):
            save_img(tmp_path / name / f"{i}.png", rng.integers(0, 256, (8, 8, 3)), scale=False)
    data = image_dataset_from_directory(tmp_path, image_size=(8, 8), shuffle=False, batch_size=4, verbose=False)
    x, y = data[0]
    assert (x.shape, x.dtype, y.tolist()) == ((4, 8, 8, 3), "float32", [0, 0, 0, 1])
    np.testing.assert_array_equal(np.asarray(x)[3], img_to_array(load_img(data.file_paths[3])))
    grey = image_dataset_from_directory(tmp_path, image_size=8, color_mode="grayscale", data_format="channels_first")
    assert grey[0][0].shape == (6, 1, 8, 8)
    with pytest.raises(ValueError, match="nearest here"):
        image_dataset_from_directory(tmp_path, interpolation="area")
    with pytest.raises(ValueError, match="color_mode"):
        image_dataset_from_directory(tmp_path, color_mode="cmyk")
    data = image_dataset_from_directory(tmp_path, image_size=(4, 4), crop_to_aspect_ratio=True, verbose=False)
    assert data[0][0].shape == (6, 4, 4, 3)
    padded = image_dataset_from_directory(tmp_path, image_size=(4, 6), pad_to_aspect_ratio=True, verbose=False)
    assert padded[0][0].shape == (6, 4, 6, 3)


@pytest.mark.parametrize("shape", [(6, 10, 2), (10, 6, 2), (2, 6, 10, 2)])
def test_smart_resize_cuts_to_the_proportions(shape):
    resize = rustdl.preprocessing.image.smart_resize
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    out = resize(x, (3, 3), interpolation="nearest")
    assert out.shape == (*shape[:-3], 3, 3, 2)
    short = x[..., :, 2:8, :] if shape[-3] < shape[-2] else x[..., 2:8, :, :]
    np.testing.assert_array_equal(out, resize(short, (3, 3), interpolation="nearest"))


def test_config():
    config = Config(a=1)
    config.b = 2
    config["c"] = 3
    assert (config.a, config["b"], config.get("d", 4), len(config), "c" in config) == (1, 2, 4, 3, True)
    assert json.loads(config.to_json()) == config.as_dict() == dict(config.items())
    config.freeze()
    for change in (lambda: setattr(config, "a", 2), lambda: config.pop("a"), lambda: config.update(a=3)):
        with pytest.raises(ValueError, match="frozen"):
            change()
    config.unfreeze()
    del config["c"]
    assert list(config) == ["a", "b"]
    with pytest.raises(AttributeError, match="Did you mean 'learning_rate'"):
        _ = Config(learning_rate=1).learning_rat
    assert pickle.loads(pickle.dumps(config)).as_dict() == config.as_dict()


def test_older_configurations():
    legacy = rustdl.legacy.saving
    assert rustdl.utils.legacy.serialize_keras_object is legacy.serialize_keras_object
    known = {"Dense": rustdl.layers.Dense, "L2": rustdl.regularizers.L2, "square": square}
    config = legacy.serialize_keras_object(rustdl.regularizers.L2(0.25))
    assert legacy.deserialize_keras_object(config, known).get_config() == {"l2": 0.25}
    assert legacy.serialize_keras_object(square) == "square"
    assert legacy.deserialize_keras_object("square", custom_objects=known) is square
    assert legacy.deserialize_keras_object(None) is None
    with pytest.raises(ValueError, match="Unknown loss: 'cube'"):
        legacy.deserialize_keras_object("cube", known, printable_module_name="loss")
    with pytest.raises(ValueError, match="Improper config"):
        legacy.deserialize_keras_object({"name": "x"}, known)


def square(x):
    return x * x


@pytest.mark.parametrize("form", ["array", "list", "tuple", "dict", "nested", "iterable", "indexed"])
def test_split_dataset(form):
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    data = {
        "array": x,
        "list": [x, y],
        "tuple": (x, y),
        "dict": {"x": x, "y": y},
        "nested": ({"a": x, "b": (y, y)}, y),
        "iterable": iter(list(zip(x, y, strict=True))),
        "indexed": Indexed(),
    }[form]
    left, right = rustdl.utils.split_dataset(data, left_size=0.3)
    assert (len(left), len(right), left.cardinality()) == (3, 7, 3)
    first = {"array": lambda e: e, "dict": lambda e: e["x"], "nested": lambda e: e[0]["a"]}.get(form, lambda e: e[0])
    assert [np.asarray(first(e)).tolist() for e in left] == x[:3].tolist()
    assert [np.asarray(first(e)).tolist() for e in right] == x[3:].tolist()
    batches = list(right.batch(4))
    assert [first(b).shape for b in batches] == [(4, 2), (3, 2)]
    assert len(right.batch(4, drop_remainder=True)) == 1


class Indexed:
    def __len__(self):
        return 10

    def __getitem__(self, i):
        return np.array([2 * i, 2 * i + 1]), i


def test_split_dataset_shuffles_and_refuses():
    split = rustdl.utils.split_dataset
    parts = split(np.arange(10), left_size=4, shuffle=True, seed=1)
    values = [int(x) for part in parts for x in part]
    assert sorted(values) == list(range(10)) != values
    with pytest.raises(ValueError, match="one first size"):
        split((np.zeros(3), np.zeros(4)), left_size=1)
    with pytest.raises(ValueError, match="left_size"):
        split(np.zeros(3), left_size=5)
    with pytest.raises(TypeError, match="`dataset` argument"):
        split(3, left_size=0.5)


@pytest.mark.filterwarnings("ignore")
def test_split_dataset_of_torch():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.arange(10))
    left, right = rustdl.utils.split_dataset(data, left_size=0.4)
    assert (len(left), len(right), int(right[0][0])) == (4, 6, 4)
    left, _ = rustdl.utils.split_dataset(np.arange(10), left_size=0.4, preferred_backend="torch")
    assert isinstance(left[0], torch.Tensor)
