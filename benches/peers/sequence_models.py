"""Recurrent networks and language models of the comparison, in Keras' API and in PyTorch."""

from collections.abc import Callable
from typing import Any

from case import CLASSES, Case

CONV_LSTM_FILTERS = 16
# Layers, width, heads and rows of positions of the language models.
GPT_SIZES = {"gpt": (4, 128, 4, 64), "gpt2": (12, 768, 12, 1024)}

CASES = {
    "lstm": Case(
        "LSTM(128) on 80 embedded tokens, vocabulary 20,000, Adam, batch 32",
        "lstm",
        (80,),
        32,
        10,
        "adam",
        0.001,
        vocabulary=20_000,
    ),
    "gru": Case("Two GRU(256), 100 steps of 128 features, Adam, batch 32", "gru", (100, 128), 32, 4, "adam", 0.001),
    "simple_rnn": Case(
        "Two SimpleRNN(256), 100 steps of 128 features, Adam, batch 32", "simple_rnn", (100, 128), 32, 6, "adam", 0.001
    ),
    "conv_lstm": Case(
        "ConvLSTM2D(16), 10 frames of 32x32x3, Adam, batch 8", "conv_lstm", (10, 32, 32, 3), 8, 3, "adam", 0.001
    ),
    "gpt": Case(
        "GPT, 4 layers, dim 128, 64 tokens, vocabulary 65, AdamW, batch 12",
        "gpt",
        (64,),
        12,
        8,
        "adamw",
        0.001,
        dense_labels=True,
        vocabulary=65,
        classes=65,
    ),
    "gpt2": Case(
        "GPT-2 small (124M), 64 tokens, AdamW, batch 4",
        "gpt2",
        (64,),
        4,
        1,
        "adamw",
        0.0001,
        dense_labels=True,
        vocabulary=50_257,
        classes=50_257,
    ),
}


def _keras_lstm(keras: Any, case: Case) -> Any:
    layers = keras.layers
    inputs = keras.Input(case.shape, dtype="int32")
    x = layers.LSTM(128)(layers.Embedding(case.vocabulary, 128)(inputs))
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def _keras_stacked(keras: Any, case: Case) -> Any:
    kind = keras.layers.GRU if case.model == "gru" else keras.layers.SimpleRNN
    stack = [keras.Input(case.shape), kind(256, return_sequences=True), kind(256), keras.layers.Dense(CLASSES)]
    return keras.Sequential(stack)


def _keras_conv_lstm(keras: Any, case: Case) -> Any:
    layers = keras.layers
    stack = [keras.Input(case.shape), layers.ConvLSTM2D(CONV_LSTM_FILTERS, 3, padding="same")]
    return keras.Sequential([*stack, layers.GlobalAveragePooling2D(), layers.Dense(CLASSES)])


def _keras_positions(keras: Any, rows: int) -> Any:
    """A layer that adds the first rows of a trainable table."""

    class Positions(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.table = self.add_weight(shape=(rows, input_shape[-1]), initializer="uniform", name="table")

        def call(self, inputs: Any) -> Any:
            return inputs + self.table[: inputs.shape[1]]

    return Positions()


def _keras_gpt(keras: Any, case: Case) -> Any:
    """A decoder with the norms first (Radford et al., 2019); GPT-2 ties its last layer to the embedding."""
    layers = keras.layers
    blocks, width, heads, positions = GPT_SIZES[case.model]
    inputs = keras.Input(case.shape, dtype="int32")
    embedding = layers.ReversibleEmbedding(case.vocabulary, width)
    x = _keras_positions(keras, positions)(embedding(inputs))
    for _ in range(blocks):
        y = layers.LayerNormalization(epsilon=1e-5)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(y, y, use_causal_mask=True)])
        y = layers.Dense(4 * width, activation=_gelu(keras))(layers.LayerNormalization(epsilon=1e-5)(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    logits = embedding(x, reverse=True) if case.model == "gpt2" else layers.Dense(case.vocabulary)(x)
    return keras.Model(inputs, logits)


def _gelu(keras: Any) -> Callable[[Any], Any]:
    return lambda x: keras.activations.gelu(x, approximate=True)


KERAS: dict[str, Callable[[Any, Case], Any]] = {
    "lstm": _keras_lstm,
    "gru": _keras_stacked,
    "simple_rnn": _keras_stacked,
    "conv_lstm": _keras_conv_lstm,
    "gpt": _keras_gpt,
    "gpt2": _keras_gpt,
}


def _torch_recurrent(nn: Any, case: Case) -> Any:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if case.model == "lstm":
                self.embedding = nn.Embedding(case.vocabulary, 128)
                self.rnn = nn.LSTM(128, 128, batch_first=True)
            else:
                self.embedding = nn.Identity()
                kind = nn.GRU if case.model == "gru" else nn.RNN
                self.rnn = kind(case.shape[1], 256, num_layers=2, batch_first=True)
            self.head = nn.Linear(self.rnn.hidden_size, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.head(self.rnn(self.embedding(x))[0][:, -1])

    return Recurrent()


def _torch_conv_lstm(nn: Any, case: Case) -> Any:
    """PyTorch has no such layer: a loop over a cell; the products of the inputs are one convolution, as in Keras."""
    import torch

    class ConvLSTM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = nn.Conv2d(case.shape[-1], 4 * CONV_LSTM_FILTERS, 3, padding=1)
            self.h = nn.Conv2d(CONV_LSTM_FILTERS, 4 * CONV_LSTM_FILTERS, 3, padding=1, bias=False)
            self.head = nn.Linear(CONV_LSTM_FILTERS, CLASSES)

        def forward(self, x: Any) -> Any:
            batch, steps = x.shape[:2]
            given = self.x(x.flatten(0, 1)).unflatten(0, (batch, steps))
            h = c = x.new_zeros(batch, CONV_LSTM_FILTERS, *x.shape[3:])
            for t in range(steps):
                i, f, g, o = (given[:, t] + self.h(h)).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            return self.head(h.mean((2, 3)))

    return ConvLSTM()


def _torch_gpt(nn: Any, case: Case) -> Any:
    import torch

    blocks, width, heads, positions = GPT_SIZES[case.model]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, _ = x.shape
            parts = self.qkv(self.norms[0](x)).view(b, t, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
            return x + self.down(nn.functional.gelu(self.up(self.norms[1](x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(case.vocabulary, width), nn.Embedding(positions, width)
            self.blocks = nn.ModuleList(Block() for _ in range(blocks))
            self.norm = nn.LayerNorm(width)
            tied = case.model == "gpt2"
            self.head = nn.Linear(width, case.vocabulary, bias=not tied)
            if tied:
                self.head.weight = self.tokens.weight

        def forward(self, x: Any) -> Any:
            y = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
            for block in self.blocks:
                y = block(y)
            return self.head(self.norm(y)).flatten(0, 1)

    return GPT()


TORCH: dict[str, Callable[[Any, Case], Any]] = {
    "lstm": _torch_recurrent,
    "gru": _torch_recurrent,
    "simple_rnn": _torch_recurrent,
    "conv_lstm": _torch_conv_lstm,
    "gpt": _torch_gpt,
    "gpt2": _torch_gpt,
}
