"""The last layer of a language model and its loss in one: the logits of all tokens are never in memory at once."""

from __future__ import annotations

from typing import Any

from rustdl import _rustdl, backend
from rustdl._rustdl import ops as engine
from rustdl.backend.dtypes import result_type
from rustdl.ops._symbolic import symbolic

_CHUNK = 4096


@symbolic
def linear_cross_entropy(x: Any, kernel: Any, labels: Any, bias: Any = None, chunk_size: int = _CHUNK) -> Any:
    """`-log softmax(x kernel + bias)[label]` of each token, over one part of the vocabulary after the other.

    Equal to `sparse_categorical_crossentropy(labels, x @ kernel + bias, from_logits=True)`, but neither the forward
    nor the backward pass holds the logits `(tokens, vocabulary)`: the backward pass computes them again, part by part,
    from the logarithms of the sums (as in Wijmans et al., 2024, "Cut your losses"). An extension: Keras has no such
    function.

    Args:
        x: Shape `(..., D)`.
        kernel: Shape `(D, V)`; for tied weights the transpose of the embedding.
        labels: Integers of the shape of `x` without its last axis. Those outside of `[0, V)` are left out: their loss
            and its gradient are 0.
        bias: Shape `(V,)`, or `None`.
        chunk_size: Number of logits of a token that are in memory at once.

    Returns:
        The losses, of the shape of `labels`, in `float32` at least.

    Raises:
        ValueError: Shapes that do not fit, or a chunk size below 1.

    Example:
        >>> import rustdl
        >>> x, kernel = rustdl.ops.zeros((3, 2)), rustdl.ops.zeros((2, 4))
        >>> [round(v, 4) for v in rustdl.ops.linear_cross_entropy(x, kernel, [0, 3, -1]).tolist()]
        [1.3863, 1.3863, 0.0]
    """
    x, kernel, labels = (backend.convert_to_tensor(a) for a in (x, kernel, labels))
    bias = None if bias is None else backend.convert_to_tensor(bias)
    _check(x, kernel, labels, bias, chunk_size)
    rows = engine.reshape(x, [labels.size, kernel.shape[0]])
    return engine.reshape(_losses(rows, kernel, bias, labels, chunk_size), list(labels.shape))


def _check(x: Any, kernel: Any, labels: Any, bias: Any, chunk_size: int) -> None:
    fits = len(x.shape) >= 1 and len(kernel.shape) == 2 and x.shape[-1] == kernel.shape[0]
    fits = fits and tuple(labels.shape) == tuple(x.shape[:-1])
    if not fits or (bias is not None and tuple(bias.shape) != (kernel.shape[1],)):
        raise ValueError(
            "linear_cross_entropy: expected x (..., D), kernel (D, V), labels (...) and bias (V,); got x.shape="
            f"{tuple(x.shape)}, kernel.shape={tuple(kernel.shape)}, labels.shape={tuple(labels.shape)}"
            + ("" if bias is None else f", bias.shape={tuple(bias.shape)}")
        )
    if chunk_size < 1 or kernel.shape[1] < 1:
        raise ValueError(
            f"linear_cross_entropy: chunk_size={chunk_size} and the vocabulary of {kernel.shape[1]} must be at least 1"
        )


def _parts(vocabulary: int, size: int) -> list[tuple[int, int]]:
    """The first and the last column (exclusive) of each part."""
    return [(a, min(a + size, vocabulary)) for a in range(0, vocabulary, size)]


def _logits(x: Any, kernel: Any, bias: Any, part: tuple[int, int]) -> Any:
    y = engine.matmul(x, kernel[:, part[0] : part[1]])
    y = engine.cast(y, result_type(y.dtype, "float32"))
    return y if bias is None else y + bias[part[0] : part[1]]


def _is_label(labels: Any, part: tuple[int, int]) -> Any:
    """Where a column of the part is the token's label: tokens by columns."""
    return engine.expand_dims(labels, -1) == engine.arange(part[0], part[1], dtype="int64")


def _log_sums(x: Any, kernel: Any, bias: Any, labels: Any, size: int) -> tuple[Any, Any]:
    """Of each token the logarithm of the sum of exponentials, and the logit of its label."""
    sums, picked = [], None
    for part in _parts(kernel.shape[1], size):
        logits = _logits(x, kernel, bias, part)
        sums.append(engine.logsumexp(logits, axis=-1))
        own = engine.sum(logits * engine.cast(_is_label(labels, part), logits.dtype), axis=-1)
        picked = own if picked is None else picked + own
    return engine.logsumexp(engine.stack(sums, axis=-1), axis=-1), picked


def _losses(x: Any, kernel: Any, bias: Any, labels: Any, size: int) -> Any:
    labels = engine.reshape(engine.cast(labels, "int64"), [labels.size])
    inputs = [x, kernel] if bias is None else [x, kernel, bias]
    known = [a if a.is_traced else _rustdl.detach(a) for a in inputs]
    vocabulary = kernel.shape[1]
    inside = engine.logical_and(labels >= 0, labels < vocabulary)

    def unpacked(values: list[Any]) -> tuple[Any, Any, Any]:
        return values[0], values[1], values[2] if len(values) > 2 else None

    log_sums, picked = _log_sums(*unpacked(known), labels, size)
    value = (log_sums - picked) * engine.cast(inside, log_sums.dtype)

    def gradient(g: Any) -> list[Any]:
        # On a tape that is being recorded the sums must depend on the arguments too, for gradients of second order.
        recording = not inputs[0].is_traced and any(a[:1].is_recorded for a in inputs)
        sums = _log_sums(*unpacked(inputs), labels, size)[0] if recording else log_sums
        x, kernel, bias = unpacked(inputs)
        g = engine.expand_dims(g * engine.cast(inside, g.dtype), -1)
        dx, columns, sides = None, [], []
        # Parts of another size than in the forward pass: the compiler would find the products equal, and keep them.
        for part in _parts(vocabulary, max(1, size * 3 // 4)):
            logits = _logits(x, kernel, bias, part)
            excess = engine.exp(logits - engine.expand_dims(sums, -1))
            dy = (excess - engine.cast(_is_label(labels, part), logits.dtype)) * g
            narrow = engine.cast(dy, x.dtype)
            own = engine.matmul(narrow, engine.transpose(kernel[:, part[0] : part[1]]))
            dx = own if dx is None else dx + own
            columns.append(engine.matmul(engine.transpose(x), narrow))
            if bias is not None:
                sides.append(engine.cast(engine.sum(dy, axis=0), bias.dtype))
        grads = [engine.cast(dx, x.dtype), engine.cast(engine.concatenate(columns, axis=1), kernel.dtype)]
        return grads if bias is None else [*grads, engine.concatenate(sides, axis=0)]

    return _rustdl.custom_vjp(inputs, [value], lambda upstream: gradient(*upstream))[0]
