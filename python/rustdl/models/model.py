"""`Model`: a layer with a training loop, summaries and saving."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from typing import Any

from rustdl import backend, tree
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.layer import Layer
from rustdl.trainers.trainer import Trainer
from rustdl.utils.python_utils import default, is_default


def functional_init_arguments(args: Any, kwargs: Any) -> bool:
    """Whether a model is being made from inputs and outputs."""
    return len(args) == 2 or (len(args) == 1 and "outputs" in kwargs) or ("inputs" in kwargs and "outputs" in kwargs)


class Model(Trainer, Layer):
    """Layers grouped into an object that can be trained and saved.

    `Model(inputs, outputs)` makes a functional model of the computation between `KerasTensor`s; a subclass defines
    its layers in `__init__` and the computation in `call`.

    Args:
        inputs: `KerasTensor`s made by `Input`, or a structure of them.
        outputs: `KerasTensor`s computed from them.
        name: Automatic by default.

    Example:
        >>> import rustdl
        >>> x = rustdl.Input((3,))
        >>> model = rustdl.Model(x, rustdl.ops.sum(x, axis=-1))
        >>> model(rustdl.ops.ones((2, 3))).tolist()
        [3.0, 3.0]
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A functional model where inputs and outputs are given."""
        if cls is Model and functional_init_arguments(args, kwargs):
            from rustdl.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from rustdl.models.functional import Functional

        if functional_init_arguments(args, kwargs) and not isinstance(self, Functional):
            # A subclass that passes inputs and outputs on: it becomes a functional model.
            inject_functional_model_class(type(self))
            Functional.__init__(self, *args, **kwargs)  # type: ignore[arg-type]
            return
        Layer.__init__(self, *args, **kwargs)
        Trainer.__init__(self)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation. Subclasses define it."""
        raise NotImplementedError(f"Model {type(self).__name__} does not have a `call()` method implemented.")

    @property
    def layers(self) -> list[Any]:
        """The layers, those of layers inside not included."""
        return list(self._flatten_layers(include_self=False, recursive=False))

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by name or position.

        Raises:
            ValueError: No such layer, or neither or both of the arguments.
        """
        if index is not None and name is not None:
            raise ValueError(f"Provide only a layer name or a layer index. Received: index={index}, name={name}.")
        layers = self.layers
        if index is not None:
            if len(layers) <= index:
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        if name is not None:
            for layer in layers:
                if layer.name == name:
                    return layer
            raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in layers]}.")
        raise ValueError("Provide either a layer name or layer index at `get_layer`.")

    def quantize(  # type: ignore[override]
        self, mode: Any = None, config: Any = None, filters: Any = None, type_check: bool = True, **kwargs: Any
    ) -> None:
        """Replaces the float weights of layers by integers of few bits; biases and all other layers stay.

        Layers that have weights and cannot be quantized are named in a warning.

        Args:
            mode: `"int8"` or `"int4"`; or `"gptq"` or `"awq"`, which show data to blocks of layers, and round the
                weights of their `Dense` and `EinsumDense` layers so that the outputs for these data change little.
            config: How, an `Int8QuantizationConfig` or `Int4QuantizationConfig`, by default the mode's; or a
                `GPTQConfig` or `AWQConfig`.
            filters: Which layers: a regular expression of names, a list of them, or a function of a layer.
            type_check: Whether subclasses of layers are left out.
            **kwargs: None.

        Raises:
            ValueError: No such mode or argument, contradicting arguments, or a model without weights yet.
            NotImplementedError: Another mode of Keras.

        Example:
            >>> import rustdl
            >>> model = rustdl.Sequential([rustdl.Input((8,)), rustdl.layers.Dense(4)])
            >>> model.quantize("int8")
            >>> model.layers[0].dtype_policy.name
            'int8_from_float32'
        """
        from rustdl.models.quantization import quantize_model

        if kwargs:
            raise ValueError(f"{type(self).__name__}.quantize: Unrecognized keyword arguments: {sorted(kwargs)}")
        quantize_model(self, mode, config, filters, type_check)

    def get_quantization_layer_structure(self, mode: str | None = None) -> dict[str, Any] | None:
        """Which layers the modes `"gptq"` and `"awq"` go through; for models to override.

        Args:
            mode: The kind of quantization.

        Returns:
            `"pre_block_layers"`: layers from tokens to the inputs of the first block, `"sequential_blocks"`: blocks
            each of which gets the outputs of the one before. `None`, as here: the configuration must say so.
        """
        return None

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[..., Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints the layers with output shapes and numbers of parameters.

        Args:
            line_length: Width of the lines; by default that of the terminal, at most.
            positions: Ends of the columns, as fractions of the width or as numbers of characters.
            print_fn: Gets the text; `print` by default.
            expand_nested: Whether to show the layers of models inside.
            show_trainable: Whether to show which layers are trainable.
            layer_range: Two names, as regular expressions: the first and the last layer to show.
        """
        from rustdl.utils import summary_utils

        summary_utils.print_summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves the model to a `.keras` file.

        Args:
            filepath: Where to.
            overwrite: Whether an existing file is replaced without asking.
            zipped: Whether one file is written; a folder otherwise.
            **kwargs: See `rustdl.saving.save_model`.
        """
        from rustdl.saving import saving_api

        saving_api.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the weights to a `.weights.h5` or `.safetensors` file.

        Args:
            filepath: Where to.
            overwrite: Whether an existing file is replaced without asking.
            **kwargs: See `rustdl.saving.save_weights`.
        """
        from rustdl.saving import saving_api

        saving_api.save_weights(self, filepath, overwrite=overwrite, **kwargs)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads the weights from a file.

        Args:
            filepath: Written by `save_weights` or `save`.
            skip_mismatch: Whether layers whose weights do not fit are left alone.
            **kwargs: See `rustdl.saving.load_weights`.
        """
        from rustdl.saving import saving_api

        saving_api.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(
        self, filepath: Any, format: str = "tf_saved_model", verbose: Any = None, input_signature: Any = None, **_: Any
    ) -> None:
        """Refused: the formats are those of other programs.

        Args:
            filepath: Where to.
            format: `"tf_saved_model"`, `"onnx"`, `"openvino"`, `"litert"` or `"torch"`.
            verbose: Whether to print.
            input_signature: Shapes and dtypes of the inputs.

        Raises:
            ValueError: A format that Keras does not know.
            NotImplementedError: One that it knows.
        """
        formats = ("tf_saved_model", "onnx", "openvino", "litert", "torch")
        if format not in formats:
            raise ValueError(f"Unrecognized format={format}. Supported formats are: {formats}")
        raise NotImplementedError(
            "`export_saved_model` only currently supports the tensorflow, jax and torch backends. rustdl does not "
            f"write format={format!r}: save with `model.save('model.keras')`, which Keras 3 loads and exports."
        )

    @default
    def build(self, input_shape: Any = None) -> None:
        """Makes the weights by tracing `call` on inputs of a shape.

        Args:
            input_shape: Shape, or structure of shapes, of the first argument of `call`.
        """
        self._check_super_called()
        if self.built or input_shape is None:
            self.built = True
            return
        if is_default_call(self):
            raise NotImplementedError(
                f"Model {type(self).__name__} does not have a `call()` method implemented and cannot be built"
            )
        x = tree.map_shape_structure(lambda shape: KerasTensor(shape, dtype=self.input_dtype), _as_shapes(input_shape))
        object.__setattr__(self, "_build_shapes_dict", {"input_shape": input_shape})
        try:
            with self._open_name_scope():
                backend.compute_output_spec(self.call, x)
        except Exception as error:
            warnings.warn(
                f"Model '{self.name}' could not be built: running `call()` on symbolic inputs of shape {input_shape} "
                f"raised {type(error).__name__}: {error}",
                stacklevel=2,
            )
            return
        self.built = True
        self._post_build()
        self._lock_state()

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the model with the shapes of `get_build_config`."""
        if not config:
            return
        status = False
        if "input_shape" in config:
            shape = _as_shapes(config["input_shape"])
            if is_default(self.build):
                Model.build(self, shape)
                status = self.built
            else:
                try:
                    self.build(shape)
                    status = True
                except Exception:
                    status = False
        elif "shapes_dict" in config:
            try:
                if is_default(self.build):
                    shapes = {k.removesuffix("_shape"): _as_shapes(v) for k, v in config["shapes_dict"].items()}
                    inputs = {
                        k: tree.map_shape_structure(lambda s: KerasTensor(s, dtype=self.input_dtype), v)
                        for k, v in shapes.items()
                    }
                    backend.compute_output_spec(self.call, **inputs)
                else:
                    self.build(**{k: _as_shapes(v) for k, v in config["shapes_dict"].items()})
                self._build_shapes_dict = config["shapes_dict"]
                self.built = status = True
            except Exception:
                status = False
        if not status:
            warnings.warn(
                f"Model '{self.name}' had a build config, but the model cannot be built automatically in "
                "`build_from_config(config)`. You should implement `def build_from_config(self, config)`, and you "
                "might also want to implement the method that generates the config at saving time, "
                "`def get_build_config(self)`. The method `build_from_config()` is meant to create the state of the "
                f"model (i.e. its variables) upon deserialization: {config}",
                stacklevel=2,
            )

    def __reduce__(self) -> Any:
        """Pickles by configuration, weights and the arguments of `compile`, where the class has a configuration."""
        from rustdl.models.functional import Functional
        from rustdl.models.sequential import Sequential

        if not isinstance(self, (Functional, Sequential)):
            return object.__reduce_ex__(self, 2)
        custom = {type(layer).__name__: type(layer) for layer in self._flatten_layers()}
        compiled = self.get_compile_config() if getattr(self, "compiled", False) else None
        return _unpickle, (type(self), self.get_config(), self.get_weights(), compiled, custom)

    def to_json(self, **kwargs: Any) -> str:
        """The configuration as JSON; `model_from_json` makes a model of it.

        Args:
            **kwargs: For `json.dumps`.
        """
        from rustdl.saving import serialize_keras_object

        return json.dumps(serialize_keras_object(self), **kwargs)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A model from `get_config`'s result."""
        from rustdl.models.functional import Functional, functional_from_config

        functional_keys = ("name", "layers", "input_layers", "output_layers")
        is_functional_config = all(key in config for key in functional_keys)
        argspec = inspect.getfullargspec(cls.__init__)
        revivable = (
            cls in (Functional, Model)
            or argspec.args == inspect.getfullargspec(Functional.__init__).args
            or (argspec.varargs == "args" and argspec.varkw == "kwargs")
        )
        if is_functional_config and revivable:
            return functional_from_config(cls, config, custom_objects=custom_objects)
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(
                "Unable to revive model from config. When overriding the `get_config()` method, make sure that the "
                "returned config contains all items used as arguments in the  constructor to "
                f"{cls}, which is the default behavior. You can override this default behavior by defining a "
                "`from_config(cls, config)` class method to specify how to create an instance of "
                f"{cls.__name__} from its config.\n\nReceived config={config}\n\nError encountered during "
                f"deserialization: {error}"
            ) from error

    def _get_variable_map(self) -> dict[str, Any]:
        return {v.path: v for v in self.variables}

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """The values of all variables in nested dictionaries by path.

        Args:
            value_format: `"backend_tensor"` or `"numpy_array"`.

        Returns:
            Dictionaries under `trainable_variables`, `non_trainable_variables`, `optimizer_variables` and
            `metrics_variables`.
        """
        optimizer = getattr(self, "optimizer", None)
        groups = {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": optimizer.variables if optimizer is not None else [],
            "metrics_variables": self.metrics_variables,
        }
        return {name: _nested_by_path(variables, value_format) for name, variables in groups.items()}

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """Sets the variables from dictionaries like `get_state_tree`'s.

        Raises:
            ValueError: An unknown group.
        """
        optimizer = getattr(self, "optimizer", None)
        for name, values in state_tree.items():
            groups: dict[str, Callable[[], list[Any]]] = {
                "trainable_variables": lambda: self.trainable_variables,
                "non_trainable_variables": lambda: self.non_trainable_variables,
                "optimizer_variables": lambda: optimizer.variables if optimizer is not None else [],
                "metrics_variables": lambda: self.metrics_variables,
            }
            if name not in groups:
                raise ValueError(f"Unknown variable name: {name}")
            by_path = {v.path: v for v in groups[name]()}
            for path, value in _flat_by_path(values).items():
                if path in by_path:
                    by_path[path].assign(value)


def _unpickle(cls: Any, config: Any, weights: Any, compiled: Any, custom: dict[str, Any]) -> Any:
    from rustdl.saving import custom_object_scope

    own = {name: value for name, value in custom.items() if not value.__module__.startswith("rustdl.")}
    with custom_object_scope(own):
        model = cls.from_config(config)
        if weights:
            model.set_weights(weights)
        if compiled is not None:
            model.compile_from_config(compiled)
    return model


def _nested_by_path(variables: Any, value_format: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for v in variables:
        *scopes, leaf = v.path.split("/")
        inner = result
        for part in scopes:
            inner = inner.setdefault(part, {})
        if leaf in inner:
            raise ValueError(f"The following variable path is found twice in the model: '{v.path}'")
        inner[leaf] = v.numpy() if value_format == "numpy_array" else v.value
    return result


def _flat_by_path(values: Any, prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            result.update(_flat_by_path(value, f"{prefix}{key}/"))
        else:
            result[f"{prefix}{key}"] = value
    return result


def _as_shapes(shape: Any) -> Any:
    from rustdl.layers.layer import _as_shape

    return _as_shape(shape)


def is_default_call(model: Any) -> bool:
    """Whether a model has no `call` of its own."""
    return type(model).call is Model.call


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A model, without weights, from the text of `Model.to_json`.

    Args:
        json_string: The text.
        custom_objects: Name -> class or function.
    """
    from rustdl.saving import deserialize_keras_object

    return deserialize_keras_object(json.loads(json_string), custom_objects=custom_objects)


def inject_functional_model_class(cls: Any) -> Any:
    """Puts `Functional` in the place of `Model` among the bases of a class."""
    from rustdl.models.functional import Functional

    if cls is Model:
        return Functional
    if cls is object or not isinstance(cls, type) or issubclass(cls, Functional) or Functional in cls.__bases__:
        return cls
    if issubclass(cls, Model):
        cls.__bases__ = tuple(inject_functional_model_class(base) for base in cls.__bases__)
        cls.__new__(cls)
    return cls
