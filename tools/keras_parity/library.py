"""Keras (on JAX or PyTorch) or rustdl, behind the few functions that runners need."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras_parity.case import Make, Name, values


class Library:
    """One of the two libraries.

    Attributes:
        keras: The module: `keras` or `rustdl`.
        is_keras: Whether it is the original.
        floatx: "float32", or "float64" when Keras decides where single precision cannot.
    """

    def __init__(self, keras: Any, floatx: str = "float32") -> None:
        self.keras = keras
        self.is_keras = keras.__name__ == "keras"
        self.floatx = floatx

    def find(self, path: str) -> Any:
        """A public name below `keras`, such as `layers.Dense`."""
        module, _, name = path.rpartition(".")
        if not module:
            return getattr(self.keras, name)
        return getattr(importlib.import_module(f"{self.keras.__name__}.{module}"), name)

    def make(self, value: Any) -> Any:
        """Arguments of a case with their `Make` and `Name` resolved."""
        if isinstance(value, Name):
            return self.find(value.path)
        if isinstance(value, Make):
            return self.find(value.path)(**self.make(value.args))
        if isinstance(value, Mapping):
            return {k: self.make(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.make(v) for v in value)
        return value

    def array(self, value: np.ndarray) -> np.ndarray:
        """An input in the precision of the run."""
        return value.astype(self.floatx) if value.dtype == np.float32 else value

    def tensor(self, value: Any) -> Any:
        """A tensor of the library."""
        return self.keras.ops.convert_to_tensor(value)

    def numpy(self, value: Any) -> np.ndarray:
        """A numpy array; half precisions are widened."""
        if self.is_keras and hasattr(value, "detach"):
            value = value.detach()
        if self.dtype(value) in {"bfloat16", "float16"}:
            value = self.keras.ops.cast(value, "float32")
        return value if isinstance(value, np.ndarray) else np.asarray(self.keras.ops.convert_to_numpy(value))

    def dtype(self, value: Any) -> str:
        """The name of a dtype."""
        return (
            str(self.keras.backend.standardize_dtype(value.dtype)) if hasattr(value, "dtype") else type(value).__name__
        )

    def flatten(self, tree: Any) -> list[Any]:
        """The tensors of a structure; None is left out."""
        return [x for x in self.keras.tree.flatten(tree) if x is not None]

    def value_and_grad(self, function: Callable[..., Any], count: int) -> Callable[..., Any]:
        """`function` returns a scalar and anything; differentiated by its first `count` arguments (structures)."""
        argnums = tuple(range(count))
        if self.is_keras and self.keras.config.backend() == "torch":
            return _torch_value_and_grad(function, count)
        if self.is_keras:
            import jax

            return jax.jit(jax.value_and_grad(function, argnums, has_aux=True))
        return self.keras.value_and_grad(function, argnums, has_aux=True)

    def contract(self, outputs: Sequence[Any], seed: int = 50) -> Any:
        """The sum of all floats of the outputs times fixed numbers: what is differentiated."""
        ops = self.keras.ops
        total = ops.zeros((), self.floatx)
        for i, y in enumerate(outputs):
            if "float" in self.dtype(y):
                weights = self.tensor(values(tuple(y.shape), seed + i).astype(self.floatx))
                total = total + ops.sum(ops.cast(y, self.floatx) * weights)
        return total

    def named(self, prefix: str, outputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """Arrays with numbers, and their dtypes."""
        found = {}
        for i, y in enumerate(outputs):
            found[f"{prefix}{i}"] = self.numpy(y)
            if self.floatx == "float32":
                found[f"{prefix}{i}.dtype"] = np.array(self.dtype(y))
        return found


def _torch_value_and_grad(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """The same by PyTorch's tape, whose eager mode compiles nothing."""
    import torch

    def call(*args: Any) -> Any:
        leaves = [
            [torch.as_tensor(x).detach().clone().requires_grad_(torch.as_tensor(x).is_floating_point()) for x in group]
            for group in args[:count]
        ]
        value, aux = function(*leaves, *args[count:])
        flat = [x for group in leaves for x in group]
        found = (
            torch.autograd.grad(value, flat, allow_unused=True) if flat and value.requires_grad else [None] * len(flat)
        )
        gradients = iter(torch.zeros_like(x) if g is None else g for g, x in zip(found, flat, strict=True))
        return (value.detach(), aux), tuple([next(gradients) for _ in group] for group in leaves)

    return call
