"""`Input` and `InputLayer`: the entry points of functional models."""

from __future__ import annotations

import warnings
from typing import Any

from rustdl import backend
from rustdl.backend.keras_tensor import KerasTensor, standardize_shape
from rustdl.layers.layer import Layer
from rustdl.ops.node import Node


class InputLayer(Layer):
    """The layer behind `Input`: holds a placeholder.

    Args:
        shape: Shape of one sample, without the batch.
        batch_size: Size of the batch where it is fixed.
        dtype: Dtype of the data, `floatx()` by default.
        sparse: Whether the data are sparse.
        ragged: Whether the data are ragged.
        batch_shape: Shape with the batch, instead of `shape` and `batch_size`.
        input_tensor: A `KerasTensor` to use as the placeholder.
        optional: Whether `None` may be passed.
        name: Automatic by default.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name)
        if "input_shape" in kwargs:
            warnings.warn("Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=2)
            shape = kwargs.pop("input_shape")
        if "batch_input_shape" in kwargs:
            batch_shape = kwargs.pop("batch_input_shape")
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to InputLayer: {kwargs}")
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(
                    "Argument `input_tensor` must be a KerasTensor. "
                    f"Received invalid type: input_tensor={input_tensor} (of type {type(input_tensor)})"
                )
            given = (
                ("batch_size", batch_size, input_tensor.shape[0] if input_tensor.shape else None),
                ("shape", None if shape is None else standardize_shape(shape), tuple(input_tensor.shape[1:])),
                ("batch_shape", None if batch_shape is None else standardize_shape(batch_shape), input_tensor.shape),
                ("dtype", None if dtype is None else backend.standardize_dtype(dtype), input_tensor.dtype),
                ("sparse", sparse, input_tensor.sparse),
                ("ragged", ragged, input_tensor.ragged),
            )
            for argument, value, found in given:
                if value is not None and value != found:
                    raise ValueError(
                        f"When providing the `input_tensor` argument, you cannot provide an incompatible `{argument}` "
                        f"argument: {argument}={value}, but the tensor has {found}."
                    )
            batch_shape, dtype, sparse, ragged = (
                input_tensor.shape,
                input_tensor.dtype,
                input_tensor.sparse,
                input_tensor.ragged,
            )
        else:
            if shape is not None and batch_shape is not None:
                raise ValueError("You cannot pass both `shape` and `batch_shape` at the same time.")
            if batch_size is not None and batch_shape is not None:
                raise ValueError("You cannot pass both `batch_size` and `batch_shape` at the same time.")
            if shape is None and batch_shape is None:
                raise ValueError("You must pass a `shape` argument.")
            if shape is not None:
                batch_shape = (batch_size, *standardize_shape(shape))
        self._batch_shape = standardize_shape(batch_shape)
        self._dtype = backend.standardize_dtype(dtype)
        self.sparse = bool(sparse)
        self.ragged = bool(ragged)
        for argument in ("sparse", "ragged"):
            if getattr(self, argument):
                raise ValueError(f"`{argument}=True` is not supported: rustdl has dense tensors only")
        if input_tensor is None:
            input_tensor = KerasTensor(self._batch_shape, dtype=self._dtype, name=self.name)
        self._input_tensor = input_tensor
        Node(operation=self, call_args=(), call_kwargs={}, outputs=input_tensor)
        self.built = True
        self.optional = optional

    def call(self) -> Any:
        """The placeholder stands for data: there is nothing to compute."""
        return None

    @property
    def batch_shape(self) -> Any:
        """The shape with the batch."""
        return self._batch_shape

    @property
    def dtype(self) -> str:
        """The dtype of the data."""
        return self._dtype

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            **({"optional": True} if self.optional else {}),
        }


def Input(  # noqa: N802  (the public name)
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> Any:
    """A placeholder from which to build a functional model.

    Args:
        shape: Shape of one sample, without the batch; `None` for sizes that vary.
        batch_size: Size of the batch where it is fixed.
        dtype: Dtype of the data, `floatx()` by default.
        sparse: Only `None` or `False`.
        ragged: Only `None` or `False`.
        batch_shape: Shape with the batch, instead of `shape` and `batch_size`.
        name: The name of the input; data may be given in a dictionary by it.
        tensor: A `KerasTensor` to use.
        optional: Whether `None` may be passed.

    Returns:
        A `KerasTensor`.

    Example:
        >>> import rustdl
        >>> rustdl.Input(shape=(28, 28, 1)).shape
        (None, 28, 28, 1)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        name=name,
        input_tensor=tensor,
        optional=optional,
    )
    return layer.output
