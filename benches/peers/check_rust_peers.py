"""Checks candle and burn: as many trained numbers as rustdl's model has, and a loss that falls on one batch.

    python benches/peers/check_rust_peers.py [--cases mlp_small ...]

Burn's LSTM has a second bias a gate, as PyTorch's does: four times 128 numbers more.
"""

import argparse
import dataclasses
import math

from models import CASES, build_keras
from rust_peers import PEERS, RustPeer

import rustdl

MORE = {("burn", "lstm"): 4 * 128}
STEPS = 60
FEWER = {"resnet": 10, "separable": 10}  # batch norm makes them learn faster


def parameters(name: str) -> int:
    """How many numbers rustdl trains."""
    return sum(math.prod(v.shape) for v in build_keras(rustdl, CASES[name]).trainable_variables)


def check(framework: str, name: str) -> None:
    """One model of one library."""
    try:
        peer = RustPeer(framework, dataclasses.replace(CASES[name], batches=1))
    except ImportError as reason:
        print(f"{name:<18} {framework:<7} skipped: {reason}", flush=True)
        return
    expected = parameters(name) + MORE.get((framework, name), 0)
    line = f"{name:<18} {framework:<7} {peer.parameters:>10,} parameters"
    if CASES[name].unit == "step":
        steps = FEWER.get(name, STEPS)
        first, last = peer.run(1), peer.run(steps)
        line += f", loss {first:.3f} -> {last:.3f} in {steps} steps"
        assert last < 0.95 * first, line
    else:
        peer.run(1)
    print(line, flush=True)
    assert peer.parameters == expected, f"{line}: expected {expected:,}"


def main() -> None:
    """Checks the cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    for name in parser.parse_args().cases:
        for framework in PEERS:
            check(framework, name)


if __name__ == "__main__":
    main()
