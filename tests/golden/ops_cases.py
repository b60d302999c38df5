"""Calls of functions of `ops`, written so that Keras and rustdl both run them: value and gradients are compared."""

import numpy as np

_RANDOM = np.random.default_rng(4)


def _x(*shape: int) -> np.ndarray:
    return _RANDOM.normal(size=shape).astype("float32")


def _positive(*shape: int) -> np.ndarray:
    return _RANDOM.uniform(0.5, 2.0, size=shape).astype("float32")


WINDOW = np.linspace(0.2, 1.0, 6).astype("float32")

# Name: (function of the `ops` module and the inputs, inputs). All inputs are differentiated.
CASES = {
    "fft": (lambda ops, a, b: ops.fft((a, b)), [_x(3, 7), _x(3, 7)]),
    "fft2": (lambda ops, a, b: ops.fft2((a, b)), [_x(2, 4, 5), _x(2, 4, 5)]),
    "ifft2": (lambda ops, a, b: ops.ifft2((a, b)), [_x(2, 4, 5), _x(2, 4, 5)]),
    "rfft": (lambda ops, a: ops.rfft(a), [_x(3, 8)]),
    "rfft_cut": (lambda ops, a: ops.rfft(a, fft_length=5), [_x(3, 8)]),
    "rfft_filled": (lambda ops, a: ops.rfft(a, fft_length=11), [_x(3, 8)]),
    "irfft": (lambda ops, a, b: ops.irfft((a, b)), [_x(3, 5), _x(3, 5)]),
    "irfft_odd": (lambda ops, a, b: ops.irfft((a, b), fft_length=7), [_x(3, 5), _x(3, 5)]),
    "stft": (lambda ops, a: ops.stft(a, 6, 2, 8), [_x(2, 24)]),
    "stft_hamming": (lambda ops, a: ops.stft(a, 6, 4, 6, window="hamming", center=False), [_x(2, 24)]),
    "stft_window": (lambda ops, a: ops.stft(a, 6, 3, 9, window=WINDOW), [_x(24)]),
    "stft_plain": (lambda ops, a: ops.stft(a, 6, 3, 8, window=None), [_x(2, 24)]),
    "istft": (lambda ops, a, b: ops.istft((a, b), 6, 2, 8), [_x(2, 9, 5), _x(2, 9, 5)]),
    "istft_length": (lambda ops, a, b: ops.istft((a, b), 6, 2, 8, length=15), [_x(2, 9, 5), _x(2, 9, 5)]),
    "istft_window": (
        lambda ops, a, b: ops.istft((a, b), 6, 3, 6, window=WINDOW, center=False),
        [_x(5, 4), _x(5, 4)],
    ),
    "istft_plain": (lambda ops, a, b: ops.istft((a, b), 6, 3, 6, window=None), [_x(5, 4), _x(5, 4)]),
    "extract_sequences": (lambda ops, a: ops.extract_sequences(a, 5, 2), [_x(2, 3, 16)]),
    "i0": (lambda ops, a: ops.i0(a), [8 * _x(4, 5)]),
    "cdist": (lambda ops, a, b: ops.cdist(a, b), [_x(2, 4, 3), _x(2, 5, 3)]),
    "corrcoef": (lambda ops, a: ops.corrcoef(a) * np.tri(4, k=-1, dtype="float32"), [_x(4, 6)]),
    "correlate_valid": (lambda ops, a, b: ops.correlate(a, b, mode="valid"), [_x(9), _x(4)]),
    "correlate_same": (lambda ops, a, b: ops.correlate(a, b, mode="same"), [_x(4), _x(7)]),
    "correlate_full": (lambda ops, a, b: ops.correlate(a, b, mode="full"), [_x(6), _x(3)]),
    "norm": (lambda ops, a: ops.norm(a), [_x(2, 3, 4)]),
    "norm_1": (lambda ops, a: ops.norm(a, ord=1, axis=-1), [_x(2, 3, 4)]),
    "norm_3": (lambda ops, a: ops.norm(a, ord=3, axis=1, keepdims=True), [_x(2, 3, 4)]),
    "norm_inf": (lambda ops, a: ops.norm(a, ord=np.inf, axis=2), [_x(2, 3, 4)]),
    "norm_fro": (lambda ops, a: ops.norm(a, ord="fro", axis=(0, 2)), [_x(2, 3, 4)]),
    "norm_nuc": (lambda ops, a: ops.norm(a, ord="nuc", axis=(1, 2)), [_x(2, 3, 4)]),
    "norm_columns": (lambda ops, a: ops.norm(a, ord=1), [_x(3, 4)]),
    "norm_rows": (lambda ops, a: ops.norm(a, ord=-np.inf), [_x(3, 4)]),
    "norm_spectral": (lambda ops, a: ops.norm(a, ord=2), [_x(3, 4)]),
    "psnr": (lambda ops, a, b: ops.psnr(a, b, max_val=2.0), [_x(2, 4, 4, 3), _x(2, 4, 4, 3)]),
    "depth_to_space": (lambda ops, a: ops.depth_to_space(a, 2), [_x(2, 3, 2, 12)]),
    "depth_to_space_first": (
        lambda ops, a: ops.depth_to_space(a, 2, data_format="channels_first"),
        [_x(2, 12, 3, 2)],
    ),
    "space_to_depth": (lambda ops, a: ops.space_to_depth(a, 2), [_x(2, 4, 6, 3)]),
    "space_to_depth_first": (
        lambda ops, a: ops.space_to_depth(a, 3, data_format="channels_first"),
        [_x(2, 2, 6, 3)],
    ),
    "unfold": (lambda ops, a: ops.unfold(a, (2, 3), dilation=(2, 1), padding=(1, 2), stride=(2, 3)), [_x(2, 3, 6, 7)]),
    "fold": (lambda ops, a: ops.fold(a, (6, 7), (2, 3), padding=(1, 2), stride=(2, 2)), [_x(2, 18, 20)]),
    "rearrange": (lambda ops, a: ops.rearrange(a, "b (h w) c -> (b c) h w", h=2), [_x(2, 6, 4)]),
    "jvp": (lambda ops, a, b: ops.jvp(lambda x: ops.tanh(x) * ops.sum(x), [a], [b]), [_x(5), _x(5)]),
    "jvp_two": (
        lambda ops, a, b: ops.jvp(lambda x, y: {"y": ops.matmul(x, y)}, (a, b), (2 * a, b * b))[1]["y"],
        [_x(2, 3), _x(3, 2)],
    ),
    "ctc_loss": (
        lambda ops, a: ops.ctc_loss(
            np.array([[1, 2, 2, 0], [3, 1, 0, 0], [2, 0, 0, 0]]), a, np.array([3, 2, 1]), np.array([8, 6, 5])
        ),
        [_x(3, 8, 5)],
    ),
    "ctc_loss_mask": (
        lambda ops, a: ops.ctc_loss(
            np.array([[1, 2, 2], [0, 1, 4]]), a, np.array([3, 2]), np.array([7, 5]), mask_index=4
        ),
        [_x(2, 7, 5)],
    ),
    "i0_positive": (lambda ops, a: ops.i0(a), [20 * _positive(6)]),
}

# Functions without gradient: name: (function, inputs).
FLAT = {
    "bartlett": (lambda ops: [ops.bartlett(n) for n in (1, 2, 7)], []),
    "blackman": (lambda ops: [ops.blackman(n) for n in (1, 6)], []),
    "hamming": (lambda ops: [ops.hamming(n) for n in (1, 6)], []),
    "hanning": (lambda ops: [ops.hanning(n) for n in (1, 6)], []),
    "kaiser": (lambda ops: [ops.kaiser(n, 4.5) for n in (1, 6)], []),
    "argpartition": (lambda ops, a: ops.take_along_axis(a, ops.argpartition(a, 2, axis=-1), axis=-1)[:, 2], [_x(3, 6)]),
    "ctc_greedy": (lambda ops, a: ops.ctc_decode(a, np.array([8, 5, 0])), [_x(3, 8, 4)]),
    "ctc_greedy_repeated": (
        lambda ops, a: ops.ctc_decode(a, np.array([8, 5, 7]), merge_repeated=False, mask_index=3),
        [_x(3, 8, 4)],
    ),
    "ctc_beam": (
        lambda ops, a: ops.ctc_decode(a, np.array([8, 5, 7]), strategy="beam_search", beam_width=6, top_paths=3),
        [_x(3, 8, 4)],
    ),
    "ctc_beam_mask": (
        lambda ops, a: ops.ctc_decode(
            a, np.array([6, 4]), strategy="beam_search", beam_width=50, top_paths=2, mask_index=2
        ),
        [_x(2, 6, 3)],
    ),
}
