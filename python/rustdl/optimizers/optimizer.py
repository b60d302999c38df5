"""The public name of the optimizer base class."""

from rustdl.optimizers.base_optimizer import BaseOptimizer


class Optimizer(BaseOptimizer):
    """Base class of all optimizers: see `BaseOptimizer` for its arguments.

    Override `build` (make slots), `update_step` (update one variable) and `get_config`.
    """
