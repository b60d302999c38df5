"""Objects to JSON-able dicts and back, in the format of Keras 3's `config.json`.

An object becomes `{"module", "class_name", "config", "registered_name"[, "build_config", "compile_config",
"shared_object_id"]}`. Reading looks classes up in a closed table (`public_names`) and among the objects that the
user registered; nothing is imported because a file says so, and Python code is run only with `safe_mode=False`.
"""

from __future__ import annotations

import threading
import types
import warnings
from typing import Any

import numpy as np

from rustdl.saving import object_registration
from rustdl.saving.public_names import file_module, name_from_symbol, symbol_from_name

PLAIN_TYPES = (str, int, float, bool)
# Where a bare function name ("relu", "mse") of an old or hand-written config is looked for.
_FUNCTION_NAMESPACES = (
    "activations",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "optimizers",
    "regularizers",
)
MAX_DEPTH = 100  # a deeper config is damaged or hostile


class _State(threading.local):
    """Per thread: safe mode (None: not set) and the tables of shared objects."""

    def __init__(self) -> None:
        self.safe_mode: bool | None = None
        self.objects: dict[int, Any] | None = None
        self.configs: dict[int, dict[str, Any]] | None = None
        self.depth = 0


_state = _State()


class SafeModeScope:
    """While open, `deserialize_keras_object` in this thread uses this safe mode.

    Args:
        safe_mode: whether Python code in configs is refused.
    """

    def __init__(self, safe_mode: bool | None = True) -> None:
        self.safe_mode = safe_mode

    def __enter__(self) -> None:
        self._outer = _state.safe_mode
        _state.safe_mode = self.safe_mode

    def __exit__(self, *args: object) -> None:
        _state.safe_mode = self._outer


def enable_unsafe_deserialization() -> None:
    """Turns safe mode off for this thread: configs may then carry Python code that is run."""
    _state.safe_mode = False


def in_safe_mode() -> bool | None:
    """The safe mode set by a scope or by `enable_unsafe_deserialization`; None when nobody set it."""
    return _state.safe_mode


class ObjectSharingScope:
    """While open, one object that is met twice is written, or made, once."""

    def __enter__(self) -> None:
        self._outer = (_state.objects, _state.configs)
        _state.objects, _state.configs = {}, {}

    def __exit__(self, *args: object) -> None:
        _state.objects, _state.configs = self._outer


def _note_written(obj: Any, config: dict[str, Any]) -> None:
    """Marks the configs of an object that is written more than once with one id."""
    if config["module"] == "__main__":
        config["module"] = None
    if _state.configs is None:
        return
    key = id(obj)
    if key in _state.configs:
        config["shared_object_id"] = key
        _state.configs[key]["shared_object_id"] = key
    else:
        _state.configs[key] = config


class SerializableDict:
    """A dict of keyword arguments that serialises its values (used by layers with dict-valued settings)."""

    def __init__(self, **config: Any) -> None:
        self.config = config

    def serialize(self) -> Any:
        """The JSON-able form of the dict."""
        return serialize_keras_object(self.config)


def serialize_dict(obj: dict[str, Any]) -> dict[str, Any]:
    """Serialises every value of a dict."""
    return {key: serialize_keras_object(value) for key, value in obj.items()}


def serialize_keras_object(obj: Any) -> Any:
    """The JSON-able form of an object: layer, model, optimizer, function, array, tensor, or plain Python value.

    Args:
        obj: anything with `get_config`, a function, numpy values, tensors, containers, plain values.

    Returns:
        A plain value, list, tuple or dict.

    Raises:
        TypeError: for an object without `get_config`.

    Example:
        >>> import rustdl
        >>> rustdl.saving.serialize_keras_object(rustdl.regularizers.L2(0.1))["class_name"]
        'L2'
    """
    if obj is None or isinstance(obj, PLAIN_TYPES):
        return obj
    if isinstance(obj, list):
        return [serialize_keras_object(x) for x in obj]
    if isinstance(obj, tuple):
        return tuple(serialize_keras_object(x) for x in obj)
    if isinstance(obj, dict):
        return serialize_dict(obj)
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {k: serialize_keras_object(getattr(obj, k)) for k in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    special = _serialize_value(obj)
    if special is not None:
        return special
    if isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>":
        return _serialize_lambda(obj)
    return _serialize_object(obj)


def _serialize_value(obj: Any) -> Any:
    """Tensors, numpy values and types; None when `obj` is none of these."""
    from rustdl import backend

    if isinstance(obj, backend.KerasTensor):
        history = getattr(obj, "_keras_history", None)
        if history:
            history = [history[0].name, *list(history)[1:]]
        config = {"shape": obj.shape, "dtype": obj.dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    if isinstance(obj, np.dtype) or (isinstance(obj, type) and issubclass(obj, np.generic)):
        return backend.standardize_dtype(obj)
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": str(obj.dtype)}}
    if backend.is_tensor(obj):
        value = np.asarray(backend.convert_to_numpy(obj))
        return {
            "class_name": "__tensor__",
            "config": {"value": value.tolist(), "dtype": backend.standardize_dtype(obj.dtype)},
        }
    return None


def _serialize_lambda(fn: types.FunctionType) -> dict[str, Any]:
    from rustdl.saving import python_code

    warnings.warn(
        "The object being serialized includes a `lambda`. Its code is stored in the file, so loading it needs "
        "`safe_mode=False`. Use a named function registered with `register_keras_serializable` instead.",
        stacklevel=4,
    )
    return {"class_name": "__lambda__", "config": {"value": python_code.func_dump(fn)}}


def _serialize_object(obj: Any) -> dict[str, Any]:
    """Classes with `get_config`, functions, and classes themselves."""
    inner = _object_config(obj)
    identity = public_identity(type(obj))
    config: dict[str, Any]
    if identity is not None:
        config = {**identity, "config": inner, "registered_name": None}
    elif isinstance(obj, types.FunctionType | types.BuiltinFunctionType | type):
        config = {
            "module": "builtins",
            "class_name": "function" if not isinstance(obj, type) else "type",
            "config": inner,
            "registered_name": inner,
        }
    else:
        cls = type(obj)
        object_registration.note_serialized(cls)
        config = {
            "module": file_module(cls),
            "class_name": cls.__name__,
            "config": inner,
            "registered_name": object_registration.get_registered_name(cls),
        }
    _add_build_and_compile(obj, config)
    _note_written(obj, config)
    return config


def public_identity(cls: Any) -> dict[str, Any] | None:
    """`module` and `class_name` of a public class of this package, as files name it; None for others."""
    name = name_from_symbol(cls)
    if name is None:
        return None
    module, _, last = name.rpartition(".")
    return {"module": module, "class_name": last}


def _object_config(obj: Any) -> Any:
    if isinstance(obj, types.FunctionType | types.BuiltinFunctionType | type):
        return object_registration.get_registered_name(obj)
    if hasattr(obj, "get_config"):
        config = obj.get_config()
        if not isinstance(config, dict):
            raise TypeError(f"The `get_config()` method of {obj} should return a dict. It returned: {config}")
        return serialize_dict(config)
    if hasattr(obj, "__name__"):
        return object_registration.get_registered_name(obj)
    raise TypeError(
        f"Cannot serialize object {obj} of type {type(obj)}. To be serializable, a class must implement "
        "the `get_config()` method."
    )


def _add_build_and_compile(obj: Any, config: dict[str, Any]) -> None:
    if isinstance(obj, type):
        return
    for key in ("build_config", "compile_config"):
        getter = getattr(obj, f"get_{key}", None)
        value = getter() if getter is not None else None
        if value is not None:
            config[key] = serialize_dict(value)


def deserialize_keras_object(
    config: Any,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
    **kwargs: Any,
) -> Any:
    """Makes the object that `serialize_keras_object` wrote.

    Args:
        config: what `serialize_keras_object` returned (through JSON or not).
        custom_objects: names to classes and functions of yours.
        safe_mode: refuse configs that carry Python code.
        **kwargs: `module_objects`, a table of names tried for a bare name or an old-style config.

    Returns:
        The object; a plain value as it is.

    Raises:
        TypeError: unknown class or function, or a config that does not fit its class.
        ValueError: Python code in safe mode; a config nested too deeply.
    """
    scope = in_safe_mode()
    safe_mode = scope if scope is not None else safe_mode
    module_objects = kwargs.pop("module_objects", None)
    if kwargs:
        raise TypeError(f"deserialize_keras_object() got unknown arguments: {sorted(kwargs)}")
    custom = {
        **(custom_objects or {}),
        **object_registration.scoped_objects(),
        **object_registration.get_custom_objects(),
    }
    _state.depth += 1
    try:
        if _state.depth > MAX_DEPTH:
            raise ValueError(f"The config is nested more than {MAX_DEPTH} levels deep: it is damaged or hostile.")
        return _deserialize(config, custom, safe_mode, module_objects)
    finally:
        _state.depth -= 1


def _deserialize(config: Any, custom: dict[str, Any], safe_mode: bool, module_objects: dict[str, Any] | None) -> Any:
    if config is None:
        return None
    if isinstance(config, str) and custom.get(config) is not None:
        return custom[config]
    if isinstance(config, list | tuple):
        return [deserialize_keras_object(x, custom, safe_mode) for x in config]
    if module_objects is not None:
        found, config = _from_module_objects(config, custom, safe_mode, module_objects)
        if found:
            return config
    if isinstance(config, PLAIN_TYPES):
        return config
    if not isinstance(config, dict):
        raise TypeError(f"Could not parse config: {config}")
    if "class_name" not in config or "config" not in config:
        return {key: deserialize_keras_object(value, custom, safe_mode) for key, value in config.items()}
    if isinstance(config["class_name"], str) and config["class_name"].startswith("__"):
        return _deserialize_value(config, custom, safe_mode)
    return _deserialize_object(config, custom, safe_mode)


def _from_module_objects(
    config: Any, custom: dict[str, Any], safe_mode: bool, table: dict[str, Any]
) -> tuple[bool, Any]:
    """Old-style configs and bare names: `(True, object)` or `(False, config to go on with)`."""
    inner: Any = None
    name = config
    if isinstance(config, dict):
        inner = config.get("config")
        if "class_name" not in config:
            raise ValueError(f"Unknown `config` as a `dict`, config={config}")
        class_name = config["class_name"]
        named = (class_name, config.get("registered_name"), inner if isinstance(inner, str) else None)
        if any(isinstance(n, str) and n in custom for n in named):
            return False, config
        if class_name == "function":
            name = config["config"] if config.get("module") == "builtins" else config.get("registered_name")
        elif "module" in config and config["module"] is None:
            raise TypeError(
                f"Cannot deserialize object of type `{class_name}`. If `{class_name}` is a custom class, please "
                "register it using the `@keras.saving.register_keras_serializable()` decorator."
            )
        else:
            name = class_name
    if not isinstance(name, str) or name not in table:
        return True, name
    target = table[name]
    if not isinstance(target, type):
        return True, target
    identity = public_identity(target) or {"module": target.__module__, "class_name": target.__name__}
    full = {**identity, "config": inner if inner is not None else {}, "registered_name": None}
    return True, _instantiate(target, full, custom, safe_mode)


def _deserialize_value(config: dict[str, Any], custom: dict[str, Any], safe_mode: bool) -> Any:
    """The forms that stand for a value: tensors, arrays, bytes, slices, lambdas."""
    from rustdl import backend

    kind, inner = config["class_name"], config["config"] or {}
    if kind == "__keras_tensor__":
        tensor: Any = backend.KerasTensor(inner["shape"], dtype=inner["dtype"])
        tensor._pre_serialization_keras_history = inner["keras_history"]
        return tensor
    if kind == "__tensor__":
        return backend.convert_to_tensor(inner["value"], dtype=inner["dtype"])
    if kind == "__numpy__":
        dtype = backend.standardize_dtype(inner["dtype"])
        return np.array(inner["value"], dtype=dtype)
    if kind == "__bytes__":
        return inner["value"].encode("utf-8")
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__slice__":
        return slice(*(deserialize_keras_object(inner[k], custom, safe_mode) for k in ("start", "stop", "step")))
    if kind == "__lambda__":
        if safe_mode:
            raise ValueError(
                "Requested the deserialization of a Python lambda. This carries a potential risk of "
                "arbitrary code execution, so it is disallowed by default. If you trust the source of the file, pass "
                "`safe_mode=False` to the loading "
                "function, or call `rustdl.config.enable_unsafe_deserialization()`."
            )
        from rustdl.saving import python_code

        return python_code.func_load(inner["value"])
    raise TypeError(f"Unknown kind of value in config: class_name={kind!r}")


def _deserialize_object(config: dict[str, Any], custom: dict[str, Any], safe_mode: bool) -> Any:
    class_name = config["class_name"]
    inner = config["config"] if config["config"] is not None else {}
    module = config.get("module")
    registered = config.get("registered_name", class_name)
    if class_name == "function":
        if not isinstance(inner, str):
            raise TypeError(
                f"Expected 'config' to be a non-null str for a function, got {type(inner)}. Full config: {config}"
            )
        return _find(inner, inner, module, "function", config, custom)
    if not isinstance(inner, dict):
        raise TypeError(f"Expected 'config' to be a dict for {class_name}, got {type(inner)}. Full config: {config}")
    shared = config.get("shared_object_id")
    if shared is not None and _state.objects is not None and shared in _state.objects:
        return _state.objects[shared]
    cls = _find(class_name, registered, module, "class", config, custom)
    if isinstance(cls, types.FunctionType):
        return cls
    if not hasattr(cls, "from_config"):
        raise TypeError(
            f"Unable to reconstruct an instance of '{class_name}' because the class is missing a `from_config()` "
            f"method. Full object config: {config}"
        )
    instance = _instantiate(cls, config, custom, safe_mode)
    if shared is not None and _state.objects is not None:
        _state.objects[shared] = instance
    return instance


def _instantiate(cls: Any, config: dict[str, Any], custom: dict[str, Any], safe_mode: bool) -> Any:
    """`cls.from_config`, then the build and compile configs."""
    with object_registration.CustomObjectScope(custom), SafeModeScope(safe_mode):
        try:
            instance = cls.from_config(config["config"] if config["config"] is not None else {})
        except TypeError as error:
            raise TypeError(
                f"{cls} could not be deserialized properly. Please ensure that components that are Python object "
                "instances (layers, models, etc.) returned by `get_config()` are explicitly deserialized in the "
                f"model's `from_config()` method.\n\nconfig={config}.\n\nException encountered: {error}"
            ) from error
        build_config = config.get("build_config")
        if build_config and not instance.built:
            instance.build_from_config(build_config)
            instance.built = True
        compile_config = config.get("compile_config")
        if compile_config:
            instance.compile_from_config(compile_config)
            instance.compiled = True
    return instance


def _find(name: Any, registered: Any, module: Any, kind: str, config: dict[str, Any], custom: dict[str, Any]) -> Any:
    """The class or function a config names, from the user's registry and then the closed table."""
    found = object_registration.get_registered_object(registered, custom_objects=custom)
    if found is not None:
        return found
    if not isinstance(name, str) or not (module is None or isinstance(module, str)):
        raise TypeError(f"Damaged config: class_name={name!r}, module={module!r} should be strings.")
    if module:
        public = symbol_from_name(f"{module}.{name}")
        if public is not None and (kind == "function") == (not isinstance(public, type)):
            _check_no_registered_name(config, name, f"{module}.{name}")
            return public
    if kind == "function" and module == "builtins":
        for namespace in _FUNCTION_NAMESPACES:
            public = symbol_from_name(f"keras.{namespace}.{name}")
            if public is not None and not isinstance(public, type):
                _check_no_registered_name(config, name, f"keras.{namespace}.{name}")
                return public
        for full_name, value in custom.items():
            if ">" not in name and full_name.endswith(f">{name}"):
                return value
    known = object_registration.serialized_class(module, name) if kind == "class" else None
    if known is not None:
        return known
    raise TypeError(
        f"Could not locate {kind} '{name}'. Make sure custom classes and functions are decorated with "
        "`@keras.saving.register_keras_serializable()`. If they are already decorated, make sure they are all "
        "imported so that the decorator is run before trying to load them, or pass them as `custom_objects=`. "
        f"Full object config: {config}"
    )


def _check_no_registered_name(config: dict[str, Any], name: str, found: str) -> None:
    """A built-in is never found under a name that the file says was registered by a user."""
    explicit = config.get("registered_name")
    if explicit and explicit not in (name, config.get("class_name")):
        raise ValueError(
            f"`registered_name={explicit!r}` was given, but '{found}' resolved to a Keras built-in, which has none. "
            f"Remove the `registered_name` field. Full object config: {config}"
        )
