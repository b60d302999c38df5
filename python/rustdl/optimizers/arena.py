"""Lays parameters and optimizer slots out in flat memory, so that one pass updates them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustdl._rustdl import pack


def pack_variables(trainable: Sequence[Any], slots: Sequence[Any]) -> None:
    """Moves the storage of variables into one arena for each kind of variable; their values stay.

    Parameters come first, then the slots of each kind (all momenta, all velocities ...), each kind in the order of the
    parameters: what the update reads for one parameter then lies at one offset in every arena.

    Args:
        trainable: the model variables.
        slots: the optimizer's variables, in order of creation.
    """
    names = [f"{v.path.replace('/', '_')}_" for v in trainable]
    kinds: dict[str, list[Any]] = {}
    for slot in slots:
        for variable, prefix in zip(trainable, names, strict=True):
            if slot.name.startswith(prefix) and tuple(slot.shape) == tuple(variable.shape):
                kinds.setdefault(slot.name[len(prefix) :], []).append(slot)
                break
    for group in ([*trainable], *kinds.values()):
        _pack_group(group)


def _pack_group(variables: list[Any]) -> None:
    by_dtype: dict[str, list[Any]] = {}
    for variable in variables:
        cell = getattr(variable, "_cell", None)
        if cell is not None:
            by_dtype.setdefault(str(variable.dtype), []).append(cell)
    for cells in by_dtype.values():
        if len(cells) > 1:
            pack(cells)
