"""The public name of the optimizer base class."""

from rustdl.optimizers.base_optimizer import BaseOptimizer


class Optimizer(BaseOptimizer):
    __doc__ = BaseOptimizer.__doc__
