"""`GradientTape`: gradients of what happened inside of a `with` block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.autodiff import GradientScope, _Depth, _off_tape
from rustdl.backend.dtypes import is_float_dtype
from rustdl.backend.tensor import convert_to_tensor
from rustdl.backend.variable import Variable
from rustdl.transforms.products import zeros_like


class _TapeScope(GradientScope):
    """Variables become leaves of the tape at their first read."""

    def __init__(self, automatic: bool) -> None:
        super().__init__()
        self.automatic = automatic
        self.paused = False
        self.leaves: dict[int, tuple[Any, Tensor]] = {}

    def get_current_value(self, variable: Any) -> Any:
        found = super().get_current_value(variable)
        if id(variable) in self.leaves or self.paused:
            return found
        if not (self.automatic and variable.trainable and is_float_dtype(variable._dtype)):
            return found
        return self.add_leaf(variable, found)

    def add_leaf(self, variable: Any, value: Any = None) -> Tensor:
        """Makes a variable a leaf with this value."""
        if value is None:
            value = variable.cell.get()
        leaf = _rustdl.leaf(value)
        self.leaves[id(variable)] = (variable, leaf)
        self.state_mapping[id(variable)] = leaf
        return leaf


class GradientTape:
    """Records what is computed inside of its block, to differentiate it afterwards.

    Trainable variables are watched when they are read; tensors after `watch`. Tapes may be nested, also for gradients
    of gradients. What runs inside runs eagerly: for speed use `rustdl.value_and_grad` in a `rustdl.jit` function.

    Args:
        persistent: Whether gradients may be asked for more than once.
        watch_accessed_variables: Whether trainable variables are watched by themselves.

    Raises:
        RuntimeError: A second gradient of a tape that is not persistent.

    Example:
        >>> import rustdl
        >>> x = rustdl.convert(3.0)
        >>> with rustdl.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x * x
        >>> float(tape.gradient(y, x))
        6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._automatic = watch_accessed_variables
        self._used = False
        self._open = False
        self._depth: Any = None
        self._outer_depth = 0
        self._forget()

    def _forget(self) -> None:
        self._scope = _TapeScope(self._automatic)
        # id of a watched tensor -> (the tensor, its leaf, the leaf of an outer tape that it had before)
        self._watched: dict[int, tuple[Tensor, Tensor, Any]] = {}

    def __enter__(self) -> GradientTape:
        if self._open:
            raise ValueError("GradientTape: the tape is recording already")
        if self._used and not self._persistent:
            raise RuntimeError("GradientTape: a tape that is not persistent records once")
        self._open = True
        self._depth = _Depth()
        self._outer_depth = self._depth.__enter__()
        self._scope.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._scope.__exit__(kind, error, tb)
        self._depth.__exit__()
        for tensor, _, before in self._watched.values():
            tensor._watch(before)
        self._open = False

    def watch(self, tensor: Any) -> None:
        """Makes operations on these tensors and variables recorded from here to the end of the block.

        Args:
            tensor: A float tensor or variable, or a structure of them. A numpy array or number cannot be watched:
                convert it first.

        Raises:
            TypeError: Anything else.
        """
        if not self._open:
            raise RuntimeError("GradientTape.watch: the tape is not recording; call it inside of the `with` block")
        for x in structure.flatten(tensor):
            if isinstance(x, Variable):
                self._scope.add_leaf(x, x._uncast())
            elif isinstance(x, Tensor):
                self._watch_tensor(x)
            else:
                raise TypeError(f"GradientTape.watch: needs tensors or variables, got {type(x).__name__}: {x!r}")

    def _watch_tensor(self, x: Tensor) -> None:
        if not is_float_dtype(x.dtype):
            raise TypeError(f"GradientTape.watch: needs float tensors, got dtype {x.dtype}")
        if id(x) in self._watched:
            return
        leaf = _rustdl.leaf(x)
        self._watched[id(x)] = (x, leaf, x._watch(leaf))

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables that were watched, in the order of their first read."""
        return tuple(variable for variable, _ in self._scope.leaves.values())

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A block inside of which nothing is recorded, by any tape."""
        if not self._open:
            raise ValueError("GradientTape.stop_recording: the tape is not recording")
        before = _rustdl.set_recording(False)
        self._scope.paused = True
        try:
            yield
        finally:
            _rustdl.set_recording(before)
            self._scope.paused = False

    def reset(self) -> None:
        """Forgets all that was recorded; inside of the block recording goes on from here."""
        is_open = self._open
        if is_open:
            self.__exit__(None, None, None)
        self._forget()
        self._used = False
        if is_open:
            self.__enter__()

    def _leaf_of(self, x: Any) -> Any:
        """The node by which to differentiate for a source; `None` if it was not watched."""
        if isinstance(x, Variable):
            found = self._scope.leaves.get(id(x))
            return None if found is None else found[1]
        if not isinstance(x, Tensor):
            raise TypeError(f"GradientTape: sources must be tensors or variables, got {type(x).__name__}: {x!r}")
        watched = self._watched.get(id(x))
        if watched is not None:
            return watched[1]
        return x if x.is_recorded else None

    def _use(self) -> bool:
        """Whether the gradients have to be differentiable."""
        if self._used and not self._persistent:
            raise RuntimeError(
                "GradientTape: a tape that is not persistent gives one gradient; use GradientTape(persistent=True), "
                "or ask for all gradients in one call"
            )
        self._used = True
        return self._open or self._outer_depth > 0

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """The gradient of the sum of all target elements by each source.

        Args:
            target: A tensor or a structure of them.
            sources: Tensors and variables, in any structure.
            output_gradients: Weights of the targets' elements, in the structure of `target`.
            unconnected_gradients: What to give where a target does not depend on a source: `"none"` or `"zero"`.

        Returns:
            Gradients in the structure of `sources`.
        """
        _check_unconnected(unconnected_gradients)
        again = self._use()
        targets = [convert_to_tensor(y) for y in structure.flatten(target)]
        weights = None
        if output_gradients is not None:
            given = [output_gradients] if structure.is_leaf(target) else structure.flatten(output_gradients)
            weights = [
                _ones_like(y) if w is None else convert_to_tensor(w, dtype=y.dtype)
                for y, w in zip(targets, given, strict=True)
            ]
        flat = structure.flatten(sources)
        leaves = [self._leaf_of(x) for x in flat]
        known = [leaf for leaf in leaves if leaf is not None]
        found = iter(_rustdl.backward(targets, known, seeds=weights, create_graph=again) if known else [])
        grads = []
        for x, leaf in zip(flat, leaves, strict=True):
            g = None if leaf is None else next(found)
            grads.append(zeros_like(x) if g is None and unconnected_gradients == "zero" else g)
        result = structure.pack(sources, grads)
        return result if again else _off_tape(result)

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: str = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The matrix of derivatives of each target element by each source element.

        Args:
            target: A tensor.
            sources: Tensors and variables, in any structure.
            unconnected_gradients: `"none"` or `"zero"`.
            parallel_iterations: Of no effect: all rows are computed at once.
            experimental_use_pfor: Of no effect, likewise.

        Returns:
            Tensors of shape `target.shape + source.shape` in the structure of `sources`.
        """
        _check_unconnected(unconnected_gradients)
        again = self._use()
        flat = structure.flatten(sources)
        grads = [self._jacobian(convert_to_tensor(target), x, unconnected_gradients) for x in flat]
        result = structure.pack(sources, grads)
        return result if again else _off_tape(result)

    def _jacobian(self, target: Tensor, x: Any, unconnected: str) -> Any:
        from rustdl import ops
        from rustdl.transforms.jacobians import reverse_jacobian

        leaf = self._leaf_of(x)
        connected = leaf is not None and _rustdl.backward([target], [leaf])[0] is not None
        if connected:
            return reverse_jacobian(target, [leaf])[0]
        return ops.zeros((*target.shape, *x.shape), dtype=x.dtype) if unconnected == "zero" else None

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: str = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The Jacobian of each row of the target by the same row of the source, for functions that work by rows.

        Args:
            target: Tensor `[b, y1, ..]` whose row i depends on row i of the source alone.
            source: Tensor `[b, x1, ..]`.
            unconnected_gradients: `"none"` or `"zero"`.
            parallel_iterations: Of no effect: all rows are computed at once.
            experimental_use_pfor: Of no effect, likewise.

        Returns:
            Tensor `[b, y1, .., x1, ..]`.

        Raises:
            ValueError: Another number of rows in target and source.
        """
        from rustdl import ops

        _check_unconnected(unconnected_gradients)
        target = convert_to_tensor(target)
        if not target.shape or not source.shape or target.shape[0] != source.shape[0]:
            raise ValueError(
                "GradientTape.batch_jacobian: target and source must have the same first size, got shapes "
                f"{tuple(target.shape)} and {tuple(source.shape)}"
            )
        again = self._use()
        leaf = self._leaf_of(source)
        b, n = target.shape[0], math.prod(target.shape[1:])
        shape = (b, *target.shape[1:], *source.shape[1:])
        u = _rustdl.placeholder(target.shape, target.dtype)
        row = None if leaf is None else _rustdl.backward([target], [leaf], seeds=[u], create_graph=True)[0]
        if row is None:
            return ops.zeros(shape, dtype=source.dtype) if unconnected_gradients == "zero" else None
        # One backward pass for each element of a row, for all rows at once.
        basis = ops.reshape(ops.eye(n, dtype=target.dtype), (n, 1, *target.shape[1:]))
        basis = ops.broadcast_to(basis, (n, *target.shape))
        ((found, batched),) = _rustdl.evaluate([row], [u], [basis], [True], n)
        if not batched:
            found = ops.broadcast_to(found, (n, *found.shape))
        result = ops.reshape(ops.moveaxis(found, 0, 1), shape)
        return result if again else _off_tape(result)


def _ones_like(y: Any) -> Any:
    from rustdl import ops

    return ops.ones(y.shape, dtype=y.dtype)


def _check_unconnected(value: str) -> None:
    if value not in ("none", "zero"):
        raise ValueError(f"GradientTape: unconnected_gradients must be 'none' or 'zero', got {value!r}")
