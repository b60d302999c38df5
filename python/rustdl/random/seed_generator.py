"""`SeedGenerator`: a seed with a counter, kept in a variable so that it can be traced, saved and restored."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend.global_state import get_global_attribute, set_global_attribute
from rustdl.backend.tensor import convert_to_tensor
from rustdl.backend.variable import Variable
from rustdl.utils.naming import auto_name

GLOBAL_SEED = "global_seed_generator"


def make_default_seed() -> int:
    """A seed from Python's `random`, so that `set_random_seed` decides it."""
    return python_random.randint(1, int(1e9))


class SeedGenerator:
    """Makes a new seed at each `next()`; layers that draw random numbers keep one.

    Args:
        seed: An integer, or `None` for a random one.
        name: The name in variables' paths.

    Raises:
        ValueError: The seed is not an integer.

    Example:
        >>> generator = SeedGenerator(7)
        >>> generator.next().tolist(), generator.next().tolist()
        ([7, 0], [7, 1])
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments: {kwargs}")
        if name is None:
            name = auto_name(type(self).__name__)
        self.name = name
        if seed is None:
            seed = make_default_seed()
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(f"Argument `seed` must be an integer. Received: seed={seed} (of type {type(seed)})")
        self._initial_seed = int(seed)
        from rustdl.backend.name_scope import name_scope

        with name_scope(self.name, caller=self):
            self.state = Variable(
                self._initial_state,
                shape=(2,),
                dtype="uint32",
                trainable=False,
                autocast=False,
                aggregation="none",
                name="seed_generator_state",
            )

    @property
    def initial_seed(self) -> int:
        """The seed at the start."""
        return self._initial_seed

    def _initial_state(self, shape: Any = None, dtype: Any = None) -> Tensor:
        return _rustdl.convert(np.array([self._initial_seed & 0xFFFFFFFF, 0], dtype="uint32"))

    def next(self, ordered: bool = True) -> Tensor:
        """The current seed, a tensor of two `uint32`; the counter moves on.

        Args:
            ordered: Whether the counter moves on.
        """
        seed = self.state.value
        if ordered:
            step = _rustdl.convert(np.array([0, 1], dtype="uint32"))
            self.state.assign(seed + step)
        return seed

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"seed": self._initial_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """A generator from `get_config`'s result."""
        return cls(**config)


def global_seed_generator() -> SeedGenerator:
    """The generator behind functions that are called without a seed."""
    found: SeedGenerator | None = get_global_attribute(GLOBAL_SEED)
    if found is None:
        from rustdl.backend.stateless_scope import suspend_scopes

        with suspend_scopes():
            found = SeedGenerator()
        set_global_attribute(GLOBAL_SEED, found)
    return found


def draw_seed(seed: Any) -> Tensor:
    """A tensor of two `uint32` from a `SeedGenerator`, an integer or `None`.

    Raises:
        ValueError: Anything else.
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, bool):
        raise ValueError(f"Argument `seed` must be an integer or a SeedGenerator, got {seed}")
    if isinstance(seed, (int, np.integer)):
        return _rustdl.convert(np.array([int(seed) & 0xFFFFFFFF, (int(seed) >> 32) & 0xFFFFFFFF], dtype="uint32"))
    if seed is None:
        return global_seed_generator().next()
    if isinstance(seed, (Tensor, np.ndarray)) and tuple(seed.shape) == (2,):
        return convert_to_tensor(seed, dtype="uint32")  # type: ignore[no-any-return]
    raise ValueError(
        "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
        f"Received: seed={seed} (of type {type(seed)})"
    )
