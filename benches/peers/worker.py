"""One framework in a process of its own: it answers requests, one JSON object a line, and sleeps in between.

Requests: `{"prepare": case, "seconds": s}` builds and warms up, and chooses how many units last s seconds;
`{"go": true}` runs them and answers the seconds for one step or call.
"""

import json
import os
import sys
import time


def serve(framework: str) -> None:
    """Reads requests from standard input until it is closed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow" if framework == "keras-tensorflow" else "jax"
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints is not an answer
    # Imported late: the environment must be set before a framework is.
    from loops import make_loop
    from models import CASES

    loop, units, steps = None, 1, 1
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                case = CASES[request["prepare"]]
                loop = make_loop(framework, case)
                steps = 1 if case.unit == "call" else case.batches
                units = calibrate(loop, request["seconds"])
                answer = {"units": units}
            else:
                begun = time.perf_counter()
                loop(units)
                answer = {"seconds": (time.perf_counter() - begun) / (units * steps)}
        except ImportError as error:
            answer = {"missing": str(error)}
        except Exception as error:  # reported in the table, the others go on
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def calibrate(loop, seconds: float) -> int:
    """Warms up, and finds how many units last the wanted time."""
    loop(1)
    loop(2)
    units = 1
    while True:
        begun = time.perf_counter()
        loop(units)
        taken = time.perf_counter() - begun
        if taken >= seconds / 4:
            return max(1, round(units * seconds / taken))
        units *= 4


if __name__ == "__main__":
    serve(sys.argv[1])
