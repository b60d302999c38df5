"""Distribution over devices: there is one device here, the CPU, whose cores are used without being asked.

Names of Keras exist; what asks for several devices is refused with what to use instead.
"""

from rustdl._lazy import attach

_NAMES = (
    "DataParallel",
    "DeviceMesh",
    "LayoutMap",
    "ModelParallel",
    "TensorLayout",
    "distribute_tensor",
    "distribution",
    "get_device_count",
    "initialize",
    "list_devices",
    "set_distribution",
)

__getattr__, __dir__, __all__ = attach(__name__, dict.fromkeys(_NAMES, "rustdl.distribution.distribution_lib"))
