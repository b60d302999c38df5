"""Times PyTorch's matrix products of the shapes in benches/gemm.rs.

Usage: python benches/peers/gemm.py [THREADS]

Prints the best of many runs and GFLOP/s. Run it on an idle machine, before and after
`cargo bench --bench gemm`, with the same number of threads (RUSTDL_NUM_THREADS).
"""

import sys
import time

import torch

SQUARES = (1, 8, 32, 64, 128, 256, 512, 768, 1024, 2048)
DENSE = ((32, 784, 128), (32, 128, 10), (128, 784, 512), (128, 512, 512), (128, 512, 10))


def shapes() -> list[tuple[str, int, int, int, str]]:
    """Group, m, n, k and which operand is stored transposed."""
    rows = [("square", n, n, n, "") for n in SQUARES]
    for batch, inputs, outputs in DENSE:
        rows.append(("dense_forward", batch, outputs, inputs, ""))
        rows.append(("dense_kernel_grad", inputs, outputs, batch, "a"))
        rows.append(("dense_input_grad", batch, inputs, outputs, "b"))
    return rows


def best_seconds(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> float:
    """The shortest of the runs that fit into 0.3 seconds (at least five)."""
    repeats = max(1, min(1000, 2_000_000 // (2 * a.shape[0] * a.shape[1] * b.shape[1])))
    best = float("inf")
    start = time.perf_counter()
    runs = 0
    while runs < 5 or time.perf_counter() - start < 0.3:
        begin = time.perf_counter()
        for _ in range(repeats):
            torch.mm(a, b, out=out)
        best = min(best, (time.perf_counter() - begin) / repeats)
        runs += 1
    return best


def main() -> None:
    """Prints one line for each shape."""
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    for group, m, n, k, transposed in shapes():
        a = torch.rand(k, m).t() if transposed == "a" else torch.rand(m, k)
        b = torch.rand(n, k).t() if transposed == "b" else torch.rand(k, n)
        seconds = best_seconds(a, b, torch.empty(m, n))
        rate = 2 * m * n * k / seconds / 1e9
        print(f"{group:<18} {m:>5} x {n:>5} x {k:>5} {seconds * 1e6:>10.2f} us {rate:>7.1f} GFLOP/s")


if __name__ == "__main__":
    main()
