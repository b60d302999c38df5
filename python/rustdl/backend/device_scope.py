"""`device`: there is one device, the CPU."""

from __future__ import annotations

from types import TracebackType


class device:  # noqa: N801  (the public name)
    """A context that names the device to compute on; only the CPU is accepted.

    Args:
        device_name: `"cpu"` or `"cpu:0"`.

    Raises:
        ValueError: Another device.

    Example:
        >>> with device("cpu:0"):
        ...     pass
    """

    def __init__(self, device_name: str) -> None:
        name = str(device_name).lower().lstrip("/").removeprefix("device:")
        if name not in ("cpu", "cpu:0"):
            raise ValueError(f"rustdl computes on the CPU only: device({device_name!r}) is not available, use 'cpu'")
        self.device_name = "cpu"

    def __enter__(self) -> device:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        return None
