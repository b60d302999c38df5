"""`DataLayer`: layers that also run inside of `tf.data` pipelines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import backend, tree
from rustdl._rustdl import placeholder
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.spec import in_spec_scope
from rustdl.layers.call_spec import CallSpec, call_info
from rustdl.layers.layer import Layer


class DataLayer(Layer):
    """Base class of preprocessing layers that can be given to `tf.data.Dataset.map`.

    There the layer becomes a call back into Python (`tf.numpy_function`); everywhere else it is an ordinary layer. Its
    `call` takes one input or one structure of inputs.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._allow_non_tensor_positional_args = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not in_tf_graph(inputs):
            if not self.supports_jit and in_spec_scope():
                return self._placeholders(inputs)
            return super().__call__(inputs, *args, **kwargs)

        def spec(x: Any) -> Any:
            if not self.built:
                self._maybe_build(CallSpec(call_info(self.call), (x, *args), kwargs))
            return self.compute_output_spec(x, *args, **kwargs)

        return run_in_tf_graph(lambda x: super(DataLayer, self).__call__(x, *args, **kwargs), spec, inputs)

    def _placeholders(self, inputs: Any) -> Any:
        """What stands for the outputs while the shapes of a model are worked out, for layers that need values."""
        spec = self.compute_output_spec(tree.map_structure(lambda x: KerasTensor(x.shape, dtype=x.dtype), inputs))
        return tree.map_structure(lambda x: placeholder(x.shape, x.dtype), spec)


def in_tf_graph(inputs: Any) -> bool:
    """Whether the first of the inputs is a tensor of a TensorFlow graph under construction, without values."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "executing_eagerly"):
        return False
    first = next(iter(tree.flatten(inputs)), None)
    return isinstance(first, tf.Tensor) and not tf.executing_eagerly()


def run_in_tf_graph(fn: Callable[[Any], Any], spec: Callable[[Any], Any], inputs: Any) -> Any:
    """Makes `fn` a node of the TensorFlow graph under construction.

    Args:
        fn: takes arrays in the structure of `inputs`.
        spec: takes `KerasTensor`s in that structure and gives those that `fn` would return.
        inputs: symbolic TensorFlow tensors of known rank.

    Returns:
        Symbolic TensorFlow tensors in the structure of the outputs.
    """
    tf: Any = sys.modules["tensorflow"]
    flat = tree.flatten(inputs)
    outputs = spec(tree.pack_sequence_as(inputs, [KerasTensor(tuple(x.shape), dtype=x.dtype.name) for x in flat]))
    expected = tree.flatten(outputs)

    def run(*arrays: Any) -> list[Any]:
        results = tree.flatten(fn(tree.pack_sequence_as(inputs, list(arrays))))
        return [
            np.asarray(backend.convert_to_numpy(r), dtype=object if e.dtype == "string" else e.dtype)
            for r, e in zip(results, expected, strict=True)
        ]

    made = tf.numpy_function(run, flat, [tf.as_dtype(e.dtype) for e in expected])
    for tensor, e in zip(made, expected, strict=True):
        tensor.set_shape(e.shape)
    return tree.pack_sequence_as(outputs, list(made))
