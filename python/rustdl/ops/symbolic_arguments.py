"""The arguments of a symbolic call, in which tensors can be filled in later."""

from __future__ import annotations

from typing import Any

from rustdl import tree
from rustdl.backend.keras_tensor import KerasTensor


class SymbolicArguments:
    """Positional and keyword arguments that hold `KerasTensor`s.

    Attributes:
        args: The positional arguments.
        kwargs: The keyword arguments.
        keras_tensors: The `KerasTensor`s in them, in order.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = tree.map_structure(lambda x: x, args)
        self.kwargs = tree.map_structure(lambda x: x, kwargs)
        self.keras_tensors = [x for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor)]
        # By far the most calls have one tensor and nothing else.
        self._single = args[0] if not kwargs and len(args) == 1 and isinstance(args[0], KerasTensor) else None

    def convert(self, function: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with `function` applied to every `KerasTensor`."""

        def leaf(x: Any) -> Any:
            return function(x) if isinstance(x, KerasTensor) else x

        args, kwargs = tree.map_structure(leaf, (self.args, self.kwargs))
        return args, kwargs

    def fill_in(self, tensors: dict[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the tensors whose ids are keys replaced."""
        if self._single is not None:
            return (tensors[id(self._single)],), {}
        return self.convert(lambda x: tensors.get(id(x), x))
