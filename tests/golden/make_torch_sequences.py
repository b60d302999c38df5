"""Makes torch_sequences.npz: outputs, gradients and ten training steps of PyTorch's recurrent and attention layers.

python tests/golden/make_torch_sequences.py        (needs torch)
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

BATCH, STEPS, FEATURES, UNITS, HEADS = 3, 5, 8, 4, 2
LENGTHS = [5, 3, 1]


def recurrent(kind: str, **arguments):
    layer = getattr(nn, kind)(FEATURES, UNITS, batch_first=True, **arguments)
    return layer, lambda x: layer(x)[0]


def packed(kind: str):
    """Sequences of different lengths; outputs behind their ends are zeros."""
    layer = getattr(nn, kind)(FEATURES, UNITS, batch_first=True)

    def run(x: torch.Tensor) -> torch.Tensor:
        sequences = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(layer(sequences)[0], batch_first=True)[0]

    return layer, run


def attention(causal: bool, padded: bool):
    layer = nn.MultiheadAttention(FEATURES, HEADS, batch_first=True)
    with torch.no_grad():
        layer.in_proj_bias.normal_()
        layer.out_proj.bias.normal_()
    later = torch.ones(STEPS, STEPS, dtype=torch.bool).triu(1) if causal else None
    padding = torch.arange(STEPS) >= torch.tensor(LENGTHS)[:, None] if padded else None
    return layer, lambda x: layer(x, x, x, attn_mask=later, key_padding_mask=padding, need_weights=False)[0]


CASES = {
    "lstm": lambda: recurrent("LSTM"),
    "lstm_both": lambda: recurrent("LSTM", bidirectional=True),
    "lstm_packed": lambda: packed("LSTM"),
    "gru": lambda: recurrent("GRU"),
    "gru_stacked": lambda: recurrent("GRU", num_layers=2),
    "gru_packed": lambda: packed("GRU"),
    "rnn": lambda: recurrent("RNN"),
    "rnn_relu": lambda: recurrent("RNN", nonlinearity="relu"),
    "attention": lambda: attention(causal=False, padded=False),
    "attention_causal": lambda: attention(causal=True, padded=False),
    "attention_padded": lambda: attention(causal=False, padded=True),
}


def main() -> None:
    torch.manual_seed(0)
    out: dict[str, np.ndarray] = {}
    for case, make in CASES.items():
        layer, run = make()
        x = torch.randn(BATCH, STEPS, FEATURES, requires_grad=True)
        out[f"{case}/x"] = x.detach().numpy().copy()
        for name, p in layer.named_parameters():
            out[f"{case}/weights/{name}"] = p.detach().numpy().copy()
        y = run(x)
        target = torch.randn(y.shape)
        out[f"{case}/y"], out[f"{case}/target"] = y.detach().numpy(), target.numpy()
        parameters = dict(layer.named_parameters())
        grads = torch.autograd.grad(((y - target) ** 2).mean(), [x, *parameters.values()])
        out[f"{case}/gradients/x"] = grads[0].numpy()
        for name, g in zip(parameters, grads[1:], strict=True):
            out[f"{case}/gradients/{name}"] = g.numpy()
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = ((run(x.detach()) - target) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        out[f"{case}/losses"] = np.array(losses)
    np.savez_compressed(Path(__file__).with_name("torch_sequences.npz"), **out)


if __name__ == "__main__":
    main()
