"""Results of calls on symbolic tensors that fit together only for particular sizes or dtypes.

The sizes `None` of one call are first taken to be equal and different from all known ones. That is wrong where, say,
`(None, 3)` and `(2, None)` are added: then single ones are tried with 1, which broadcasts, and with the known sizes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from rustdl import tree
from rustdl.backend.dtypes import is_float_dtype
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.spec import compute_output_spec

# With more unknown sizes than this, single choices are not tried.
_MOST = 6


def fitted_output_spec(fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The result of `compute_output_spec` with as few unknown sizes replaced as make it possible.

    Args:
        fn: A function of tensors.
        args: Arguments, some of them `KerasTensor`s.
        kwargs: Likewise.

    Returns:
        The structure of the result; `None` where no choice fits.
    """
    inputs: dict[int, Any] = {id(x): x for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor)}
    unknown = [(key, axis) for key, x in inputs.items() for axis, d in enumerate(x.shape) if d is None]
    known = sorted({d for x in inputs.values() for d in x.shape if d is not None} - {1})
    if not unknown or len(unknown) > _MOST:
        return None
    for count in range(1, len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            for size in (1, *known):
                try:
                    return _with_sizes(fn, args, kwargs, inputs, dict.fromkeys(chosen, size))
                except (ValueError, TypeError):
                    continue
    return None


def integer_output_spec(fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The result of `compute_output_spec` with inputs of the default dtype taken for integers.

    A `KerasTensor` is of a float dtype unless something else is said, and Keras looks at dtypes of indices and bits
    only when values are there. So does a graph here: running it on floats is the error then.

    Args:
        fn: A function of tensors that refused its inputs for their dtypes.
        args: Arguments, some of them `KerasTensor`s.
        kwargs: Likewise.

    Returns:
        The structure of the result; `None` where it is refused all the same.
    """
    floats = [x for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor) and is_float_dtype(x.dtype)]
    for chosen in (floats[-1:], floats[:-1], floats):
        ids = {id(x) for x in chosen}

        def swap(x: Any, ids: set[int] = ids) -> Any:
            return KerasTensor(x.shape, dtype="int32") if id(x) in ids else x

        swapped = tree.map_structure(swap, args), tree.map_structure(swap, kwargs)
        try:
            return compute_output_spec(fn, *swapped[0], **swapped[1])
        except TypeError:
            continue
        except ValueError:
            found = fitted_output_spec(fn, *swapped)
            if found is not None:
                return found
    return None


def _with_sizes(fn: Any, args: Any, kwargs: Any, inputs: dict[int, Any], sizes: dict[tuple[int, int], int]) -> Any:
    """The result with these unknown sizes given."""
    replaced: dict[int, Any] = {}
    for key, x in inputs.items():
        shape = tuple(sizes.get((key, axis), d) for axis, d in enumerate(x.shape))
        replaced[key] = x if shape == tuple(x.shape) else KerasTensor(shape, dtype=x.dtype)

    def swap(x: Any) -> Any:
        return replaced.get(id(x), x) if isinstance(x, KerasTensor) else x

    return compute_output_spec(fn, *tree.map_structure(swap, args), **tree.map_structure(swap, kwargs))
