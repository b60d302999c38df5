"""Sends the metrics of each epoch to a web server."""

from __future__ import annotations

import json
import warnings
from typing import Any
from urllib import parse, request

import numpy as np

from rustdl.callbacks.callback import Callback, Logs


class RemoteMonitor(Callback):
    """Posts the metrics of each epoch as JSON to `root + path`.

    Args:
        root: Root of the server's address.
        path: Path below the root.
        field: The form field that holds the JSON text, without `send_as_json`.
        headers: Dictionary of HTTP headers.
        send_as_json: Whether the body is the JSON text itself (`application/json`) rather than a form.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        message: dict[str, Any] = {"epoch": epoch}
        for name, value in (logs or {}).items():
            message[name] = _plain(value)
        try:
            self._post(message)
        except OSError:
            # (requests' and urllib's exceptions are both OSErrors.)
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}", stacklevel=2)

    def _post(self, message: dict[str, Any]) -> None:
        address = self.root + self.path
        try:
            import requests
        except ImportError:
            pass
        else:
            if self.send_as_json:
                requests.post(address, json=message, headers=self.headers)
            else:
                requests.post(address, data={self.field: json.dumps(message)}, headers=self.headers)
            return
        headers = dict(self.headers or {})
        if self.send_as_json:
            body, kind = json.dumps(message).encode(), "application/json"
        else:
            body, kind = (
                parse.urlencode({self.field: json.dumps(message)}).encode(),
                "application/x-www-form-urlencoded",
            )
        headers.setdefault("Content-Type", kind)
        with request.urlopen(request.Request(address, data=body, headers=headers), timeout=10):
            pass


def _plain(value: Any) -> Any:
    """Numbers and lists that JSON knows; an array of one number is that number."""
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.item()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
