"""`ops.vectorize`: functions of numbers or of small arrays, applied along the remaining axes of their arguments."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.backend import structure
from rustdl.ops.loops import vectorized_map

_ARGUMENT = r"\(([^()]*)\)"
_SIGNATURE = re.compile(rf"{_ARGUMENT}(,{_ARGUMENT})*->{_ARGUMENT}(,{_ARGUMENT})*")


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    """A function of numbers (or of what `signature` says) that takes arrays of them, broadcast against each other.

    Args:
        pyfunc: A function of tensors; without a signature of scalars.
        excluded: Positions of arguments that are passed on as they are.
        signature: The last axes that each argument and result of `pyfunc` has, as in numpy: `"(m,n),(n)->(m)"`.
            All other axes are looped over.

    Returns:
        A function of as many arguments.

    Raises:
        ValueError: A signature that is none, arguments that do not fit it, axes of one name that differ in size.

    Example:
        >>> vectorize(lambda x, y: x * y + 1)([[1.0], [2.0]], [3.0, 4.0]).tolist()
        [[4.0, 5.0], [7.0, 9.0]]
        >>> vectorize(lambda row: row[-1], signature="(n)->()")([[1.0, 2.0], [3.0, 4.0]]).tolist()
        [2.0, 4.0]
    """
    if not callable(pyfunc):
        raise ValueError(f"Expected argument `pyfunc` to be a callable. Received: pyfunc={pyfunc}")
    left_out = set(excluded or ())
    names = None if signature is None else _parse(signature)

    @functools.wraps(pyfunc)
    def call(*args: Any) -> Any:
        looped = [i for i in range(len(args)) if i not in left_out]
        tensors = [backend.convert_to_tensor(args[i]) for i in looped]
        cores: list[tuple[str, ...]] = [()] * len(tensors) if names is None else names
        if len(cores) != len(tensors):
            raise ValueError(f"vectorize: signature {signature!r} is for {len(cores)} arguments, got {len(tensors)}")
        _check_sizes(tensors, cores)
        leading = [x.shape[: x.ndim - len(core)] for x, core in zip(tensors, cores, strict=True)]
        batch = np.broadcast_shapes(*leading)

        def one(slices: Any) -> Any:
            found = list(args)
            for i, x in zip(looped, slices, strict=True):
                found[i] = x
            return pyfunc(*found)

        if not batch:
            return one(tensors)
        rows = [_rows(x, batch, len(core)) for x, core in zip(tensors, cores, strict=True)]
        results = vectorized_map(one, rows)
        return structure.map_leaves(lambda y: engine.reshape(y, [*batch, *y.shape[1:]]), results)

    return call


def _parse(signature: str) -> list[tuple[str, ...]]:
    """The names of the last axes of each argument."""
    text = "".join(signature.split())
    if not _SIGNATURE.fullmatch(text):
        raise ValueError(f'vectorize: not a signature: {signature!r}; write it as in "(m,n),(n)->(m)"')
    arguments = re.findall(_ARGUMENT, text.split("->", maxsplit=1)[0])
    return [tuple(name for name in core.split(",") if name) for core in arguments]


def _check_sizes(tensors: list[Any], cores: list[tuple[str, ...]]) -> None:
    sizes: dict[str, int] = {}
    for i, (x, core) in enumerate(zip(tensors, cores, strict=True)):
        if x.ndim < len(core):
            raise ValueError(f"vectorize: argument {i} of shape {tuple(x.shape)} has no axes {core}")
        for name, size in zip(core, x.shape[x.ndim - len(core) :], strict=True):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"vectorize: axis {name!r} has the sizes {sizes[name]} and {size}")


def _rows(x: Any, batch: tuple[int, ...], core: int) -> Any:
    """All axes that are looped over as one."""
    last = list(x.shape[x.ndim - core :])
    return engine.reshape(engine.broadcast_to(x, [*batch, *last]), [-1, *last])
