"""Lazy export of names: a subpackage lists what it offers, the module behind a name is imported at first use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(package: str, exports: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Makes `__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: The package's `__name__`.
        exports: Public name -> `"module"` or `"module:attribute"`. A module that starts with a dot is
            relative to the package; without `:attribute` the attribute has the public name. A target
            `"module:"` exports the module itself.

    Returns:
        The three values, to be assigned at module level.
    """

    def get(name: str) -> Any:
        target = exports.get(name)
        if target is None:
            if not name.startswith("__"):
                try:
                    return importlib.import_module(f"{package}.{name}")
                except ModuleNotFoundError as error:
                    if error.name != f"{package}.{name}":
                        raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module_name, colon, attribute = target.partition(":")
        module = importlib.import_module(module_name, package)
        value = module if colon and not attribute else getattr(module, attribute or name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *exports})

    return get, names, sorted(exports)
