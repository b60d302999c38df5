"""`Operation`: what can be called on symbolic tensors and then becomes a node of a graph. Layers are operations."""

from __future__ import annotations

import inspect
from typing import Any

from rustdl import tree
from rustdl.backend.keras_tensor import any_symbolic_tensors
from rustdl.ops.node import Node
from rustdl.utils import traceback_utils
from rustdl.utils.naming import auto_name
from rustdl.utils.python_utils import default, is_default

_BASIC = (str, int, float, bool, type(None))


class _AutoConfig:
    """The constructor's arguments, recorded for classes that have no `get_config` of their own."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments

    @property
    def is_serializable(self) -> bool:
        """Whether every argument can stand in a configuration."""
        for x in tree.flatten(self.arguments):
            if not isinstance(x, _BASIC) and not hasattr(x, "get_config"):
                return False
        return True

    def serialize(self) -> dict[str, Any]:
        """The arguments, objects as their configurations."""
        from rustdl.saving import serialize_keras_object

        found = serialize_keras_object(self.arguments)
        return dict(found)

    def __deepcopy__(self, memo: Any) -> _AutoConfig:
        return self


class Operation:
    """Base class of everything that a graph of `KerasTensor`s can be made of.

    Subclasses define `call(*args, **kwargs)` on tensors, and `compute_output_spec` where it cannot be inferred.

    Args:
        name: Automatic by default; no `/` in it.

    Example:
        >>> import rustdl
        >>> class Double(rustdl.Operation):
        ...     def call(self, x):
        ...         return x + x
        >>> Double()(rustdl.KerasTensor((None, 3))).shape
        (None, 3)
    """

    _auto_config: _AutoConfig | None

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                "Argument `name` must be a string and cannot contain character `/`. "
                f"Received: name={name} (of type {type(name)})"
            )
        self.name = name
        self._inbound_nodes: list[Node] = []
        self._outbound_nodes: list[Node] = []

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Records the constructor's arguments before the constructor runs."""
        instance = super().__new__(cls)
        config: _AutoConfig | None = None
        if is_default(cls.get_config) or getattr(cls.get_config, "_wants_auto_config", False):
            try:
                config = _AutoConfig(_named_arguments(cls, args, kwargs))
            except TypeError:
                config = None
        object.__setattr__(instance, "_auto_config", config)
        return instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Computes, or makes a node where an argument is symbolic."""
        symbolic = any_symbolic_tensors(args, kwargs)
        fn = self.symbolic_call if symbolic else self.call
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            if not traceback_utils.is_traceback_filtering_enabled():
                raise
            where = f"{type(self).__name__}.call()"
            better = traceback_utils.add_argument_info(error, where, self.call, args, kwargs)
            if better is None:
                raise
            raise better.with_traceback(traceback_utils.filtered(error.__traceback__)) from None

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Works out the outputs' shapes and dtypes and records a node."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation."""
        raise NotImplementedError(f"{type(self).__name__} does not define `call`")

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as `KerasTensor`s, found by tracing `call`.

        Raises:
            Exception: What `call` raised, with a hint.
        """
        from rustdl import backend

        try:
            return backend.compute_output_spec(self.call, *args, **kwargs)
        except Exception as error:
            hint = (
                f"{error}\n\nCould not automatically infer the output shape / dtype of '{self.name}' "
                f"(of type {type(self).__name__}). Either the `{type(self).__name__}.call()` method is incorrect, or "
                f"you need to implement the `{type(self).__name__}.compute_output_spec() / compute_output_shape()` "
                "method."
            )
            try:
                better = type(error)(f"{hint} Error encountered:\n\n{error}")
            except Exception:
                raise error from None
            raise better.with_traceback(error.__traceback__) from None

    @default
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a dictionary that can be written as JSON.

        Raises:
            NotImplementedError: Arguments that cannot be written, and no `get_config` in the subclass.
        """
        config: dict[str, Any] = {"name": self.name}
        if not is_default(type(self).get_config):
            return config
        parameters = inspect.signature(type(self).__init__).parameters
        if len(parameters) > 1 and list(parameters)[1:] not in (["args", "kwargs"], ["kwargs"], ["name"]):
            if self._auto_config is None or not self._auto_config.is_serializable:
                raise NotImplementedError(_needs_get_config(self))
            config.update(self._auto_config.serialize())
            config["name"] = self.name
            if "name" not in parameters and not any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
                del config["name"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An operation from `get_config`'s result."""
        config = dict(config)
        dtype = config.get("dtype")
        if isinstance(dtype, dict):
            from rustdl import dtype_policies

            policy = dtype_policies.deserialize(dtype)
            # Constructors that users wrote may expect a string, which says all of a plain policy.
            config["dtype"] = policy.name if type(policy) is dtype_policies.DTypePolicy else policy
        try:
            return cls(**config)
        except Exception as error:
            raise TypeError(
                f"Error when deserializing class '{cls.__name__}' using config={config}.\n\n"
                f"Exception encountered: {error}"
            ) from error

    @property
    def input(self) -> Any:
        """The symbolic inputs of the only call.

        Raises:
            AttributeError: No call, or several.
        """
        return self._node_value("input_tensors", "input")

    @property
    def output(self) -> Any:
        """The symbolic outputs of the only call."""
        return self._node_value("output_tensors", "output")

    def _node_value(self, attribute: str, what: str, index: int = 0) -> Any:
        nodes = self._inbound_nodes
        if not nodes:
            raise AttributeError(f"The layer {self.name} has never been called and thus has no defined {what}.")
        values = getattr(nodes[index], attribute)
        return values[0] if len(values) == 1 else values


def _named_arguments(cls: type, args: Any, kwargs: Any) -> dict[str, Any]:
    """Constructor arguments by name, defaults included."""
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    bound = signature.bind(None, *args, **kwargs)
    bound.apply_defaults()
    named = dict(bound.arguments)
    named.pop(next(iter(signature.parameters)))
    for parameter in signature.parameters.values():
        if parameter.kind == parameter.VAR_POSITIONAL and named.pop(parameter.name, ()):
            raise TypeError("positional arguments without names")
        if parameter.kind == parameter.VAR_KEYWORD:
            named.update(named.pop(parameter.name, {}))
    return named


def _needs_get_config(operation: Operation) -> str:
    name = type(operation).__name__
    return (
        f"Object {name} was created by passing non-serializable argument values in `__init__()`, and therefore the "
        f"object must override `get_config()` in order to be serializable. Please implement `get_config()`.\n\n"
        f"Example:\n\nclass {name}(keras.layers.Layer):\n    def __init__(self, arg, **kwargs):\n"
        "        super().__init__(**kwargs)\n        self.arg = arg\n\n    def get_config(self):\n"
        '        return {**super().get_config(), "arg": self.arg}'
    )
