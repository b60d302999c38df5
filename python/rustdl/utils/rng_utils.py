"""One call that seeds every generator."""

from __future__ import annotations

import random

import numpy as np


def set_random_seed(seed: int) -> None:
    """Seeds Python's, numpy's and the library's generators: the same seed gives the same weights and training.

    Args:
        seed: int in [0, 2^32).

    Raises:
        ValueError: another value.

    Example:
        >>> import rustdl
        >>> rustdl.utils.set_random_seed(7)
        >>> a = rustdl.random.normal((2,)).tolist()
        >>> rustdl.utils.set_random_seed(7)
        >>> a == rustdl.random.normal((2,)).tolist()
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= int(seed) < 2**32:
        raise ValueError(f"Argument `seed` must be an integer in [0, 2**32). Received: seed={seed}")
    from rustdl.backend.global_state import set_global_attribute
    from rustdl.random.seed_generator import GLOBAL_SEED, SeedGenerator

    random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002  (code of the user's that uses the old generator)
    set_global_attribute(GLOBAL_SEED, SeedGenerator(int(seed), name="global_seed_generator"))
