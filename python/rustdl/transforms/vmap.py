"""`vmap`: a function of one example made a function of many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.subtrace import Subtrace, is_array
from rustdl.backend.tensor import convert_to_tensor


def _is_axis(x: Any) -> bool:
    return x is None or (isinstance(x, int) and not isinstance(x, bool))


def vmap(
    fn: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
    randomness: str = "different",
) -> Callable[..., Any]:
    """A function that applies `fn` to each slice of its arguments, all at once.

    `fn` is run once on tensors that have a shape but no value (so it cannot branch on values), and what it computed is
    computed again with one more axis: elementwise functions, reductions and views simply get the axis; matrix products
    become batched ones, convolutions and poolings take the examples as more images, gathers a longer list of indices.
    A kernel without such a rule (a convolution whose kernels differ between examples, ...) runs once for each example.
    `grad`, `jit` and `vmap` itself compose with it in any order; `vmap(grad(loss))` gives gradients by sample.

    Args:
        fn: A function of nested structures of tensors.
        in_axes: For each argument the axis to slice along, or `None` for one value for all: one integer for all
            arguments, or a tuple whose parts are integers, `None` or nested structures like the argument. Keyword
            arguments are sliced along axis 0 if `in_axes` is an integer, and not at all otherwise.
        out_axes: Where the axis is put in the results: an integer, or a structure like that of the result; `None` for
            results that are the same for all.
        axis_size: The number of examples, where no argument tells it.
        randomness: Numbers drawn from a `SeedGenerator` inside: `"different"`: other numbers for each example, as for
            the rows of a batch; `"same"`: all draw alike; `"error"`: drawing is refused. A fixed integer seed always
            draws the same for all.

    Returns:
        The function. Variables that `fn` assigns (seeds, counters) are assigned once, as for one example.

    Raises:
        ValueError: Arguments without a common size along their axes, or axes that do not fit; assigning to a variable
            what differs from example to example.

    Example:
        >>> import rustdl
        >>> dot = rustdl.vmap(lambda a, b: rustdl.ops.sum(a * b), in_axes=(0, None))
        >>> dot(rustdl.convert([[1.0, 2.0], [3.0, 4.0]]), rustdl.convert([1.0, 1.0])).tolist()
        [3.0, 7.0]
    """
    if randomness not in ("different", "same", "error"):
        raise ValueError(f"vmap: randomness must be 'different', 'same' or 'error', got {randomness!r}")
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)

    @functools.wraps(fn, assigned=("__name__", "__qualname__", "__doc__", "__module__"), updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(f"vmap: in_axes={in_axes} for {len(args)} arguments")
        axes = structure.spread("vmap: in_axes", in_axes, args, _is_axis)
        axes += [in_axes if isinstance(in_axes, int) else None] * len(structure.flatten(kwargs))
        batch = _Arguments(axes, axis_size)
        inner_args, inner_kwargs = batch.stand_in(args, kwargs)
        trace = Subtrace(fn, inner_args, inner_kwargs)
        return _finish(trace, batch, out_axes, randomness)

    return call


class _Arguments:
    """Placeholders for one example, and the values of all."""

    def __init__(self, axes: list[Any], size: int | None) -> None:
        self.axes = axes
        self.size = size
        self.placeholders: list[Tensor] = []
        self.values: list[Any] = []

    def stand_in(self, args: Any, kwargs: Any) -> Any:
        axes = iter(self.axes)

        def each(x: Any) -> Any:
            axis = next(axes)
            if axis is None or not (is_array(x) or isinstance(x, (int, float))):
                return x
            return self._slice(convert_to_tensor(x), axis)

        found = structure.map_leaves(each, (args, kwargs))
        if self.size is None:
            raise ValueError("vmap: no argument has an axis to slice along; give axis_size")
        return found

    def _slice(self, x: Any, axis: int) -> Tensor:
        from rustdl import ops

        rank = len(x.shape)
        if not -rank <= axis < rank:
            raise ValueError(
                f"vmap: in_axes: axis {axis} of a tensor of shape {tuple(x.shape)}; use None for what all share"
            )
        axis %= rank
        size = x.shape[axis]
        if self.size is not None and size != self.size:
            raise ValueError(f"vmap: axis {axis} of shape {tuple(x.shape)} has size {size}, others have {self.size}")
        self.size = size
        rest = (*x.shape[:axis], *x.shape[axis + 1 :])
        self.placeholders.append(_rustdl.placeholder(rest, x.dtype))
        self.values.append(x if axis == 0 else ops.moveaxis(x, axis, 0))
        return self.placeholders[-1]


def _finish(trace: Subtrace, batch: _Arguments, out_axes: Any, randomness: str) -> Any:
    size = batch.size
    assert size is not None
    reads = trace.scope.reads
    if randomness == "error":
        drawn = [variable.path for variable, _, _ in reads if variable.path.endswith("seed_generator_state")]
        if drawn:
            raise ValueError(f"vmap: randomness='error', but numbers are drawn from {drawn}")
    flags = [True] * len(batch.placeholders) + [False] * len(reads)
    placeholders = batch.placeholders + [placeholder for _, placeholder, _ in reads]
    values = batch.values + [outside for _, _, outside in reads]
    outputs = trace.outputs()
    found = _rustdl.evaluate(outputs, placeholders, values, flags, size, randomness == "different")
    results = sum(isinstance(x, Tensor) for x in trace.leaves)
    axes = iter(structure.spread("vmap: out_axes", out_axes, trace.result, _is_axis))
    moved: list[Any] = []
    for leaf in trace.leaves:
        axis = next(axes)
        if isinstance(leaf, Tensor):
            value, batched = found[len(moved)]
            moved.append(_place(value, batched, axis, size))
    for (variable, _), (_, batched) in zip(trace.writes, found[results:], strict=False):
        if batched:
            raise ValueError(
                f"vmap: variable {variable.path} would be assigned another value for each example; return the value "
                "instead, and assign its mean or sum outside"
            )
    losses = results + len(trace.writes)
    if any(batched for _, batched in found[losses : losses + len(trace.scope.losses)]):
        raise ValueError("vmap: add_loss inside of vmap would add another loss for each example; return it instead")
    return trace.unpack(moved + [x for x, _ in found[results:]])


def _place(x: Any, batched: bool, axis: Any, size: int) -> Any:
    from rustdl import ops

    if axis is None:
        if batched:
            raise ValueError("vmap: out_axes is None for a result that differs from example to example")
        return x
    if not batched:
        x = ops.broadcast_to(x, (size, *x.shape))
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise ValueError(f"vmap: out_axes={axis} for a result of {rank - 1} axes")
    return x if axis % rank == 0 else ops.moveaxis(x, 0, axis)
