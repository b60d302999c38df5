"""`Sequential`: a stack of layers, each with one input and one output."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from rustdl.backend.keras_tensor import KerasTensor, standardize_shape
from rustdl.layers.core.input_layer import InputLayer
from rustdl.layers.layer import Layer
from rustdl.models.functional import Functional
from rustdl.models.model import Model
from rustdl.ops.operation import Operation
from rustdl.utils.tracking import DotNotTrackScope


class Sequential(Model):
    """A stack of layers.

    Args:
        layers: The layers, optionally with an `Input` first.
        trainable: Whether its weights are updated in training.
        name: Automatic by default.

    Example:
        >>> import rustdl
        >>> model = rustdl.Sequential([rustdl.Input((2,)), rustdl.layers.Dense(3)])
        >>> model.output_shape
        (None, 3)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """An instance; the choice of class in `Model` does not concern a stack."""
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        from rustdl.models.functional import super_init

        super_init(self, name)
        self._trainable = bool(trainable)
        self._functional: Functional | None = None
        self._stack: list[Any] = []
        if layers:
            for layer in layers:
                self.add(layer, rebuild=False)
            self._maybe_rebuild()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts a layer on top.

        Args:
            layer: A layer, or the result of `Input` as the first.
            rebuild: Whether to build the model where its input shape is known.

        Raises:
            ValueError: Not a layer, a second input, or a name that is taken.
        """
        stack = self.__dict__["_stack"]
        if not stack and getattr(layer, "_input_shape_arg", None) is not None and not isinstance(layer, InputLayer):
            self.add(InputLayer(shape=layer._input_shape_arg), rebuild=False)
        if isinstance(layer, KerasTensor):
            origin = layer._keras_history.operation if layer._keras_history is not None else None
            if not isinstance(origin, InputLayer):
                raise ValueError(f"A Sequential model takes layers; {layer} is the output of one")
            layer = origin
        if not isinstance(layer, Layer):
            if callable(layer) and not isinstance(layer, Operation) and not isinstance(layer, type):
                from rustdl.layers import Lambda

                layer = Lambda(layer)
            else:
                raise ValueError(
                    "Only instances of `keras.Layer` can be added to a Sequential model. "
                    f"Received: {layer} (of type {type(layer)})"
                )
        if any(other.name == layer.name for other in stack):
            raise ValueError(
                f"All layers added to a Sequential model should have unique names. Name '{layer.name}' is already the "
                "name of a layer in this model. Update the `name` argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and stack:
            if isinstance(stack[0], InputLayer):
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input shape "
                    f"{stack[0].batch_shape}. You cannot add a different Input layer to it."
                )
            # Given late, it still is the input.
            stack.insert(0, layer)
        else:
            stack.append(layer)
        self._tracker.unlock()
        self._tracker.add_to_store("layers", layer)
        if rebuild:
            self._maybe_rebuild()
        else:
            self.built = False
            self._functional = None

    def pop(self, rebuild: bool = True) -> Any:
        """Takes the top layer off and returns it."""
        stack = self.__dict__["_stack"]
        if not stack:
            raise TypeError("There are no layers in the model.")
        layer = stack.pop()
        self._tracker.unlock()
        self._tracker.untrack(layer)
        self.built = False
        self._functional = None
        if rebuild:
            self._maybe_rebuild()
        return layer

    def _maybe_rebuild(self) -> None:
        self.built = False
        self._functional = None
        # Steps that were compiled for the layers before are of no use.
        self.__dict__.update(train_function=None, test_function=None, predict_function=None, _output_specs={})
        stack = self.__dict__["_stack"]
        if isinstance(stack[0] if stack else None, InputLayer) and len(stack) > 1:
            self.build(stack[0].batch_shape)
        elif stack and hasattr(stack[0], "input_shape") and isinstance(stack[0], Functional):
            shape = stack[0].input_shape
            if isinstance(shape, tuple):
                self.build(shape)
        elif isinstance(stack[0] if stack else None, Sequential) and stack[0].built:
            self.build(stack[0].input_shape)

    def _lock_state(self) -> None:
        """Layers may be added at any time."""

    def _obj_type(self) -> str:
        return "Sequential"

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of the layers.

        Args:
            input_shape: Shape of the input, with the batch.

        Raises:
            ValueError: No layers, or no shape.
        """
        try:
            shape = standardize_shape(input_shape)
        except (ValueError, TypeError):
            return  # several inputs: no graph, the layers build themselves
        stack = self.__dict__["_stack"]
        if not stack:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        if isinstance(stack[0], InputLayer):
            if stack[0].batch_shape != shape:
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input shape "
                    f"{stack[0].batch_shape}. You cannot build it with input_shape {shape}"
                )
        else:
            dtype = stack[0].compute_dtype
            with DotNotTrackScope():
                stack.insert(0, InputLayer(batch_shape=shape, dtype=dtype))
            self._tracker.unlock()
            self._tracker.add_to_store("layers", stack[0])
            # The input comes first among the layers, as in the stack.
            self._layers.insert(0, self._layers.pop())
        inputs = stack[0].output
        x = inputs
        for layer in stack[1:]:
            try:
                x = layer(x)
            except NotImplementedError:
                return  # shapes cannot be inferred: no graph
            except TypeError as error:
                parameters = inspect.signature(layer.call).parameters
                required = [
                    p for p in parameters.values() if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
                ]
                if len(required) > 1:
                    raise ValueError(
                        "Layers added to a Sequential model can only have a single positional argument, the input "
                        f"tensor. Layer {type(layer).__name__} has multiple positional arguments: "
                        f"{[p.name for p in required]}"
                    ) from error
                raise
        with DotNotTrackScope():
            self._functional = Functional(inputs=inputs, outputs=x)

    def call(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        """Runs the layers in order.

        Args:
            inputs: The input of the first layer.
            training: Passed on to the layers.
            mask: Mask of the inputs.
            **kwargs: Further arguments that layers pass on.
        """
        if self._functional is not None:
            return self._functional.call(inputs, training=training, mask=mask, **kwargs)
        from rustdl.backend.masking import set_keras_mask

        if mask is not None:
            set_keras_mask(inputs, mask)
        for layer in self.layers:
            names = inspect.signature(layer.call).parameters
            given = {"training": training} if training is not None and "training" in names else {}
            inputs = layer(inputs, **given)
        return inputs

    def compute_output_spec(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        """The outputs as `KerasTensor`s for inputs of these shapes."""
        if self._functional is not None:
            return self._functional.compute_output_spec(inputs, training=training, mask=mask, **kwargs)
        for layer in self.layers:
            inputs = layer.compute_output_spec(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of a shape."""
        if self._functional is not None:
            return self._functional.compute_output_shape(input_shape)
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    compute_output_shape._is_default = True  # type: ignore[attr-defined]

    @property
    def layers(self) -> list[Any]:
        """The layers, without the input layer."""
        stack = list(self.__dict__.get("_stack", ()))
        return stack[1:] if stack and isinstance(stack[0], InputLayer) else stack

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and should not be used. Use `add()` and `pop()` to "
            "change the layers in this model."
        )

    def _graph(self, what: str) -> Functional:
        if self._functional is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")
        return self._functional

    @property
    def input_shape(self) -> Any:
        """The shape of the input."""
        return self._graph("input shape").input_shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output."""
        return self._graph("output shape").output_shape

    @property
    def inputs(self) -> Any:
        """The symbolic inputs."""
        return self._graph("inputs").inputs

    @property
    def outputs(self) -> Any:
        """The symbolic outputs."""
        return self._graph("outputs").outputs

    @property
    def input(self) -> Any:
        """The symbolic input."""
        return self._graph("input").input

    @property
    def output(self) -> Any:
        """The symbolic output."""
        return self._graph("output").output

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return self._graph("input names").input_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._graph("output names").output_names

    @property
    def input_dtype(self) -> str:
        """The dtype of the first layer's inputs."""
        layers = self.layers
        return layers[0].input_dtype if layers else super().input_dtype

    def get_config(self) -> dict[str, Any]:
        """The layers' configurations, and the input shape."""
        from rustdl import dtype_policies
        from rustdl.saving import serialize_keras_object

        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
            "layers": [serialize_keras_object(layer) for layer in self.__dict__["_stack"]],
        }
        if self._functional is not None:
            config["build_input_shape"] = self.__dict__["_stack"][0].batch_shape
        return copy.deepcopy(config)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A model from `get_config`'s result."""
        from rustdl.saving import deserialize_keras_object

        if not isinstance(config, dict) or "name" not in config or "layers" not in config:
            raise ValueError(
                "A Sequential model configuration must be a dictionary containing the 'name' and 'layers' keys. "
                f"Received: {config}"
            )
        model = cls(name=config["name"])
        for entry in config["layers"]:
            if not isinstance(entry, dict) or "config" not in entry:
                raise ValueError(
                    "The configuration of a layer is not valid. Expected a dictionary containing a 'config' key. "
                    f"Received: {entry}"
                )
            model.add(deserialize_keras_object(entry, custom_objects=custom_objects), rebuild=False)
        if "trainable" in config and not config["trainable"]:
            model.trainable = False
        shape = config.get("build_input_shape")
        if model.__dict__["_stack"]:
            if (
                not model._functional
                and isinstance(shape, (tuple, list))
                and not isinstance(model.__dict__["_stack"][0], InputLayer)
            ):
                model.build(tuple(shape))
            else:
                model._maybe_rebuild()
        return model
