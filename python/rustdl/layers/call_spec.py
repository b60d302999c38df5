"""How a layer's `call` is called: names of its parameters, tensors among its arguments, shapes for `build`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from rustdl import tree
from rustdl._rustdl import Tensor
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.spec import unfilled_shape
from rustdl.backend.variable import Variable


class CallInfo(NamedTuple):
    """What the signature of a `call` method says.

    Attributes:
        signature: The signature, without `self`.
        names: Names of the parameters.
        defaults: Name -> default value.
        has_varargs: Whether it takes `*args`.
        has_varkw: Whether it takes `**kwargs`.
    """

    signature: inspect.Signature
    names: tuple[str, ...]
    defaults: dict[str, Any]
    has_varargs: bool
    has_varkw: bool


_INFO: dict[Any, CallInfo] = {}


def call_info(fn: Callable[..., Any]) -> CallInfo:
    """The signature of a bound method, remembered by its function."""
    key = getattr(fn, "__func__", None)
    found = _INFO.get(key) if key is not None else None
    if found is None:
        signature = inspect.signature(fn)
        parameters = signature.parameters.values()
        found = CallInfo(
            signature,
            tuple(p.name for p in parameters if p.kind not in (p.VAR_KEYWORD,)),
            {p.name: p.default for p in parameters if p.default is not p.empty},
            any(p.kind == p.VAR_POSITIONAL for p in parameters),
            any(p.kind == p.VAR_KEYWORD for p in parameters),
        )
        if key is not None:
            _INFO[key] = found
    return found


def is_tensor_like(x: Any) -> bool:
    """Whether `x` is a tensor, symbolic or not, or a variable."""
    return isinstance(x, (Tensor, KerasTensor, Variable))


class CallSpec:
    """One call of a layer.

    Attributes:
        given: The arguments that were given, by name.
        arguments: Those and the defaults.
        first_arg: The first argument.
        tensors: The arguments that are tensors or structures of them, by name.
    """

    def __init__(self, info: CallInfo, args: tuple[Any, ...], kwargs: dict[str, Any], context_names: Any = ()) -> None:
        if context_names and not info.has_varkw:
            kwargs = {k: v for k, v in kwargs.items() if k not in context_names or k in info.names}
        if not info.has_varargs and not info.has_varkw and len(args) <= len(info.names) and not kwargs:
            given = dict(zip(info.names, args, strict=False))
            missing = [n for n in info.names[len(args) :] if n not in info.defaults]
            if missing:
                info.signature.bind(*args, **kwargs)  # raises Python's own error
        else:
            bound = info.signature.bind(*args, **kwargs)
            given = dict(bound.arguments)
            for parameter in info.signature.parameters.values():
                if parameter.kind == parameter.VAR_KEYWORD:
                    given.update(given.pop(parameter.name, {}))
        self.info = info
        self.given = given
        self.arguments = {**info.defaults, **given} if info.defaults else given
        self.first_arg = next(iter(given.values()), None)
        self.tensors: dict[str, Any] = {}
        for name, value in given.items():
            if is_tensor_like(value):
                self.tensors[name] = value
            elif value is not None and tree.is_nested(value):
                flat = tree.flatten(value)
                if flat and any(is_tensor_like(x) for x in flat) and all(x is None or is_tensor_like(x) for x in flat):
                    self.tensors[name] = value

    def shapes(self) -> dict[str, Any]:
        """The shapes of the tensors, under the name of the argument and `_shape`."""
        return {f"{name}_shape": tree.map_structure(_shape, value) for name, value in self.tensors.items()}


def _shape(x: Any) -> Any:
    return None if x is None else unfilled_shape(tuple(x.shape))


def arguments_for(fn: Callable[..., Any], shapes: dict[str, Any]) -> dict[str, Any] | None:
    """The shapes that a `build` or `compute_output_shape` wants: by name, or the first where it has one parameter.

    Returns:
        Keyword arguments, or `None` where there is no shape to give.
    """
    parameters = [
        p for p in inspect.signature(fn).parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    takes_any = any(p.kind == p.VAR_KEYWORD for p in inspect.signature(fn).parameters.values())
    if not shapes:
        return None
    if len(parameters) == 1 and not takes_any:
        return {parameters[0].name: next(iter(shapes.values()))}
    if takes_any:
        return dict(shapes)
    return {p.name: shapes[p.name] for p in parameters if p.name in shapes}


def check_build_signature(layer: Any, shapes: dict[str, Any]) -> None:
    """Raises `ValueError` where `build` has several parameters and one has not the name of a tensor argument."""
    parameters = [
        p
        for p in inspect.signature(layer.build).parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if len(parameters) <= 1:
        return
    expected = sorted(shapes)
    for p in parameters:
        if not p.name.endswith("_shape"):
            problem = f"`build()` has the argument `{p.name}`, which does not end in `_shape`"
        elif p.default is p.empty and p.name not in shapes:
            problem = (
                f"`build()` has the argument `{p.name}`, but `call()` does not have argument `{p.name[:-6]}` with "
                "a tensor"
            )
        else:
            continue
        raise ValueError(
            "For a `build()` method with more than one argument, all arguments should have a `_shape` suffix and match "
            f"an argument from `call()`. E.g. `build(self, foo_shape, bar_shape)`. For layer '{layer.name}', received "
            f"`build()` signature {inspect.signature(layer.build)}: {problem}. Expected names: {expected}"
        )
