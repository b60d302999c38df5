"""Rematerialisation: activations that are computed again in the backward pass instead of being kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rustdl import _rustdl
from rustdl.backend import structure
from rustdl.backend.global_state import state
from rustdl.backend.subtrace import Subtrace, is_array
from rustdl.backend.tensor import convert_to_tensor
from rustdl.backend.variable import Variable

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """Layers made inside recompute their activations in the backward pass.

    Args:
        mode: `"full"`: whole layers; `"activations"`: their activation functions; `"larger_than"`: layers with an
            output of more elements than `output_size_threshold`; `"list_of_layers"`: those named in `layer_names`;
            `None`: none.
        output_size_threshold: For `"larger_than"`.
        layer_names: For `"list_of_layers"`.
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: list[str] | None = None
    ) -> None:
        if mode not in _MODES:
            raise ValueError(
                f"Invalid mode '{mode}'. Supported modes are: 'full', 'activations', 'larger_than', "
                "'list_of_layers', or  None."
            )
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = layer_names or []
        self._saved: Any = None

    def __enter__(self) -> RematScope:
        self._saved = state.remat_scope
        state.remat_scope = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        state.remat_scope = self._saved


def get_current_remat_mode() -> Any:
    """The innermost open scope, or `None`."""
    return state.remat_scope


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function (or layer) whose inner values are not kept for gradients but computed again.

    Only the arguments, the tensors and variables that `f` reads, and the results stay in memory between the forward
    and the backward pass: for `n` equal blocks each of which keeps `k` values, `n + k` values are alive instead of
    `n k`, for one more forward pass (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). Random
    numbers are the same in both passes. Gradients of any order, `jit` and `vmap` go through.

    Args:
        f: A function of nested structures of tensors, or a layer; it may read and assign variables.

    Returns:
        The function; also known as `checkpoint`.

    Example:
        >>> import rustdl
        >>> f = rustdl.remat(lambda x: rustdl.ops.sin(rustdl.ops.sin(x)))
        >>> abs(float(rustdl.grad(f)(1.0)) - 0.36003948908) < 1e-6
        True
    """

    @functools.wraps(f, assigned=("__name__", "__qualname__", "__doc__", "__module__"), updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        placeholders: list[Any] = []
        values: list[Any] = []

        def stand_in(x: Any) -> Any:
            if not is_array(x) or isinstance(x, Variable):
                return x
            value = convert_to_tensor(x)
            values.append(value)
            placeholders.append(_rustdl.placeholder(value.shape, value.dtype))
            return placeholders[-1]

        if any(hasattr(x, "_keras_history") for x in structure.flatten((args, kwargs))):
            return f(*args, **kwargs)
        inner_args, inner_kwargs = structure.map_leaves(stand_in, (args, kwargs))
        trace = Subtrace(f, inner_args, inner_kwargs)
        for _, placeholder, outside in trace.scope.reads:
            placeholders.append(placeholder)
            values.append(outside)
        return trace.unpack(_checkpoint(placeholders, values, trace.outputs()))

    return call


checkpoint = remat


def _checkpoint(placeholders: list[Any], values: list[Any], outputs: list[Any]) -> list[Any]:
    computed = [x for x in outputs if x.is_traced]
    found = iter(_rustdl.checkpoint(placeholders, values, computed) if computed else [])
    return [next(found) if x.is_traced else x for x in outputs]
