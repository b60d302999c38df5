"""Any function as a layer."""

from __future__ import annotations

import inspect
import types
from typing import Any

from rustdl import backend, tree
from rustdl.layers.layer import Layer
from rustdl.saving import python_code, serialization_lib


class Lambda(Layer):
    """Calls a function of the input.

    A named, registered function can be saved safely; a lambda's code goes into the file and is only loaded with
    `safe_mode=False`.

    Args:
        function: `f(inputs, **arguments)`; it may also take `mask` and `training`.
        output_shape: shape without the batch axis, or a function from input shape to output shape; usually found by
            itself.
        mask: a mask, or a function `mask(inputs, mask)`; None for no masking.
        arguments: dict of keyword arguments for the function.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Lambda(lambda x: x * 2)(rustdl.ops.ones((1, 2))).tolist()
        [[2.0, 2.0]]
    """

    def __init__(
        self, function: Any, output_shape: Any = None, mask: Any = None, arguments: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments or {}
        self.function = function
        self.supports_masking = mask is not None
        self.mask = mask
        self._output_shape = output_shape
        try:
            names = set(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            names = set()
        self._fn_expects_training_arg = "training" in names
        self._fn_expects_mask_arg = "mask" in names

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._output_shape is None:
            try:
                inputs = tree.map_shape_structure(
                    lambda s: backend.KerasTensor(s, dtype=self.compute_dtype), input_shape
                )
                spec = backend.compute_output_spec(self.call, inputs)
                return tree.map_structure(lambda x: x.shape, spec)
            except Exception as error:
                raise NotImplementedError(
                    "We could not automatically infer the shape of the Lambda's output. Please specify the "
                    "`output_shape` argument for this Lambda layer."
                ) from error
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        batch = tree.flatten(input_shape)[0]
        return tree.map_shape_structure(lambda s: (batch, *s), self._output_shape)

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        kwargs = dict(self.arguments)
        if self._fn_expects_mask_arg:
            kwargs["mask"] = mask
        if self._fn_expects_training_arg:
            kwargs["training"] = training
        return self.function(inputs, **kwargs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        config = {"function": _function_config(self.function)}
        if self._output_shape is not None:
            shape = self._output_shape
            config["output_shape"] = _function_config(shape) if callable(shape) else shape
        if self.mask is not None:
            is_function = callable(self.mask)
            config["mask"] = (
                _function_config(self.mask) if is_function else serialization_lib.serialize_keras_object(self.mask)
            )
        config["arguments"] = serialization_lib.serialize_keras_object(self.arguments)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None, safe_mode: bool | None = None
    ) -> Any:
        config = dict(config)
        if safe_mode is None:
            safe_mode = serialization_lib.in_safe_mode()
        unsafe = safe_mode is False
        config["function"] = _function_from_config(config["function"], custom_objects, unsafe)
        for key in ("output_shape", "mask"):
            if key in config:
                value = _function_from_config(config[key], custom_objects, unsafe)
                is_shape = isinstance(value, list) and all(v is None or isinstance(v, int) for v in value)
                config[key] = tuple(value) if is_shape else value
        if "arguments" in config:
            config["arguments"] = serialization_lib.deserialize_keras_object(
                config["arguments"], custom_objects=custom_objects
            )
        return cls(**config)


def _function_config(fn: Any) -> Any:
    if isinstance(fn, types.FunctionType) and fn.__name__ == "<lambda>":
        code, defaults, closure = python_code.func_dump(fn)
        return {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}
    if callable(fn):
        return serialization_lib.serialize_keras_object(fn)
    raise ValueError(f"Invalid input type for serialization. Received: {fn} of type {type(fn)}.")


def _function_from_config(config: Any, custom_objects: dict[str, Any] | None, unsafe: bool) -> Any:
    if isinstance(config, dict) and config.get("class_name") == "__lambda__":
        if not unsafe:
            raise ValueError(
                "Requested the deserialization of a `Lambda` layer whose `function` is a Python lambda. This carries "
                "a potential risk of arbitrary code execution, so it is disallowed by default. If you "
                "trust the source of the file, pass "
                "`safe_mode=False` to the loading function, or call `rustdl.config.enable_unsafe_deserialization()`."
            )
        return python_code.func_load(**config["config"])
    return serialization_lib.deserialize_keras_object(config, custom_objects=custom_objects)
