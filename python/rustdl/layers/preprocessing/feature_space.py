"""`FeatureSpace`: a table of raw features as one vector, or a dictionary of vectors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from rustdl import backend, layers, ops, tree
from rustdl._rustdl import Tensor
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.layer import Layer
from rustdl.layers.preprocessing._host_arrays import host_value
from rustdl.layers.preprocessing.data_layer import DataLayer, in_tf_graph, run_in_tf_graph
from rustdl.saving import serialization_lib
from rustdl.utils.naming import auto_name

# How many single samples are taken together when learning from a dataset that is not batched.
_BATCH = 32


class Cross:
    """Which features are crossed, and how; made by `FeatureSpace.cross`.

    Args:
        feature_names: the features.
        crossing_dim: number of bins.
        output_mode: `"one_hot"` or `"int"`.
    """

    def __init__(self, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> None:
        if output_mode not in ("int", "one_hot"):
            raise ValueError(
                "Invalid value for argument `output_mode`. Expected one of {'int', 'one_hot'}. "
                f"Received: output_mode={output_mode}"
            )
        self.feature_names = tuple(feature_names)
        self.crossing_dim = crossing_dim
        self.output_mode = output_mode

    @property
    def name(self) -> str:
        """The names of the features, joined."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "feature_names": self.feature_names,
            "crossing_dim": self.crossing_dim,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Cross:
        """A cross from `get_config`'s result."""
        return cls(**config)


class Feature:
    """How one feature is preprocessed and encoded; made by `FeatureSpace.feature` and its like.

    Args:
        dtype: dtype of the raw values.
        preprocessor: layer, or its configuration.
        output_mode: `"one_hot"`, `"int"` or `"float"`.
    """

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str) -> None:
        if output_mode not in ("int", "one_hot", "float"):
            raise ValueError(
                "Invalid value for argument `output_mode`. Expected one of {'int', 'one_hot', 'float'}. "
                f"Received: output_mode={output_mode}"
            )
        self.dtype = dtype
        if isinstance(preprocessor, dict):
            preprocessor = serialization_lib.deserialize_keras_object(preprocessor)
        self.preprocessor = preprocessor
        self.output_mode = output_mode

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "dtype": self.dtype,
            "preprocessor": serialization_lib.serialize_keras_object(self.preprocessor),
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Feature:
        """A feature from `get_config`'s result."""
        return cls(**config)


class TFDIdentity(DataLayer):
    """Passes values on."""

    def call(self, x: Any) -> Any:
        return backend.convert_to_tensor(x, dtype=self.compute_dtype)


class TFDConcat(DataLayer):
    """Joins encoded features.

    Args:
        axis: along which.
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, xs: Any) -> Any:
        return ops.concatenate(xs, axis=self.axis)


class FeatureSpace(Layer):
    """Preprocesses and encodes structured data: each feature by its kind, and crosses of features.

    Kinds of features, by name or by the class method of that name: `"float"` (as it is), `"float_rescaled"`,
    `"float_normalized"`, `"float_discretized"`, `"integer_categorical"`, `"string_categorical"`, `"integer_hashed"`,
    `"string_hashed"`; and `FeatureSpace.feature(...)` with a layer of your own.

    `adapt` learns statistics and vocabularies. Then the space is called on a dictionary of values or batches, mapped
    over a `tf.data.Dataset`, or put in front of a model with `get_inputs` and `get_encoded_features`. A model that
    begins with text works when it is called; `fit` and `predict` take numbers.

    Args:
        features: name -> kind of feature.
        output_mode: `"concat"`: one vector of all features (in the order of their names; crosses last); `"dict"`: the
            encoded features by name.
        crosses: tuples of names, or `FeatureSpace.cross(...)`: preprocessed features that are hashed together.
        crossing_dim: number of bins of a cross.
        hashing_dim: number of bins of `"integer_hashed"` and `"string_hashed"`.
        num_discretization_bins: number of bins of `"float_discretized"`.
        name: automatic by default.

    Raises:
        ValueError: no features, or unknown kinds, modes or names.

    Example:
        >>> import rustdl
        >>> data = {"age": [20.0, 30.0, 40.0, 50.0], "job": ["a", "b", "a", "a"]}
        >>> space = rustdl.utils.FeatureSpace({"age": "float_normalized", "job": "string_categorical"})
        >>> space.adapt(data)
        >>> space(data).shape, space({"age": 35.0, "job": "a"}).tolist()
        ((4, 4), [0.0, 0.0, 1.0, 0.0])
    """

    @classmethod
    def cross(cls, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """A cross of features.

        Args:
            feature_names: the features.
            crossing_dim: number of bins.
            output_mode: `"one_hot"` or `"int"`.
        """
        return Cross(feature_names, crossing_dim, output_mode=output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """A feature with a layer of your own.

        Args:
            dtype: dtype of the raw values.
            preprocessor: the layer.
            output_mode: `"one_hot"` (the layer gives integers), `"int"` or `"float"`.
        """
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Numbers as they are."""
        name = name or auto_name("float")
        return Feature("float32", TFDIdentity(dtype="float32", name=f"{name}_preprocessor"), "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Feature:
        """Numbers as `x * scale + offset`."""
        name = name or auto_name("float_rescaled")
        return Feature("float32", layers.Rescaling(scale=scale, offset=offset, name=f"{name}_preprocessor"), "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Numbers with mean 0 and variance 1."""
        name = name or auto_name("float_normalized")
        return Feature("float32", layers.Normalization(axis=-1, name=f"{name}_preprocessor"), "float")

    @classmethod
    def float_discretized(
        cls, num_bins: Any, bin_boundaries: Any = None, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Numbers as bins: `num_bins` quantiles, or those between `bin_boundaries` (then `num_bins` is None)."""
        name = name or auto_name("float_discretized")
        layer = layers.Discretization(num_bins=num_bins, bin_boundaries=bin_boundaries, name=f"{name}_preprocessor")
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Integers as indices of a vocabulary; see `IntegerLookup`."""
        name = name or auto_name("integer_categorical")
        layer = layers.IntegerLookup(
            name=f"{name}_preprocessor", max_tokens=max_tokens, num_oov_indices=num_oov_indices
        )
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Strings as indices of a vocabulary; see `StringLookup`."""
        name = name or auto_name("string_categorical")
        layer = layers.StringLookup(name=f"{name}_preprocessor", max_tokens=max_tokens, num_oov_indices=num_oov_indices)
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Strings as bins of a hash; see `Hashing`."""
        name = name or auto_name("string_hashed")
        return Feature("string", layers.Hashing(num_bins, name=f"{name}_preprocessor"), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Integers as bins of a hash; see `Hashing`."""
        name = name or auto_name("integer_hashed")
        return Feature("int32", layers.Hashing(num_bins, name=f"{name}_preprocessor"), output_mode)

    def __init__(
        self,
        features: dict[str, Any],
        output_mode: str = "concat",
        crosses: Any = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not features:
            raise ValueError("The `features` argument cannot be None or empty.")
        if output_mode not in ("dict", "concat"):
            raise ValueError(
                "Invalid value for argument `output_mode`. Expected one of {'dict', 'concat'}. "
                f"Received: output_mode={output_mode}"
            )
        self.output_mode = output_mode
        self.crossing_dim = crossing_dim
        self.hashing_dim = hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.features = {key: self._standardize_feature(key, value) for key, value in features.items()}
        self.crosses = [self._standardize_cross(cross) for cross in crosses or ()]
        self.crosses_by_name = {cross.name: cross for cross in self.crosses}
        self.inputs = {
            key: layers.Input(shape=(1,), dtype=feature.dtype, name=key) for key, feature in self.features.items()
        }
        self.preprocessors = {key: feature.preprocessor for key, feature in self.features.items()}
        self.crossers = {c.name: layers.HashedCrossing(c.crossing_dim, name=c.name) for c in self.crosses}
        self.one_hot_encoders: dict[str, Any] = {}
        self.encoded_features: Any = None
        self.concat: Any = None
        self._is_adapted = False

    def _standardize_feature(self, name: str, feature: Any) -> Any:
        if isinstance(feature, Feature):
            return feature
        if isinstance(feature, dict):
            return serialization_lib.deserialize_keras_object(feature)
        if feature == "float_discretized":
            return self.float_discretized(self.num_discretization_bins, name=name)
        if feature in ("integer_hashed", "string_hashed"):
            return getattr(self, feature)(self.hashing_dim, name=name)
        plain = ("float", "float_rescaled", "float_normalized", "integer_categorical", "string_categorical")
        if feature in plain:
            return getattr(self, feature)(name=name)
        raise ValueError(
            f"Invalid feature type: {feature}. Expected one of {(*plain, 'float_discretized')}, 'integer_hashed', "
            "'string_hashed' or an object made by a class method of FeatureSpace."
        )

    def _standardize_cross(self, cross: Any) -> Any:
        if isinstance(cross, dict):
            cross = serialization_lib.deserialize_keras_object(cross)
        if not isinstance(cross, Cross):
            if not self.crossing_dim:
                raise ValueError(
                    "When specifying `crosses`, the argument `crossing_dim` (dimensionality of the crossing space) "
                    "should be specified as well."
                )
            cross = Cross(cross, crossing_dim=self.crossing_dim)
        if any(name not in self.features for name in cross.feature_names):
            raise ValueError(
                "All features referenced in the `crosses` argument should be present in the `features` dict. "
                f"Received unknown features: {cross.feature_names}"
            )
        return cross

    # --- learning ---

    def _list_adaptable_preprocessors(self) -> list[str]:
        def learns(layer: Any) -> bool:
            if isinstance(layer, layers.Normalization) and layer.input_mean is not None:
                return False
            if isinstance(layer, layers.Discretization) and layer.num_bins is None:
                return False
            lookup = getattr(layer, "_lookup_layer", layer)
            return hasattr(layer, "adapt") and not getattr(lookup, "_has_input_vocabulary", False)

        return [name for name in self.features if learns(self.preprocessors[name])]

    def adapt(self, dataset: Any) -> None:
        """Learns the statistics and vocabularies of all features.

        Args:
            dataset: a dictionary of arrays or lists, or an iterable of dictionaries of samples or batches (a
                `tf.data.Dataset`, a list, a `PyDataset`, ...); of tuples the first entry is taken.

        Raises:
            ValueError: data of another kind.
        """
        if isinstance(dataset, dict):
            dataset = [{key: _as_array(value) for key, value in dataset.items()}]
        elif not hasattr(dataset, "__iter__") or isinstance(dataset, str) or hasattr(dataset, "__array__"):
            raise ValueError(
                "`adapt()` can only be called on a tf.data.Dataset, a dict of arrays/lists, or an iterable of dicts. "
                f"Received instead: {dataset} (of type {type(dataset)})"
            )
        elif hasattr(dataset, "__next__"):  # can be gone through only once
            dataset = list(dataset)
        for name in self._list_adaptable_preprocessors():
            self.preprocessors[name].adapt(_column(dataset, name))
        self._is_adapted = True
        self.encoded_features = None
        self.one_hot_encoders.clear()
        self.get_encoded_features()

    def _check_if_adapted(self) -> None:
        if not self._is_adapted and self._list_adaptable_preprocessors():
            raise ValueError("You need to call `.adapt(dataset)` on the FeatureSpace before you can start using it.")
        self._is_adapted = True

    # --- calling ---

    def get_inputs(self) -> dict[str, Any]:
        """The placeholders of the raw features, by name."""
        self._check_if_adapted()
        return dict(self.inputs)

    def get_encoded_features(self) -> Any:
        """What the space makes of its placeholders: a `KerasTensor`, or a dictionary of them."""
        self._check_if_adapted()
        if self.encoded_features is None:
            self._tracker.unlock()
            self.encoded_features = self._encode(dict(self.inputs))
            self.built = True
        found = self.encoded_features
        return dict(found) if isinstance(found, dict) else found

    def _encode(self, data: dict[str, Any]) -> Any:
        """The outputs for values of all features, `[batch, 1]` or wider."""
        preprocessed = {name: self.preprocessors[name](data[name]) for name in self.features}
        crossed = {c.name: self.crossers[c.name]([preprocessed[n] for n in c.feature_names]) for c in self.crosses}
        encoded = {}
        for found, specs in ((preprocessed, self.features), (crossed, self.crosses_by_name)):
            for name in sorted(found):
                encoded[name] = self._encoded(name, found[name], specs[name])
        if self.output_mode == "dict":
            return encoded
        for name, value in encoded.items():
            if value.dtype == "string" or not str(value.dtype).startswith(("float", "bfloat")):
                raise ValueError(
                    f"Cannot concatenate features because feature '{name}' has not been encoded (it has dtype "
                    f"{value.dtype}). Consider using `output_mode='dict'`."
                )
        if self.concat is None:
            self.concat = TFDConcat(axis=-1)
        return self.concat(list(encoded.values()))

    def _encoded(self, name: str, value: Any, spec: Any) -> Any:
        """One feature after its preprocessor, as a vector where it is to be one."""
        if spec.output_mode != "one_hot":
            return value
        if name not in self.one_hot_encoders:
            dtype = backend.standardize_dtype(tree.flatten(value)[0].dtype)
            if not dtype.startswith("int"):
                raise ValueError(
                    f"Feature '{name}' has `output_mode='one_hot'`. Thus its preprocessor should return an integer "
                    f"dtype. Instead it returns a {dtype} dtype."
                )
            count = _number_of_indices(self.preprocessors.get(name) or self.crossers[name])
            if count is None:
                raise ValueError(
                    f"Feature '{name}' has `output_mode='one_hot'`. However it isn't a standard feature and the "
                    "dimensionality of its output space is not known, thus it cannot be one-hot encoded. Try using "
                    "`output_mode='int'`."
                )
            self.one_hot_encoders[name] = layers.CategoryEncoding(num_tokens=count, output_mode="multi_hot")
        return self.one_hot_encoders[name](value)

    def __call__(self, data: Any) -> Any:
        """Encodes a sample or a batch.

        Args:
            data: dictionary of values: scalars, or arrays `[batch]` or `[batch, 1]`; or of `KerasTensor`s.

        Returns:
            `[features]` or `[batch, features]`, or a dictionary of such.

        Raises:
            ValueError: something else, missing features, or not adapted.
        """
        self.get_encoded_features()
        if not isinstance(data, dict):
            raise ValueError(
                f"A FeatureSpace can only be called with a dict. Received: data={data} (of type {type(data)}"
            )
        missing = [name for name in self.features if name not in data]
        if missing:
            raise ValueError(f"The data lack the features {missing}. Received: {sorted(data)}")
        data = {name: data[name] for name in self.features}
        if in_tf_graph(data):
            return run_in_tf_graph(self._call, self._specs, data)
        return self._call(data)

    def _specs(self, data: dict[str, Any]) -> Any:
        """The outputs' shapes for placeholders of any rank."""
        single = all(len(x.shape) == 0 for x in data.values())
        columns = {n: KerasTensor((*x.shape, *(1,) * (2 - len(x.shape))), dtype=x.dtype) for n, x in data.items()}
        outputs = self._encode(columns)
        return tree.map_structure(lambda x: KerasTensor(x.shape[1:], dtype=x.dtype), outputs) if single else outputs

    def _call(self, data: dict[str, Any]) -> Any:
        columns = {name: _as_column(x) for name, x in data.items()}
        single = any(_rank(x) == 0 for x in data.values())
        outputs = self._encode(columns)
        if not single:
            return outputs
        return tree.map_structure(lambda x: x[0] if len(x.shape) > 1 and x.shape[0] == 1 else x, outputs)

    # --- configuration and files ---

    def get_config(self) -> dict[str, Any]:
        return {
            "features": serialization_lib.serialize_keras_object(dict(self.features)),
            "output_mode": self.output_mode,
            "crosses": serialization_lib.serialize_keras_object(list(self.crosses)),
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)

    def get_build_config(self) -> dict[str, Any]:
        return {name: feature.preprocessor.get_build_config() for name, feature in self.features.items()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        for name, own in config.items():
            preprocessor = self.features[name].preprocessor
            if not preprocessor.built and own:
                preprocessor.build_from_config(own)
        self._is_adapted = True

    def save(self, filepath: Any) -> None:
        """Writes the space to a `.keras` file, which `rustdl.models.load_model` reads.

        Args:
            filepath: where to.
        """
        from rustdl.saving import saving_lib

        saving_lib.save_model(self, filepath)

    def save_own_variables(self, store: Any) -> None:
        return

    def load_own_variables(self, store: Any) -> None:
        return


def _number_of_indices(layer: Any) -> int | None:
    """How many values a layer's integers can take, or None."""
    if isinstance(layer, layers.IntegerLookup | layers.StringLookup):
        return int(layer.vocabulary_size())
    if isinstance(layer, layers.CategoryEncoding):
        return int(layer.num_tokens)
    if isinstance(layer, layers.Discretization) and layer.num_bins is None:
        return len(layer.bin_boundaries) + 1
    if isinstance(layer, layers.Discretization | layers.HashedCrossing | layers.Hashing):
        return int(layer.num_bins)
    return None


def _as_array(value: Any) -> Any:
    value = host_value(value, "FeatureSpace")
    return value if isinstance(value, np.ndarray) else np.asarray(value)


def _rank(value: Any) -> int:
    if isinstance(value, str | bytes):
        return 0
    return len(value.shape) if hasattr(value, "shape") else np.ndim(value)


def _as_column(value: Any) -> Any:
    """Values as `[batch, 1]` or wider; numbers become tensors, text stays an array."""
    if isinstance(value, KerasTensor):
        return value if len(value.shape) > 1 else ops.expand_dims(value, -1)
    if not isinstance(value, Tensor):
        value = _as_array(value)
        if value.dtype.kind in "USO":
            return value.reshape((*value.shape, *(1,) * (2 - value.ndim))) if value.ndim < 2 else value
        value = backend.convert_to_tensor(value.astype(backend.floatx()) if value.dtype.kind == "f" else value)
    return ops.reshape(value, (*value.shape, *(1,) * (2 - len(value.shape)))) if len(value.shape) < 2 else value


def _column(dataset: Any, name: str) -> Iterator[Any]:
    """The values of one feature of a dataset in batches `[batch, 1]` or wider."""
    values: Iterator[Any] = (
        _as_array((entry[0] if isinstance(entry, tuple | list) else entry)[name]) for entry in dataset
    )
    first = next(values, None)
    if first is None:
        raise ValueError("`adapt()` received a dataset without entries.")
    values = itertools.chain([first], values)
    if first.ndim == 0:  # single samples
        while chunk := list(itertools.islice(values, _BATCH)):
            yield np.stack(chunk)[:, None]
        return
    for value in values:
        yield value[:, None] if value.ndim == 1 else value
