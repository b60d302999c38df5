"""`Functional`: a model that is a graph of layers and ops between inputs and outputs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rustdl import backend, tree
from rustdl._rustdl import Tensor
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.masking import get_keras_mask, set_keras_mask
from rustdl.layers.core.input_layer import Input, InputLayer
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.models.functional_config import functional_config, functional_from_config
from rustdl.models.model import Model
from rustdl.ops.function import Function
from rustdl.ops.node import Node
from rustdl.trainers.trainer import Trainer
from rustdl.utils.tracking import DotNotTrackScope

__all__ = ["Functional", "functional_from_config"]


class Functional(Function, Model):
    """What `Model(inputs, outputs)` makes.

    Args:
        inputs: `KerasTensor`s, or a structure of them; results of layers may be inputs.
        outputs: `KerasTensor`s computed from them.
        name: Automatic by default.
        trainable: Whether its weights are updated in training.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """An instance; the choice of class is made in `Model`."""
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        trainable = kwargs.pop("trainable", None)
        if kwargs.pop("dtype", None) is not None:
            pass  # the layers have their own
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        _check_keras_tensors(inputs, "inputs")
        _check_keras_tensors(outputs, "outputs")
        if isinstance(inputs, dict):
            for key, x in inputs.items():
                if isinstance(x, KerasTensor) and x.name != key and not _is_made_by(x):
                    warnings.warn(
                        f"When providing `inputs` as a dict, all keys in the dict must match the names of the "
                        f"corresponding tensors. Received key '{key}' mapping to value {x} which has name '{x.name}'. "
                        f"Change the tensor name to '{key}' (via `Input(..., name='{key}')`)",
                        stacklevel=3,
                    )
        with DotNotTrackScope():
            inputs, outputs = _with_input_layers(inputs, outputs)
            super_init(self, name)
            Function.__init__(self, inputs, outputs, name=self.name)
            self._functional_layers = [op for op in self._operations if isinstance(op, Layer)]
        for layer in self._functional_layers:
            self._tracker.add_to_store("layers", layer)
        if trainable is not None:
            self.trainable = trainable
        self.built = True
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self._build_shapes_dict = {"input_shape": tree.map_structure(lambda x: x.shape, self._inputs_struct)}
        self.output_names = [x._keras_history.operation.name for x in self._outputs]
        self._post_build()
        self._supports_masking = True

    @property
    def input(self) -> Any:
        """The symbolic inputs, in their structure."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The symbolic outputs, in their structure."""
        return self._outputs_struct

    def _obj_type(self) -> str:
        return "Functional"

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [x.name for x in self._inputs]

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or the list of those of `inputs`."""
        shapes = [x.shape for x in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or the list of those of `outputs`."""
        shapes = [x.shape for x in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def layers(self) -> list[Any]:
        """The layers, in topological order."""
        return list(self._functional_layers)

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    @property
    def operations(self) -> list[Any]:
        """The layers and ops, in topological order."""
        return list(self._operations)

    @property
    def input_spec(self) -> Any:
        """What is expected of the inputs."""
        own = self.__dict__.get("_manual_input_spec")
        if own is not None:
            return own
        return _input_spec(self._inputs_struct)

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        object.__setattr__(self, "_manual_input_spec", value)

    def build(self, input_shape: Any = None) -> None:
        """Nothing to do: a functional model is built when it is made."""
        self.built = True

    build._is_default = True  # type: ignore[attr-defined]

    def call(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        """Runs the graph.

        Args:
            inputs: Tensors in the structure of the inputs, a list in their order, or a dictionary by name.
            training: Passed on to the layers.
            mask: Masks of the inputs.
            **kwargs: Further arguments that layers pass on.
        """
        expected = self._inputs_struct
        if isinstance(inputs, dict) and isinstance(expected, dict) and any(key not in expected for key in inputs):
            warnings.warn(self._struct_mismatch(inputs), stacklevel=3)
        flat = self._standardize_inputs(inputs)
        if mask is not None:
            for x, m in zip(flat, tree.flatten(mask), strict=False):
                if m is not None and x is not None:
                    set_keras_mask(x, m)
        return _without_singleton(self._run_through_graph(flat, lambda op: op, call_fn=_call_with(training, kwargs)))

    def compute_output_spec(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        """The outputs as `KerasTensor`s for inputs of these shapes."""
        flat = self._standardize_inputs(inputs)
        if all(
            x is not None and tuple(x.shape) == tuple(y.shape) and x.dtype == y.dtype
            for x, y in zip(flat, self._inputs, strict=True)
        ):
            outputs = tree.map_structure(lambda x: KerasTensor(x.shape, dtype=x.dtype), self._outputs_struct)
            return _without_singleton(outputs)
        return _without_singleton(self._run_through_graph(flat, lambda op: op.compute_output_spec))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of the outputs for inputs of these shapes."""
        return Function.compute_output_shape(self, input_shape)

    compute_output_shape._is_default = True  # type: ignore[attr-defined]

    def _assert_input_compatibility(self, *args: Any) -> None:
        Layer._assert_input_compatibility(self, *args)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The masks that the outputs carry are their own."""
        return None

    def _standardize_inputs(self, inputs: Any) -> list[Any]:
        """Inputs as a flat list in order, in the dtype and rank of the placeholders."""
        flat = self._flatten_to_reference_inputs(inputs)
        result = []
        paths = [".".join(map(str, path)) for path, _ in tree.flatten_with_path(self._inputs_struct)]
        for x, reference, path in zip(flat, self._inputs, paths, strict=True):
            result.append(_adjusted(x, reference, path))
        return result

    def _struct_mismatch(self, inputs: Any) -> str:
        return (
            f"The structure of `inputs` doesn't match the expected structure.\nExpected: "
            f"{_names(self._inputs_struct)}\nReceived: inputs={_describe(inputs)}"
        )

    def _flatten_to_reference_inputs(self, inputs: Any) -> list[Any]:
        structure = self._inputs_struct
        if isinstance(inputs, dict):
            names = sorted(structure) if isinstance(structure, dict) else [x.name for x in self._inputs]
            if isinstance(structure, dict) and not all(isinstance(x, KerasTensor) for x in structure.values()):
                tree.assert_same_paths(inputs, structure)
                return tree.flatten(inputs)
            missing = [n for n in names if n not in inputs]
            optional = {x.name for x in self._inputs if _is_optional(x)}
            if any(n not in optional for n in missing):
                raise ValueError(
                    f"Missing data for input(s) {missing} of model '{self.name}'. You passed a data dictionary with "
                    f"keys {sorted(map(str, inputs))}. Expected the following keys: {names}"
                )
            return [inputs.get(n) for n in names]
        if not tree.is_nested(structure) and tree.is_nested(inputs):
            found = tree.flatten(inputs)
        else:
            found = tree.flatten(inputs)
            given, wanted = _without_singleton(inputs), _without_singleton(structure)
            if tree.is_nested(wanted) and _outline(given) != _outline(wanted):
                if isinstance(structure, dict) and list(structure) != sorted(structure):
                    raise ValueError(self._struct_mismatch(inputs))
                warnings.warn(self._struct_mismatch(inputs), stacklevel=4)
        if len(found) != len(self._inputs):
            raise ValueError(
                f"Layer '{self.name}' expected {len(self._inputs)} input(s) ({[x.name for x in self._inputs]}). "
                f"Received {len(found)} instead."
            )
        return found

    def get_config(self) -> dict[str, Any]:
        """Layers, and how they are connected."""
        if not functional_like_constructor(type(self)):
            return Model.get_config(self)
        return functional_config(self)


def super_init(model: Any, name: str | None) -> None:
    """The constructors of the bases other than `Function`."""
    Layer.__init__(model, name=name)
    Trainer.__init__(model)


def functional_like_constructor(cls: type) -> bool:
    """Whether a class is made from inputs and outputs as `Functional` is."""
    import inspect

    own = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    wanted = list(inspect.signature(Functional.__init__).parameters.values())[1:]
    passes_on = {p.kind for p in own} >= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return passes_on or [p.name for p in own] == [p.name for p in wanted]


def _check_keras_tensors(values: Any, what: str) -> None:
    for x in tree.flatten(values):
        if not isinstance(x, KerasTensor):
            raise ValueError(
                f"All `{what}` values must be KerasTensors. Received: {what}={values} including invalid value "
                f"{x} of type {type(x)}"
            )


def _is_made_by(x: KerasTensor) -> bool:
    """Whether a tensor is the result of a layer and not an input."""
    return x._keras_history is not None and not isinstance(x._keras_history.operation, InputLayer)


def _is_optional(x: KerasTensor) -> bool:
    return bool(x._keras_history is not None and getattr(x._keras_history.operation, "optional", False))


def _with_input_layers(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """Gives every input that is the result of a layer an `InputLayer` of its own, on a copy of the graph."""
    flat = tree.flatten(inputs)
    if all(x._keras_history is not None and isinstance(x._keras_history.operation, InputLayer) for x in flat):
        return inputs, outputs
    replaced: dict[int, KerasTensor] = {}
    new_inputs = []
    for x in flat:
        history = x._keras_history
        if history is not None and isinstance(history.operation, InputLayer):
            new_inputs.append(x)
            replaced[id(x)] = x
            continue
        name = history.operation.name if history is not None else x.name
        new = Input(batch_shape=x.shape, dtype=x.dtype, name=f"{name}_input" if _is_made_by(x) else x.name)
        mask = get_keras_mask(x)
        if mask is not None:
            set_keras_mask(new, mask)
        replaced[id(x)] = new
        new_inputs.append(new)
    from rustdl.ops.function import _post_order

    nodes, _ = _post_order(flat, tree.flatten(outputs))
    for node in nodes:
        if node.is_input or all(id(x) in replaced for x in node.outputs):
            continue
        args, kwargs = node.arguments.fill_in(replaced)
        copies = [KerasTensor(x.shape, dtype=x.dtype, name=x.name) for x in node.outputs]
        Node(node.operation, args, kwargs, copies)
        for old, new in zip(node.outputs, copies, strict=True):
            replaced.setdefault(id(old), new)
    return (
        tree.pack_sequence_as(inputs, new_inputs),
        tree.map_structure(lambda x: replaced[id(x)], outputs),
    )


def _call_with(training: Any, extra: dict[str, Any]) -> Any:
    """Calls one operation of the graph, layers with the call's `training`."""

    def call(operation: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, Layer):
            names = operation._call_context_args
            # Layers without the argument hand it on to those inside.
            given = (("training", training), *extra.items())
            kwargs.update({name: value for name, value in given if value is not None and name in names})
        return fn(*args, **kwargs)

    return call


def _input_spec(structure: Any) -> Any:
    def spec(x: KerasTensor, name: str | None) -> InputSpec:
        shape = (None, *x.shape[1:]) if x.shape else x.shape
        return InputSpec(shape=shape, allow_last_axis_squeeze=True, name=name, optional=_is_optional(x))

    if isinstance(structure, dict):
        if all(isinstance(x, KerasTensor) for x in structure.values()):
            return [spec(structure[key], key) for key in sorted(structure)]
        return None
    if isinstance(structure, (list, tuple)):
        flat = tree.flatten(structure)
        if any(tree.is_nested(x) for x in structure):
            return [spec(x, None) for x in flat]
        return [spec(x, x.name) for x in flat]
    return spec(structure, structure.name)


def _adjusted_text(x: Any, reference: KerasTensor) -> Any:
    """Text stays an array of the host: layers such as `StringLookup` take it as it is."""
    x = np.asarray(x.numpy() if hasattr(x, "numpy") else x)
    if x.ndim == len(reference.shape) + 1 and x.shape[-1] == 1:
        return x[..., 0]
    if x.ndim == len(reference.shape) - 1 and reference.shape[-1] == 1:
        return x[..., None]
    return x


def _adjusted(x: Any, reference: KerasTensor, path: str = "") -> Any:
    """An input in the dtype of its placeholder, with a last axis of size 1 added or taken off."""
    if x is None:
        return None
    mask = get_keras_mask(x)
    original = x
    if reference.dtype == "string" and not isinstance(x, (Tensor, KerasTensor)):
        return _adjusted_text(x, reference)
    if not isinstance(x, (Tensor, KerasTensor)):
        x = backend.convert_to_tensor(x)
    if x.dtype != reference.dtype:
        x = backend.cast(x, reference.dtype)
    rank, wanted = len(x.shape), len(reference.shape)
    if rank != wanted:
        from rustdl import ops

        if rank == wanted + 1 and x.shape[-1] == 1:
            x = ops.squeeze(x, axis=-1)
        elif rank == wanted - 1 and reference.shape[-1] == 1:
            x = ops.expand_dims(x, axis=-1)
        else:
            raise ValueError(
                f"Invalid input shape for input {original} with name '{reference.name}' and path '{path}'. Expected "
                f"shape {reference.shape}, but input has incompatible shape {tuple(x.shape)}"
            )
    if mask is not None and x is not original:
        set_keras_mask(x, mask)
    return x


def _outline(structure: Any) -> Any:
    if not tree.is_nested(structure):
        return None
    if isinstance(structure, dict):
        return ("dict", tuple((key, _outline(structure[key])) for key in sorted(structure)))
    return ("sequence", tuple(_outline(x) for x in structure))


def _names(structure: Any) -> Any:
    return tree.map_structure(lambda x: x.name, structure)


def _without_singleton(structure: Any) -> Any:
    """The only entry of a list of one: a model of one output returns a tensor however the output was given."""
    return structure[0] if isinstance(structure, (list, tuple)) and len(structure) == 1 else structure


def _describe(structure: Any) -> Any:
    return tree.map_structure(lambda x: f"Tensor(shape={tuple(getattr(x, 'shape', ()))})", structure)
