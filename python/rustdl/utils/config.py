"""`Config`: named values that can be frozen and written as JSON."""

from __future__ import annotations

import difflib
import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class Config:
    """A dictionary whose entries are attributes too, and which can be frozen.

    Args:
        **kwargs: the first entries.

    Example:
        >>> config = Config(learning_rate=0.1)
        >>> config.momentum = 0.9
        >>> config["seed"] = 1
        >>> config.freeze()
        >>> config.to_json()
        '{"learning_rate": 0.1, "momentum": 0.9, "seed": 1}'
    """

    _config: dict[str, Any]
    _frozen: bool

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_config", kwargs)
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether entries cannot be changed."""
        return self._frozen

    def freeze(self) -> None:
        """From now on a change is an error."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Changes are allowed again."""
        object.__setattr__(self, "_frozen", False)

    def _raise_if_frozen(self) -> None:
        if self._frozen:
            raise ValueError("Cannot mutate attribute(s) because the config is frozen.")

    def as_dict(self) -> dict[str, Any]:
        """The entries as a new dictionary."""
        return dict(self._config)

    def to_json(self) -> str:
        """The entries as JSON."""
        return json.dumps(self._config)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._config.keys()

    def values(self) -> ValuesView[Any]:
        """The values."""
        return self._config.values()

    def items(self) -> ItemsView[str, Any]:
        """Names and values."""
        return self._config.items()

    def pop(self, *args: Any) -> Any:
        """Takes an entry out: `pop(name)` or `pop(name, default)`."""
        self._raise_if_frozen()
        return self._config.pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Sets entries as `dict.update` does."""
        self._raise_if_frozen()
        self._config.update(*args, **kwargs)

    def get(self, keyname: str, value: Any = None) -> Any:
        """An entry, or `value` where there is none."""
        return self._config.get(keyname, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in dir(type(self)) or name in ("_config", "_frozen"):
            object.__setattr__(self, name, value)
            return
        self[name] = value

    def __getattr__(self, name: str) -> Any:
        # Called only where there is no such attribute; copying and pickling ask before there are entries.
        if name.startswith("__") or name in ("_config", "_frozen"):
            raise AttributeError(name)
        if name in self._config:
            return self._config[name]
        near = difflib.get_close_matches(name, self._config, n=1, cutoff=0.7)
        raise AttributeError(f"Unknown attribute: '{name}'." + (f" Did you mean '{near[0]}'?" if near else ""))

    def __setitem__(self, key: str, item: Any) -> None:
        self._raise_if_frozen()
        self._config[key] = item

    def __getitem__(self, key: str) -> Any:
        return self._config[key]

    def __delitem__(self, key: str) -> None:
        self._raise_if_frozen()
        del self._config[key]

    def __repr__(self) -> str:
        return f"<Config {self._config}>"

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._config))

    def __len__(self) -> int:
        return len(self._config)

    def __contains__(self, item: object) -> bool:
        return item in self._config
