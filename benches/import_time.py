"""Prints what `import rustdl` adds to numpy's import, as the best and the median of several new interpreters.

python benches/import_time.py [--runs 15]
"""

import argparse
import statistics
import subprocess
import sys

TIMED = "import time, numpy; begun = time.perf_counter(); import rustdl; print(time.perf_counter() - begun)"


def main() -> None:
    """Runs the interpreters and prints the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    seconds = []
    for _ in range(args.runs + 1):
        done = subprocess.run([sys.executable, "-c", TIMED], capture_output=True, text=True, check=True)
        seconds.append(float(done.stdout))
    seconds = seconds[1:]  # the first one also reads the files from disk
    print(f"import rustdl, beyond numpy: best {min(seconds):.3f} s, median {statistics.median(seconds):.3f} s")


if __name__ == "__main__":
    main()
