"""The names of `rustdl.distribution`."""

from __future__ import annotations

from typing import Any

from rustdl.utils.unsupported import refused_class, refused_function

_REASON = (
    "rustdl runs in one process on one CPU. Every op, and so every batch, is already cut over its cores; "
    "`rustdl.set_num_threads(n)` says how many. To train on several machines, average the weights of several processes "
    "(`model.get_weights()`, `model.set_weights()`), or use `gradient_accumulation_steps=` of the optimizer for "
    "batches that are larger than memory."
)

DataParallel = refused_class(__name__, "DataParallel", _REASON)
DeviceMesh = refused_class(__name__, "DeviceMesh", _REASON)
LayoutMap = refused_class(__name__, "LayoutMap", _REASON)
ModelParallel = refused_class(__name__, "ModelParallel", _REASON)
TensorLayout = refused_class(__name__, "TensorLayout", _REASON)
distribute_tensor = refused_function(__name__, "distribute_tensor", _REASON)


def list_devices(device_type: str | None = None) -> list[str]:
    """The devices: one CPU.

    Args:
        device_type: `"cpu"`, or None for all; there are none of type `"gpu"` or `"tpu"`.

    Example:
        >>> list_devices()
        ['cpu:0']
    """
    return ["cpu:0"] if device_type is None or str(device_type).lower() == "cpu" else []


def get_device_count(device_type: str | None = None) -> int:
    """How many devices `list_devices` names.

    Example:
        >>> get_device_count("gpu")
        0
    """
    return len(list_devices(device_type))


def initialize(job_addresses: Any = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Nothing to do for one process.

    Raises:
        NotImplementedError: Several processes are asked for.
    """
    if job_addresses is not None or num_processes not in {None, 1} or process_id not in {None, 0}:
        raise NotImplementedError(f"initialize() for several processes is not supported: {_REASON}")


def distribution() -> None:
    """The distribution in use: always None."""


def set_distribution(value: Any) -> None:
    """Sets the distribution; None is the only one.

    Raises:
        NotImplementedError: Another value.
    """
    if value is not None:
        raise NotImplementedError(f"set_distribution() is not supported: {_REASON}")
