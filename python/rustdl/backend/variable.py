"""`Variable`: a named, mutable tensor that layers, optimizers and metrics keep their state in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend.dtypes import is_float_dtype, standardize_dtype
from rustdl.backend.global_state import get_global_attribute, state
from rustdl.backend.keras_tensor import standardize_shape
from rustdl.backend.name_scope import current_path
from rustdl.backend.stateless_scope import suspend_scopes
from rustdl.backend.tensor import cast, convert_to_tensor
from rustdl.utils.naming import auto_name

_AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")
_SYNCHRONIZATIONS = (None, "auto", "none", "on_write", "on_read")


class Variable:
    """A tensor that can be assigned to.

    Args:
        initializer: The value (anything that converts to a tensor), or a callable `(shape, dtype=...)`, or the name
            of an initializer.
        shape: Needed with a callable.
        dtype: By default that of the value, `floatx()` with a callable.
        trainable: Whether optimizers update it.
        autocast: Whether a mixed-precision layer reads it in its compute dtype.
        aggregation: How replicas would be merged: `"none"`, `"mean"`, `"sum"`, `"only_first_replica"`.
        synchronization: When replicas would be merged.
        name: By default numbered; no `/` in it.

    Raises:
        ValueError: A callable without shape, a name with `/`, an unknown aggregation.

    Example:
        >>> v = Variable([1.0, 2.0], name="v")
        >>> v.assign_add([1.0, 1.0]).tolist()
        [2.0, 3.0]
    """

    __array_priority__ = 100.0

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("layout", None)
        if kwargs:
            raise TypeError(f"Variable got unexpected keyword arguments {sorted(kwargs)}")
        name = name or auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}"
            )
        if aggregation not in _AGGREGATIONS:
            raise ValueError(
                f"Invalid value for argument `aggregation`. Expected one of {_AGGREGATIONS}. "
                f"Received: aggregation={aggregation}"
            )
        if synchronization not in _SYNCHRONIZATIONS:
            raise ValueError(
                f"Invalid value for argument `synchronization`. Expected one of {_SYNCHRONIZATIONS}. "
                f"Received: synchronization={synchronization}"
            )
        self._name = name
        parent = current_path()
        self._path = f"{parent}/{name}" if parent else name
        self._trainable = bool(trainable)
        self._autocast = bool(autocast)
        self._aggregation = "none" if aggregation is None else aggregation
        self._synchronization = synchronization
        self._regularizer: Any = None
        self._constraint: Any = None
        self._overwrite_with_gradient = False
        self._grad_slot: Any = None
        self._cell: _rustdl.Cell | None = None
        self._initializer: Any = None
        if isinstance(initializer, str):
            from rustdl import initializers

            initializer = initializers.get(initializer)
        if callable(initializer) and not hasattr(initializer, "__array__"):
            if shape is None:
                raise ValueError(
                    "When creating a Variable from an initializer, the `shape` argument should be specified. "
                    f"Received: initializer={initializer} and shape={shape}"
                )
            self._dtype = standardize_dtype(dtype)
            self._shape = self._checked_shape(shape)
            scope = state.stateless_scope
            self._initializer = initializer
            if scope is not None and scope.defers_initialization:
                _uninitialized().append(self)
            else:
                self._deferred_initialize()
        else:
            scope = state.stateless_scope
            if scope is not None and scope.defers_initialization:
                raise ValueError(
                    "You are attempting to create a variable while in a stateless scope. This is disallowed. Make sure "
                    "that all variables are created before you start using your layer/model objects.\n\n"
                    "In some cases, you might be seeing this error because you need to implement a `def build(self, "
                    "input_shape)` method on your layer/model, which will create its variables.\n\n"
                    "In some other cases, you might be seeing this error because you are instantiating a `Variable` "
                    "and assigning it to a layer without going through self.add_variable()/self.add_weight(). Always "
                    "prefer using these methods (with a `shape` and `initializer` argument)."
                )
            value = convert_to_tensor(initializer, dtype=None if dtype is None else standardize_dtype(dtype))
            if shape is not None and tuple(value.shape) != standardize_shape(shape):
                raise ValueError(
                    f"Variable {name}: the value has shape {tuple(value.shape)}, but shape={shape} was asked for"
                )
            self._dtype = value.dtype
            self._shape = tuple(value.shape)
            self._cell = _rustdl.Cell(value)

    def _checked_shape(self, shape: Any) -> tuple[int, ...]:
        found = standardize_shape(shape)
        if None in found:
            raise ValueError(
                f"Shapes used to initialize variables must be fully-defined (no `None` dimensions). Received: "
                f"shape={shape} for variable path='{self._path}'"
            )
        return tuple(d for d in found if d is not None)

    def _deferred_initialize(self) -> None:
        if self._cell is not None:
            raise ValueError(f"Variable {self.path} is already initialized.")
        scope = state.stateless_scope
        if scope is not None and scope.defers_initialization:
            raise ValueError(
                "You are attempting to initialize a variable while in a stateless scope. This is disallowed. Make sure "
                "that all variables are initialized before you start using your layer/model objects."
            )
        with suspend_scopes():
            value = convert_to_tensor(self._initializer(self._shape, dtype=self._dtype), dtype=self._dtype)
        if tuple(value.shape) != self._shape:
            raise ValueError(
                f"The initializer {self._initializer!r} of variable {self.path} gave a value of shape "
                f"{tuple(value.shape)}, expected {self._shape}"
            )
        self._cell = _rustdl.Cell(value)
        self._initializer = None

    @property
    def _value(self) -> Tensor | None:
        """The stored tensor, whatever scope is open; `None` before the first initialization."""
        return None if self._cell is None else self._cell.get()

    @property
    def cell(self) -> _rustdl.Cell:
        """The storage."""
        if self._cell is None:
            raise ValueError(f"Variable {self.path} has no value yet: it was made inside a StatelessScope")
        return self._cell

    @property
    def value(self) -> Tensor:
        """The current value: the open scope's, else a snapshot of the storage; in the autocast dtype."""
        scope = state.stateless_scope
        found = None if scope is None else scope.get_current_value(self)
        if found is None:
            if self._cell is None:
                # Only the shape and dtype matter until the scope ends.
                found = convert_to_tensor(self._initializer(self._shape, dtype=self._dtype), dtype=self._dtype)
            else:
                found = self._cell.get()
                if self._grad_slot is not None:
                    found = _rustdl.leaf(found, self._grad_slot)
        dtype = state.autocast_dtype
        if dtype is not None and self._autocast and dtype != self._dtype and is_float_dtype(self._dtype):
            return cast(found, dtype)  # type: ignore[no-any-return]
        return found  # type: ignore[no-any-return]

    def __rustdl_tensor__(self) -> Tensor:
        return self.value

    def numpy(self) -> Any:
        """The value as a numpy array of its own."""
        return np.array(self)

    def assign(self, value: Any) -> Tensor:
        """Replaces the value.

        Args:
            value: Anything that converts to a tensor of the variable's shape; it is cast to its dtype.

        Returns:
            The new value.

        Raises:
            ValueError: Another shape.
        """
        value = convert_to_tensor(value)
        if value.dtype != self._dtype:
            value = cast(value, self._dtype)
        if tuple(value.shape) != self._shape:
            raise ValueError(
                "The shape of the target variable and the shape of the target value in `variable.assign(value)` must "
                f"match. variable.shape={self._shape}, Received: value.shape={tuple(value.shape)}. "
                f"Target variable: {self._path}"
            )
        scope = state.stateless_scope
        if scope is not None:
            scope.add_update((self, value))
        elif self._cell is None:
            self._cell = _rustdl.Cell(value)
            self._initializer = None
        else:
            self._cell.set(value)
        return value  # type: ignore[no-any-return]

    def assign_add(self, value: Any) -> Tensor:
        """Adds to the value; returns the new one."""
        return self.assign(self._uncast() + _operand(value))

    def assign_sub(self, value: Any) -> Tensor:
        """Subtracts from the value; returns the new one."""
        return self.assign(self._uncast() - _operand(value))

    def _uncast(self) -> Any:
        """The value in the variable's own dtype, also inside an autocast scope."""
        saved, state.autocast_dtype = state.autocast_dtype, None
        try:
            return self.value
        finally:
            state.autocast_dtype = saved

    @property
    def dtype(self) -> str:
        """The dtype in which the value is read."""
        dtype = state.autocast_dtype
        if dtype is not None and self._autocast and is_float_dtype(self._dtype):
            return dtype
        return self._dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self._shape, dtype=np.int64))

    @property
    def name(self) -> str:
        """The name, without scopes."""
        return self._name

    @property
    def path(self) -> str:
        """The scopes and the name, joined by `/`, such as `"dense/kernel"`."""
        return self._path

    @property
    def trainable(self) -> bool:
        """Whether optimizers update it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded for `Tensor.backward()`, which adds to `grad`."""
        return self._grad_slot is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and not is_float_dtype(self._dtype):
            raise TypeError(f"Variable {self._path} of dtype {self._dtype} has no gradient")
        if value != self.requires_grad:
            self._grad_slot = _rustdl.GradSlot() if value else None

    @property
    def grad(self) -> Tensor | None:
        """The gradients that `Tensor.backward()` added up since they were last set to `None`."""
        return None if self._grad_slot is None else self._grad_slot.get()

    @grad.setter
    def grad(self, value: Any) -> None:
        if self._grad_slot is None:
            if value is None:
                return
            raise ValueError(f"Variable {self._path}: set `requires_grad = True` before giving it a gradient")
        self._grad_slot.set(None if value is None else convert_to_tensor(value, dtype=self._dtype))

    @property
    def aggregation(self) -> str:
        """How replicas would be merged."""
        return self._aggregation

    @property
    def synchronization(self) -> str | None:
        """When replicas would be merged."""
        return self._synchronization

    @property
    def overwrite_with_gradient(self) -> bool:
        """Whether the gradient is the new value, as for quantization scales."""
        return self._overwrite_with_gradient

    @overwrite_with_gradient.setter
    def overwrite_with_gradient(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"`overwrite_with_gradient` must be a boolean. Received: {value}")
        self._overwrite_with_gradient = value

    @property
    def regularizer(self) -> Any:
        """A callable from the value to a penalty, or `None`."""
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value: Any) -> None:
        if value is not None and not callable(value):
            raise ValueError(
                "Invalid value for attribute `regularizer`. Expected an instance of "
                "`keras.regularizers.Regularizer`, a callable "
                f"or `None`. Received: regularizer={value}"
            )
        self._regularizer = value

    @property
    def constraint(self) -> Any:
        """A callable applied to the value after each update, or `None`."""
        return self._constraint

    @constraint.setter
    def constraint(self, value: Any) -> None:
        if value is not None and not callable(value):
            raise ValueError(
                "Invalid value for attribute `constraint`. Expected an instance of "
                "`keras.constraints.Constraint`, a callable "
                f"or `None`. Received: constraint={value}"
            )
        self._constraint = value

    def __repr__(self) -> str:
        value = ""
        if self._cell is not None:
            value = f", value={self._cell.get().numpy()}"
        return f"<Variable path={self._path}, shape={self._shape}, dtype={self._dtype}{value}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        found = self.value.numpy()
        if dtype is not None and found.dtype != np.dtype(dtype):
            return found.astype(dtype)
        return np.array(found) if copy else found

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def _only_element(self) -> Any:
        if self.size != 1:
            raise TypeError(
                "Only scalar arrays can be converted to Python scalars. "
                f"Got: variable {self._path} of shape {self._shape}"
            )
        return self.value

    def __int__(self) -> int:
        return int(self._only_element())

    def __float__(self) -> float:
        return float(self._only_element())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise TypeError("A Keras Variable cannot be used as a boolean.")
        return bool(self.value)

    def __index__(self) -> int:
        return self.value.__index__()  # type: ignore[no-any-return]

    def __round__(self, ndigits: int | None = None) -> Any:
        from rustdl import ops

        return ops.round(self.value, decimals=ndigits or 0)

    def __neg__(self) -> Any:
        return -self.value

    def __pos__(self) -> Any:
        return self.value

    def __abs__(self) -> Any:
        return abs(self.value)

    def __invert__(self) -> Any:
        return ~self.value

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        copy = object.__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update(self.__dict__)
        if self._grad_slot is not None:
            copy._grad_slot = _rustdl.GradSlot()
        if self._cell is not None:
            copy._cell = _rustdl.Cell(self._cell.get())
        return copy

    def __getstate__(self) -> dict[str, Any]:
        attributes = dict(self.__dict__)
        cell = attributes.pop("_cell")
        attributes["_grad_slot"] = None
        attributes["_cell_value"] = None if cell is None else np.array(cell.get().numpy())
        return attributes

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        attributes = dict(attributes)
        value = attributes.pop("_cell_value")
        self.__dict__.update(attributes)
        self._cell = None if value is None else _rustdl.Cell(_rustdl.convert(value, self._dtype))


def _operand(x: Any) -> Any:
    return x.value if isinstance(x, Variable) else x


def _add_operators() -> None:
    import operator

    def forward(op: Any) -> Any:
        return lambda self, other: op(self.value, _operand(other))

    def reflected(op: Any) -> Any:
        return lambda self, other: op(_operand(other), self.value)

    def logical(name: str) -> Any:
        def call(self: Variable, other: Any) -> Any:
            from rustdl import ops

            return getattr(ops, name)(self.value, _operand(other))

        return call

    for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"):
        op = getattr(operator, name)
        setattr(Variable, f"__{name}__", forward(op))
        setattr(Variable, f"__r{name}__", reflected(op))
    for name in ("and", "or", "xor"):
        setattr(Variable, f"__{name}__", logical(f"logical_{name}"))
        setattr(Variable, f"__r{name}__", logical(f"logical_{name}"))
    for name in ("lt", "le", "gt", "ge", "ne", "eq"):
        setattr(Variable, f"__{name}__", forward(getattr(operator, name)))


_add_operators()


def _uninitialized() -> list[Variable]:
    found: list[Variable] = get_global_attribute("uninitialized_variables", [], set_to_default=True)
    return found


def register_uninitialized_variable(variable: Variable) -> None:
    """Remembers a variable whose value is made when the stateless scope ends."""
    _uninitialized().append(variable)


def initialize_all_variables() -> None:
    """Gives a value to the variables that were made inside a stateless scope."""
    pending = _uninitialized()
    variables, pending[:] = list(pending), []
    for variable in variables:
        if variable._cell is None:
            variable._deferred_initialize()
