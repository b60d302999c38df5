"""Policies by layer path, for giving single layers inside of a layer a policy of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from rustdl.dtype_policies.dtype_policy import DTypePolicy


class DTypePolicyMap(DTypePolicy, MutableMapping[str, Any]):
    """A dictionary from layer paths, or regular expressions of them, to policies.

    Args:
        default_policy: The policy of paths that no key matches; `None` is the global policy.
        policy_map: The entries.

    Example:
        >>> policies = DTypePolicyMap()
        >>> policies["model/dense"] = DTypePolicy("bfloat16")
        >>> policies["model/dense"].name
        'bfloat16'
    """

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None) -> None:
        from rustdl.dtype_policies.serialization import get

        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("`default_policy` cannot be a `DTypePolicyMap`.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(
                f"If specified, `policy_map` must be a dict. Received: {policy_map} (of type {type(policy_map)})"
            )
        self._default_policy_arg = default_policy
        self._default_policy: DTypePolicy = get(default_policy)
        self._policy_map: dict[str, Any] = dict(policy_map or {})

    @property
    def name(self) -> str:
        """`"map_"` and the name of the default policy."""
        return f"map_{self.default_policy._name}"

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of paths without an entry."""
        return self._default_policy

    @property
    def variable_dtype(self) -> str:
        """The default policy's."""
        return self.default_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The default policy's."""
        return self.default_policy.compute_dtype

    @property
    def quantization_mode(self) -> str | None:
        """The default policy's."""
        return self.default_policy.quantization_mode

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._policy_map:
            found: DTypePolicy = self._policy_map[key]
            return found
        matches = [name for name in self._policy_map if re.fullmatch(name, key)]
        if len(matches) > 1:
            raise ValueError(
                f"Path '{key}' matches multiple dtype policy specification keys: {matches}. Please make sure each "
                "path only matches at most one specification key."
            )
        return self._policy_map[matches[0]] if matches else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        from rustdl.dtype_policies.serialization import get

        if key in self._policy_map:
            raise ValueError(
                f"{key} already exist in the DTypePolicyMap with value {self._policy_map[key]}. Please make sure to "
                "not use duplicated keys."
            )
        try:
            policy = get(policy)
        except Exception:
            raise ValueError(
                f"Cannot interpret the assigned value by `keras.dtype_policies.get`. Received: {policy} "
                f"(of type {type(policy)})"
            ) from None
        self._policy_map[key] = policy

    def __delitem__(self, key: str) -> None:
        del self._policy_map[key]

    def __len__(self) -> int:
        return len(self._policy_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._policy_map)

    def __contains__(self, key: object) -> bool:
        return key in self._policy_map

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        from rustdl.dtype_policies.serialization import serialize

        default = self._default_policy_arg
        if isinstance(default, DTypePolicy):
            default = serialize(default)
        policies = {key: serialize(policy) for key, policy in self._policy_map.items()}
        if default is None:
            # Without a default of its own the map takes the global policy of where it is loaded, and so do its entries.
            for policy in policies.values():
                config = policy["config"]
                config.update({name: None for name in ("name", "source_name") if name in config})
        return {"default_policy": default, "policy_map": policies}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicyMap:
        """A map from `get_config`'s result."""
        from rustdl.dtype_policies.serialization import deserialize

        config = dict(config)
        policy_map = config.pop("policy_map", None) or {}
        default = config.get("default_policy")
        if isinstance(default, dict):
            config["default_policy"] = deserialize(default, custom_objects)
        return cls(
            **config,
            policy_map={key: deserialize(value, custom_objects) for key, value in policy_map.items()},
        )

    def __repr__(self) -> str:
        default = None if self._default_policy_arg is None else self._default_policy.name
        entries = [(key, policy.name) for key, policy in self._policy_map.items()]
        return f"<DTypePolicyMap at {hex(id(self))} default_policy={default} mapping={entries}>"

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, DTypePolicyMap)
            and self._default_policy == other._default_policy
            and self._policy_map == other._policy_map
        )

    def __hash__(self) -> int:
        return id(self)
