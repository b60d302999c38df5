"""Dropout in recurrent cells: one mask for all time steps."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random


class DropoutRNNCell:
    """Mixin of cells with dropout of the inputs and of the state.

    The masks are drawn once a sequence and used in all its steps, so that a feature is there for a whole sequence or
    not at all (Gal & Ghahramani, 2016). `RNN` draws them before the loop and forgets them after it.

    A cell has the attributes `dropout` and `recurrent_dropout` (rates in [0, 1]) and `seed_generator`, and may set
    `dropout_mask_count` to the number of masks, such as one for each gate; the masks are then lists.

    Example:
        >>> import rustdl
        >>> cell = rustdl.layers.SimpleRNNCell(2, dropout=0.5, seed=1)
        >>> cell.get_dropout_mask(rustdl.ops.ones((1, 3))).shape
        (1, 3)
    """

    dropout: float
    recurrent_dropout: float
    seed_generator: Any
    _dropout_mask: Any = None
    _recurrent_dropout_mask: Any = None

    def _create_dropout_mask(self, step_input: Any, dropout_rate: float) -> Any:
        ones = ops.ones_like(step_input)
        count: int | None = getattr(self, "dropout_mask_count", None)
        masks = [random.dropout(ones, dropout_rate, seed=self.seed_generator) for _ in range(count or 1)]
        return masks[0] if count is None else masks

    def _mask(self, name: str, step_input: Any, rate: float) -> Any:
        mask = getattr(self, name)
        if mask is None and rate > 0:
            mask = self._create_dropout_mask(step_input, rate)
            object.__setattr__(self, name, mask)
        return mask

    def get_dropout_mask(self, step_input: Any) -> Any:
        """The mask of the inputs, drawn where there is none yet; `None` at a rate of 0.

        Args:
            step_input: One step's inputs, for shape and dtype.
        """
        return self._mask("_dropout_mask", step_input, self.dropout)

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """The mask of the state, drawn where there is none yet; `None` at a rate of 0.

        Args:
            step_input: The state, for shape and dtype.
        """
        return self._mask("_recurrent_dropout_mask", step_input, self.recurrent_dropout)

    def reset_dropout_mask(self) -> None:
        """Forgets the mask of the inputs."""
        object.__setattr__(self, "_dropout_mask", None)

    def reset_recurrent_dropout_mask(self) -> None:
        """Forgets the mask of the state."""
        object.__setattr__(self, "_recurrent_dropout_mask", None)
