"""MelSpectrogram and STFTSpectrogram against plain numpy."""

import numpy as np
import pytest

import rustdl
from rustdl import layers

SIGNAL = np.random.default_rng(0).normal(size=(2, 700)).astype("float32")


def frames(x, length, step):
    count = 1 + (x.shape[-1] - length) // step
    return np.stack([x[..., i * step : i * step + length] for i in range(count)], axis=-2)


def hann(n, periodic):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / (n if periodic else n - 1))


@pytest.mark.parametrize("mag_exp", [1.0, 2.0])
@pytest.mark.parametrize("to_db", [False, True])
@pytest.mark.parametrize(("length", "points", "step"), [(128, 128, 64), (100, 128, 33)])
def test_mel_spectrogram(mag_exp, to_db, length, points, step):
    layer = layers.MelSpectrogram(
        fft_length=points,
        sequence_length=length,
        sequence_stride=step,
        sampling_rate=8000,
        num_mel_bins=20,
        power_to_db=to_db,
        mag_exp=mag_exp,
        top_db=30.0,
        ref_power=2.0,
    )
    # The transform of `points` samples; the window is centred in them.
    x = np.pad(SIGNAL.astype("float64"), ((0, 0), (points // 2, points // 2)), mode="reflect")
    left = (points - length) // 2
    window = np.pad(hann(length, True), (left, points - length - left))
    magnitude = np.abs(np.fft.rfft(frames(x, points, step) * window)) ** mag_exp

    def mel(f):
        return 2595 * np.log10(1 + f / 700)

    edges = np.linspace(mel(20.0), mel(4000.0), 22)
    at = mel(np.linspace(0, 4000, points // 2 + 1))
    bands = np.stack([np.interp(at, edges[i : i + 3], [0.0, 1.0, 0.0]) for i in range(20)], axis=1)
    bands[0] = 0
    expected = np.swapaxes(magnitude @ bands, 1, 2)
    if to_db:
        expected = 10 * np.log10(np.maximum(expected, 1e-10) / 2.0)
        expected = np.maximum(expected, expected.max() - 30)
    found = np.asarray(layer(SIGNAL))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    assert layer(rustdl.KerasTensor((None, 700))).shape == (None, 20, expected.shape[2])
    again = layers.MelSpectrogram.from_config(layer.get_config())
    np.testing.assert_array_equal(again(SIGNAL), found)


def test_mel_spectrogram_refuses_frames_longer_than_the_transform():
    with pytest.raises(ValueError, match="`fft_length` must be greater"):
        layers.MelSpectrogram(fft_length=128, sequence_length=256)


def reference(x, mode, length, step, points, scaling):
    """`[batch, samples, channels]` -> `[batch, channels, frames, frequencies]`."""
    window = hann(length, False)
    scale = {"density": np.sqrt((window**2).sum()), "spectrum": window.sum(), None: 1.0}[scaling]
    spectrum = np.fft.rfft(frames(np.swapaxes(x, 1, 2).astype("float64"), length, step) * window / scale, n=points)
    power = np.abs(spectrum) ** 2
    doubled = power * np.where(np.isin(np.arange(points // 2 + 1), [0, points // 2]), 1, 2)
    magnitude = np.sqrt(np.maximum(power, 1e-7))
    return {
        "real": spectrum.real,
        "imag": spectrum.imag,
        "angle": np.angle(spectrum),
        "stft": np.concatenate([spectrum.real, spectrum.imag], axis=3),
        "psd": doubled,
        "magnitude": magnitude,
        "log": np.log(magnitude),
    }[mode]


@pytest.mark.parametrize("mode", ["log", "magnitude", "psd", "real", "imag", "angle", "stft"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_stft_spectrogram(mode, scaling, expand, data_format):
    pytest.importorskip("scipy")
    x = np.random.default_rng(1).normal(size=(2, 300, 3)).astype("float32")
    layer = layers.STFTSpectrogram(
        mode=mode,
        frame_length=50,
        frame_step=20,
        fft_length=64,
        scaling=scaling,
        expand_dims=expand,
        data_format=data_format,
    )
    expected = reference(x, mode, 50, 20, 64, scaling)
    axes = {"channels_last": (0, 2, 3, 1), "channels_first": (0, 1, 2, 3)}[data_format]
    if expand:
        expected = expected.transpose(axes)
    elif data_format == "channels_last":
        expected = expected.transpose(0, 2, 1, 3).reshape(2, expected.shape[2], -1)
    else:
        expected = expected.transpose(0, 1, 3, 2).reshape(2, -1, expected.shape[2])
    found = layer(x if data_format == "channels_last" else x.transpose(0, 2, 1))
    if mode == "angle":  # the angle of almost nothing is noise
        close = np.abs(np.exp(1j * np.asarray(found)) - np.exp(1j * expected)) < 1e-3
        assert close.mean() > 0.99
        return
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-4)


def test_stft_spectrogram_of_unknown_length_trains():
    pytest.importorskip("scipy")
    layer = layers.STFTSpectrogram(frame_length=1000, mode="magnitude")
    inputs = rustdl.Input((None, 1))
    x = layer(inputs)
    assert x.shape == (None, None, 513)
    model = rustdl.Model(inputs, layers.GlobalAveragePooling1D()(x))
    before = layer.get_weights()[0]
    model.compile("adam", "mse")
    model.fit(np.random.default_rng(2).normal(size=(4, 2500, 1)), np.zeros((4, 513)), verbose=0)
    assert np.abs(layer.get_weights()[0] - before).max() > 0


def test_stft_spectrogram_refuses():
    for options, message in (
        ({"frame_step": 600}, "`frame_step`"),
        ({"frame_length": 512, "fft_length": 256}, "`fft_length`"),
        ({"mode": "power"}, "Output mode"),
        ({"scaling": "l1"}, "Scaling"),
        ({"padding": "causal"}, "Padding"),
    ):
        with pytest.raises(ValueError, match=message):
            layers.STFTSpectrogram(**options)
    with pytest.raises(TypeError, match="Invalid input type"):
        layers.STFTSpectrogram(frame_length=4)(np.zeros((1, 8, 1), dtype="int32"))
