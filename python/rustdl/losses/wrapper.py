"""A function `fn(y_true, y_pred, **kwargs)` as a Loss object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import tree
from rustdl.losses.loss import Loss, Tensor, squeeze_or_expand_to_same_rank


class LossFunctionWrapper(Loss):
    """Wraps a loss function.

    Args:
        fn: Function of `(y_true, y_pred, **kwargs)` that returns one value a sample.
        reduction: See `Loss`.
        name: Name; by default made from the class's.
        dtype: See `Loss`.
        **kwargs: Passed on to `fn` at each call.
    """

    def __init__(
        self,
        fn: Callable[..., Tensor],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        pairs = tree.map_structure(squeeze_or_expand_to_same_rank, y_true, y_pred)
        if isinstance(pairs, tuple) and len(pairs) == 2 and hasattr(pairs[0], "shape"):
            y_true, y_pred = pairs
        else:
            y_true = tree.map_structure_up_to(y_true, lambda pair: pair[0], pairs)
            y_pred = tree.map_structure_up_to(y_pred, lambda pair: pair[1], pairs)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        from rustdl.saving import serialize_keras_object

        config = super().get_config()
        config["fn"] = serialize_keras_object(self.fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        if "fn" in config:
            from rustdl.saving import deserialize_keras_object

            config = deserialize_keras_object(config)
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self.fn}, kwargs={self._fn_kwargs})>"


class ConfiguredLoss(LossFunctionWrapper):
    """A named loss whose `get_config` lists the arguments in `_arguments` in place of `fn`."""

    _arguments: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        config = Loss.get_config(self)
        for argument in self._arguments:
            config[argument] = getattr(self, argument)
        return config
