"""Gradients that add up in parameters: `Tensor.backward()` and what goes with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend.dtypes import is_float_dtype
from rustdl.backend.tensor import convert_to_tensor


def requires_grad_(x: Any, requires_grad: bool = True) -> Any:
    """Marks a tensor: what is computed from it from now on is recorded, and `backward()` adds to its `grad`.

    Args:
        x: A float tensor.
        requires_grad: False takes the mark (and the gradient) away.

    Returns:
        The tensor.

    Raises:
        TypeError: It is not of a float dtype.
    """
    if not requires_grad:
        x._watch(None)
        return x
    if not is_float_dtype(x.dtype):
        raise TypeError(f"requires_grad_: only float tensors have gradients, not dtype {x.dtype}")
    if x.is_traced:
        raise TypeError("requires_grad_: inside of a compiled function use rustdl.grad or rustdl.value_and_grad")
    if not x.is_recorded:
        x._watch(_rustdl.leaf(x, _rustdl.GradSlot()))
    return x


def backward(y: Tensor, gradient: Any = None, create_graph: bool = False) -> None:
    """Adds the gradient of a tensor to the `grad` of all marked tensors and variables that it was computed from.

    Args:
        y: What to differentiate, a scalar unless `gradient` is given.
        gradient: Weights of its elements.
        create_graph: Whether the gradients can be differentiated themselves.

    Raises:
        ValueError: Not a scalar and no `gradient`, or one of another shape.
        RuntimeError: Nothing below `y` is marked.
    """
    if y.is_traced:
        raise TypeError(
            "backward(): gradients that add up in tensors cannot leave a compiled function; inside of rustdl.jit use "
            "rustdl.grad or rustdl.value_and_grad"
        )
    if gradient is None and tuple(y.shape) != ():
        raise ValueError(
            f"backward(): a tensor of shape {tuple(y.shape)} is not a scalar: reduce it, or give `gradient`"
        )
    seeds = None if gradient is None else [convert_to_tensor(gradient, dtype=y.dtype)]
    if not y.is_recorded or _rustdl.accumulate([y], seeds, create_graph) == 0:
        raise RuntimeError(
            "backward(): nothing that this tensor was computed from is marked; call requires_grad_() on tensors, or "
            "set `requires_grad = True` on variables, before computing with them"
        )


def zero_grad(parameters: Any) -> None:
    """Forgets the gradients that `backward()` added up.

    Args:
        parameters: A tensor or variable, an iterable of them, or a model or layer.

    Example:
        >>> import rustdl
        >>> x = rustdl.convert(2.0).requires_grad_()
        >>> (x * x).backward()
        >>> float(x.grad)
        4.0
        >>> rustdl.zero_grad(x)
        >>> x.grad is None
        True
    """
    for x in _each(parameters):
        if isinstance(x, Tensor):
            if x.is_recorded:
                x._set_grad(None)
        else:
            x.grad = None


def _each(parameters: Any) -> Iterable[Any]:
    variables = getattr(parameters, "trainable_variables", None)
    if variables is not None:
        return list(variables)
    if isinstance(parameters, Tensor) or hasattr(parameters, "__rustdl_tensor__"):
        return [parameters]
    return list(parameters)
