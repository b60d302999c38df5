"""Losses over structures of outputs: one that sees several outputs at once, or several for the same output.

The argument `loss` of `compile` is matched with the predictions from the outside in. At each place of the predictions

- a single loss is computed on all that is there: one output, or a whole structure of them;
- a dictionary, list or tuple of the same kind as the predictions there goes on inside, key by key;
- a list of as many single losses as there are outputs gives one to each of them;
- any other list or tuple is several losses for this same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rustdl import tree


class Term(NamedTuple):
    """One loss of a structured argument: where its predictions are, what is computed, its weight, its name."""

    path: tuple[Any, ...]
    loss: Any
    weight: float | None
    name: str | None


class _Weighted(NamedTuple):
    """A loss as the user gave it, with its weight; a leaf in the structure of losses."""

    loss: Any
    weight: float | None


def _is_leaf(entry: Any) -> bool:
    return isinstance(entry, _Weighted) or entry is None


def _is_structure(x: Any) -> bool:
    return isinstance(x, (list, tuple, Mapping)) and not isinstance(x, _Weighted)


def is_structured(loss: Any, y_pred: Any) -> bool:
    """Whether a `loss` argument is more than one loss for each output.

    Args:
        loss: As given to `compile`.
        y_pred: The structure of the predictions.
    """
    if not _is_structure(loss):
        return False
    entries = list(loss.values()) if isinstance(loss, Mapping) else list(loss)
    if any(_is_structure(entry) and len(entry) > 1 for entry in entries):
        return True
    if isinstance(loss, Mapping):
        # A single loss for an output that is a structure itself.
        return isinstance(y_pred, Mapping) and any(
            _is_structure(y_pred.get(key)) and entry is not None for key, entry in loss.items()
        )
    return False


def with_weights(loss: Any, loss_weights: Any) -> Any:
    """The structure of losses with each one's weight beside it.

    Raises:
        ValueError: for another number of weights than of losses.
    """
    flat = tree.flatten(loss)
    weights = [None] * len(flat) if loss_weights is None else tree.flatten(loss_weights)
    if len(weights) != len(flat):
        raise ValueError(
            f"`loss_weights` must match the number of losses, got {len(flat)} losses and {len(weights)} weights."
        )
    pairs = [None if entry is None else _Weighted(entry, weight) for entry, weight in zip(flat, weights, strict=True)]
    return _pack(loss, iter(pairs))


def _pack(structure: Any, values: Iterator[Any]) -> Any:
    """As `tree.pack_sequence_as`, for values that are named tuples themselves."""
    if isinstance(structure, Mapping):
        packed = {key: _pack(structure[key], values) for key in sorted(structure)}
        return {key: packed[key] for key in structure}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(_pack(entry, values) for entry in structure))
    if isinstance(structure, (list, tuple)):
        return type(structure)(_pack(entry, values) for entry in structure)
    return next(values)


def match(loss: Any, y_pred: Any, names: Any) -> list[Term]:
    """The losses to compute.

    Args:
        loss: What `with_weights` returned.
        y_pred: The structure of the predictions.
        names: The names of the outputs (or None for each) in that structure.

    Raises:
        KeyError: if a place in `loss` is not one in the predictions.
    """
    return list(_match(loss, y_pred, names, ()))


def _match(loss: Any, y_pred: Any, names: Any, path: tuple[Any, ...]) -> Iterator[Term]:
    if loss is None:
        return
    if isinstance(loss, _Weighted):
        yield Term(path, loss.loss, loss.weight, _name(path, names))
        return
    if isinstance(loss, (list, tuple)) and all(map(_is_leaf, loss)) and len(loss) == len(tree.flatten(y_pred)):
        if not _is_structure(y_pred):
            yield from _match(loss[0], y_pred, names, path)
            return
        loss = _pack(y_pred, iter(loss))
    elif isinstance(loss, (list, tuple)) and not isinstance(y_pred, type(loss)):
        for entry in loss:
            yield from _match(entry, y_pred, names, path)
        return
    if not isinstance(loss, type(y_pred)):
        raise KeyError(f"The path: {path} in the `loss` argument, can't be found in the model's output (`y_pred`).")
    for key, entry in loss.items() if isinstance(loss, Mapping) else enumerate(loss):
        if entry is None:
            continue
        if key not in y_pred if isinstance(loss, Mapping) else key >= len(y_pred):
            raise KeyError(
                f"The path: {(*path, key)} in the `loss` argument, can't be found in either the model's output "
                "(`y_pred`) or in the labels (`y_true`)."
            )
        yield from _match(entry, y_pred[key], names[key], (*path, key))


def _name(path: tuple[Any, ...], names: Any) -> str | None:
    """The name of a term: its keys; the output's name in place of an index; all names for the whole."""
    if not _is_structure(names):
        if not path or isinstance(path[-1], int):
            path = (*path[:-1], names)
        return None if path[-1] is None else "/".join(map(str, path))
    if path:
        return "/".join(map(str, path))
    parts = list(names) if isinstance(names, Mapping) else tree.flatten(names)
    return None if any(part is None for part in parts) else "_".join(map(str, parts))


def at(path: tuple[Any, ...], structure: Any) -> Any:
    """What is at a path in a structure."""
    for key in path:
        structure = structure[key]
    return structure


def like_predictions(y: Any, y_pred: Any, names: list[str | None]) -> Any:
    """Targets in the structure of the predictions, with the same number of entries.

    Raises:
        ValueError: for another number of entries.
    """
    if isinstance(y, Mapping) and isinstance(y_pred, (list, tuple)) and set(y) == set(names):
        y = [y[name] for name in names]
    flat, wanted = tree.flatten(y), tree.flatten(y_pred)
    if len(flat) != len(wanted):
        raise ValueError(
            "y_true and y_pred have different structures.\n"
            f"y_true: {tree.map_structure(lambda _: '*', y)}\ny_pred: {tree.map_structure(lambda _: '*', y_pred)}\n"
        )
    return tree.pack_sequence_as(y_pred, flat)
