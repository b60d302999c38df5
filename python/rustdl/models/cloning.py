"""`clone_model`: a model of the same structure with new layers and new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import tree
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.core.input_layer import Input, InputLayer
from rustdl.layers.layer import Layer
from rustdl.models.functional import Functional, functional_like_constructor
from rustdl.models.model import Model
from rustdl.models.sequential import Sequential


def _clone_layer(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[..., Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """A copy of a model's structure, with layers of its own and newly initialised weights.

    Args:
        model: A `Functional`, `Sequential` or subclassed model.
        input_tensors: `KerasTensor`s to build on instead of new inputs.
        clone_function: Layer -> new layer; by default from its configuration.
        call_function: `(layer, *args, **kwargs)` -> outputs: how a layer of a functional model is called.
        recursive: Whether `clone_function` is applied inside of models too.
        **kwargs: `cache` is accepted and has no effect.

    Raises:
        ValueError: The model is subclassed and one of the functions is given.

    Example:
        >>> import rustdl
        >>> model = rustdl.Sequential([rustdl.Input((2,)), rustdl.layers.Dense(3)])
        >>> clone_model(model).output_shape
        (None, 3)
    """
    kwargs.pop("cache", None)
    if kwargs:
        raise ValueError(f"Unexpected keyword argument(s): {tuple(kwargs)}")
    new = _clone(model, input_tensors, clone_function, call_function, recursive)
    if getattr(model, "compiled", False):
        new.compile_from_config(model.get_compile_config())
    return new


def _clone(model: Any, input_tensors: Any, clone_function: Any, call_function: Any, recursive: bool) -> Any:
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError(
                "`call_function` argument is not supported with Sequential models. In a Sequential model, "
                "layers aren't "
                "called at model-construction time (they're merely listed). Use `call_function` with Functional models "
                f"only. Received model of type '{type(model).__name__}', with call_function={call_function}"
            )
        return _clone_sequential(model, clone_function or _clone_layer, input_tensors, recursive)
    plain = functional_like_constructor(type(model)) and type(model).get_config is Functional.get_config
    if isinstance(model, Functional) and (clone_function or plain):
        return _clone_functional(model, clone_function or _clone_layer, input_tensors, call_function, recursive)
    if clone_function is not None or input_tensors is not None:
        raise ValueError(
            "Arguments `clone_function` and `input_tensors` are only supported for Sequential models or Functional "
            f"models. Received model of type '{type(model).__name__}', with clone_function={clone_function} and "
            f"input_tensors={input_tensors}"
        )
    if call_function is not None:
        raise ValueError(
            "Argument `call_function` is only supported for Functional models. Received model of type "
            f"'{type(model).__name__}', with call_function={call_function}"
        )
    return type(model).from_config(model.get_config())


def _recursing(clone_function: Callable[..., Any], call_function: Any) -> Callable[..., Any]:
    def clone(layer: Any) -> Any:
        if isinstance(layer, Model):
            call = call_function if isinstance(layer, Functional) else None
            return clone_model(layer, clone_function=clone_function, call_function=call, recursive=True)
        return clone_function(layer)

    return clone


def _clone_sequential(
    model: Sequential, clone_function: Callable[..., Any], input_tensors: Any, recursive: bool
) -> Sequential:
    if not callable(clone_function):
        raise ValueError(
            f"Expected `clone_function` argument to be a callable. Received: clone_function={clone_function}"
        )
    if recursive:
        clone_function = _recursing(clone_function, None)
    layers = [clone_function(layer) for layer in model.layers]
    first = model.__dict__["_stack"][0] if model.__dict__["_stack"] else None
    if input_tensors is not None:
        tensors = tree.flatten(input_tensors)
        if len(tensors) != 1:
            raise ValueError("Argument `input_tensors` must contain a single tensor.")
        (tensor,) = tensors
        if not isinstance(tensor, KerasTensor):
            raise ValueError(
                f"Argument `input_tensors` must be a KerasTensor. Received invalid value: input_tensors={tensor}"
            )
        origin = tensor._keras_history.operation if tensor._keras_history is not None else None
        head = origin if isinstance(origin, InputLayer) else InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype)
        return Sequential([head, *layers], name=model.name, trainable=model.trainable)
    if isinstance(first, InputLayer):
        head = InputLayer(batch_shape=first.batch_shape, dtype=first.dtype, name=first.name)
        return Sequential([head, *layers], name=model.name, trainable=model.trainable)
    return Sequential(layers, name=model.name, trainable=model.trainable)


def _clone_functional(
    model: Functional,
    clone_function: Callable[..., Any],
    input_tensors: Any,
    call_function: Callable[..., Any] | None,
    recursive: bool,
) -> Any:
    if not callable(clone_function):
        raise ValueError(
            f"Expected `clone_function` argument to be a callable. Received: clone_function={clone_function}"
        )
    if call_function is None:

        def call_function(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return layer(*args, **kwargs)

    elif not callable(call_function):
        raise ValueError(f"Expected `call_function` argument to be a callable. Received: call_function={call_function}")
    if recursive:
        clone_function = _recursing(clone_function, call_function)

    if input_tensors is not None:
        flat = tree.flatten(input_tensors)
        if not all(isinstance(x, KerasTensor) for x in flat):
            raise ValueError(
                f"All entries in `input_tensors` must be KerasTensors. Received invalid values: inputs={input_tensors}"
            )
        try:
            tree.assert_same_structure(input_tensors, model.input)
        except ValueError as error:
            raise ValueError(
                "`input_tensors` must have the same structure as model.input"
                f"\nReceived: {input_tensors}\nExpected: {model.input}"
            ) from error
    else:
        input_tensors = tree.map_structure(
            lambda x: Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), model.input
        )

    copies: dict[int, Any] = {}

    def copy_of(operation: Any) -> Any:
        if id(operation) in copies:
            return copies[id(operation)]
        if isinstance(operation, InputLayer):
            new = operation
        elif isinstance(operation, Layer):
            new = clone_function(operation)
        else:
            new = type(operation).from_config(operation.get_config())
        copies[id(operation)] = new
        return new

    def call(operation: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, Layer):
            return call_function(fn, *args, **kwargs)
        return fn(*args, **kwargs)

    outputs = model._run_through_graph(input_tensors, copy_of, call_fn=call)
    return type(model)(input_tensors, outputs, name=model.name)
