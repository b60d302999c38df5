"""The symbolic tensor of the functional API: a shape, a dtype and the operation that makes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rustdl import tree
from rustdl._rustdl import Tensor
from rustdl.backend.dtypes import standardize_dtype
from rustdl.utils.naming import auto_name

Shape = tuple["int | None", ...]


def standardize_shape(shape: Any) -> Shape:
    """A shape as a tuple of `int` and `None`.

    Raises:
        ValueError: Not a sequence, or an element that is neither `None` nor a non-negative integer.
    """
    if shape is None:
        raise ValueError("Undefined shapes are not supported.")
    if isinstance(shape, int) or not hasattr(shape, "__iter__"):
        raise ValueError(f"Cannot convert '{shape}' to a shape.")
    out: list[int | None] = []
    for d in tuple(shape):
        if d is None:
            out.append(None)
            continue
        if isinstance(d, bool) or not hasattr(d, "__index__"):
            raise ValueError(
                f"Cannot convert '{shape}' to a shape. Found invalid dimension '{d}' of type '{type(d)}'. "
            )
        d = d.__index__()
        if d < 0:
            raise ValueError(f"Cannot convert '{shape}' to a shape. Negative dimensions are not allowed.")
        out.append(d)
    return tuple(out)


def _unusable(what: str) -> str:
    return (
        "A KerasTensor is symbolic: it's a placeholder for a shape and a dtype. It doesn't have any actual "
        f"numerical value. {what} Use it as "
        "input of layers and of functions of `rustdl.ops` (`keras.ops`), or wrap other code in a layer:\n"
        "```\nclass MyLayer(Layer):\n    def call(self, x):\n        return f(x)\n\nx = MyLayer()(x)\n```"
    )


class KerasTensor:
    """A placeholder for a tensor, made by `Input`, and by layers and ops called on such placeholders.

    Args:
        shape: Tuple of sizes, `None` where a size is not known.
        dtype: Dtype name.
        sparse: Whether it stands for a sparse tensor.
        ragged: Whether it stands for a ragged tensor.
        record_history: Whether operations on it are recorded.
        name: Its name, automatic by default.
        ragged_rank: Number of ragged dimensions.
        row_splits_dtype: Dtype of row splits.
    """

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        ragged_rank: int | None = None,
        row_splits_dtype: Any = None,
    ) -> None:
        if sparse and ragged:
            raise ValueError("KerasTensor cannot have `sparse=True` and `ragged=True` at the same time.")
        self._shape = standardize_shape(shape)
        self._dtype = standardize_dtype(dtype)
        self._sparse = bool(sparse)
        self._ragged = bool(ragged)
        self._ragged_rank = ragged_rank
        self._row_splits_dtype = row_splits_dtype
        self.name = name or auto_name(type(self).__name__)
        self.record_history = record_history
        self._keras_history: Any = None
        self._keras_mask: Any = None

    @property
    def shape(self) -> Shape:
        """The shape, `None` where a size is not known."""
        return self._shape

    @shape.setter
    def shape(self, value: Any) -> None:
        raise AttributeError("The `shape` attribute of KerasTensor is immutable. One should create a new instance.")

    @property
    def dtype(self) -> str:
        """The name of the dtype."""
        return self._dtype

    @dtype.setter
    def dtype(self, value: Any) -> None:
        raise AttributeError("The `dtype` attribute of KerasTensor is immutable. One should create a new instance.")

    @property
    def sparse(self) -> bool:
        """Whether it stands for a sparse tensor."""
        return self._sparse

    @sparse.setter
    def sparse(self, value: Any) -> None:
        raise AttributeError("The `sparse` attribute of KerasTensor is immutable. One should create a new instance.")

    @property
    def ragged(self) -> bool:
        """Whether it stands for a ragged tensor."""
        return self._ragged

    @ragged.setter
    def ragged(self, value: Any) -> None:
        raise AttributeError("The `ragged` attribute of KerasTensor is immutable. One should create a new instance.")

    @property
    def ragged_rank(self) -> int | None:
        """Number of ragged dimensions."""
        return self._ragged_rank

    @property
    def row_splits_dtype(self) -> Any:
        """Dtype of row splits."""
        return self._row_splits_dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    def reshape(self, newshape: Any) -> Any:
        """See `rustdl.ops.reshape`."""
        return _op("reshape", self, newshape)

    def squeeze(self, axis: Any = None) -> Any:
        """See `rustdl.ops.squeeze`."""
        return _op("squeeze", self, axis)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError(_unusable("It cannot become a NumPy array."))

    def __rustdl_tensor__(self) -> Any:
        raise TypeError(_unusable("It cannot be passed to a function that computes at once."))

    def __jax_array__(self) -> Any:
        raise ValueError(_unusable("It cannot be passed to a JAX function."))

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        raise ValueError(_unusable("It cannot be passed to a TensorFlow function."))

    def __repr__(self) -> str:
        extra = f", sparse={self._sparse}" if self._sparse else f", ragged={self._ragged}" if self._ragged else ""
        extra = extra or ", sparse=False, ragged=False"
        return f"<KerasTensor shape={self._shape}, dtype={self._dtype}{extra}, name={self.name}>"

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(_unusable("Iterating over a symbolic KerasTensor is not supported."))

    def __bool__(self) -> bool:
        raise TypeError(_unusable("A symbolic KerasTensor cannot be used as a boolean."))

    def __float__(self) -> float:
        raise TypeError(_unusable("A symbolic KerasTensor cannot become a Python float."))

    def __int__(self) -> int:
        raise TypeError(_unusable("A symbolic KerasTensor cannot become a Python int."))

    def __index__(self) -> int:
        raise TypeError(_unusable("A symbolic KerasTensor cannot be used as an index."))

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len() of a KerasTensor without axes")
        if self._shape[0] is None:
            raise TypeError(_unusable("Its first size is not known."))
        return self._shape[0]

    def __getitem__(self, key: Any) -> Any:
        return _op("get_item", self, key)

    def __round__(self, ndigits: int | None = None) -> Any:
        return _op("round", self, decimals=ndigits or 0)

    def __abs__(self) -> Any:
        return _op("absolute", self)

    def __neg__(self) -> Any:
        return _op("negative", self)

    def __pos__(self) -> KerasTensor:
        return self

    def __invert__(self) -> Any:
        return _op("logical_not" if self.dtype == "bool" else "bitwise_not", self)

    def __hash__(self) -> int:
        return id(self)


def _op(name: str, *args: Any, **kwargs: Any) -> Any:
    from rustdl import ops

    return getattr(ops, name)(*args, **kwargs)


_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "matmul": "matmul",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}
_COMPARE = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "ne": "not_equal",
}


def _add_operators() -> None:
    def forward(op: str) -> Any:
        return lambda self, other: _op(op, self, other)

    def reflected(op: str) -> Any:
        return lambda self, other: _op(op, other, self)

    for short, op in _BINARY.items():
        setattr(KerasTensor, f"__{short}__", forward(op))
        setattr(KerasTensor, f"__r{short}__", reflected(op))
    for short, op in _COMPARE.items():
        setattr(KerasTensor, f"__{short}__", forward(op))
    KerasTensor.__div__ = forward("divide")  # type: ignore[attr-defined]
    KerasTensor.__rdiv__ = reflected("divide")  # type: ignore[attr-defined]


_add_operators()


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a symbolic `KerasTensor`."""
    return isinstance(x, KerasTensor)


def _holds_symbolic(values: Iterable[Any]) -> bool:
    for x in values:
        cls = type(x)
        if cls is KerasTensor:
            return True
        if cls in _PLAIN:
            continue
        if isinstance(x, KerasTensor):
            return True
        if tree.is_nested(x) and _holds_symbolic(tree.flatten(x)):
            return True
    return False


_PLAIN: frozenset[type] = frozenset((Tensor, int, float, bool, str, type(None)))


def any_symbolic_tensors(args: Any = None, kwargs: Any = None) -> bool:
    """Whether a `KerasTensor` is among the arguments or inside their structures."""
    return bool((args and _holds_symbolic(args)) or (kwargs and _holds_symbolic(kwargs.values())))
