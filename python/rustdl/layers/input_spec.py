"""`InputSpec`: what a layer expects of an input, and the check."""

from __future__ import annotations

from typing import Any

from rustdl import tree
from rustdl.backend.keras_tensor import standardize_shape


class InputSpec:
    """Expected rank, shape, dtype or sizes of one input of a layer.

    Args:
        dtype: Expected dtype.
        shape: Expected shape, `None` where any size goes.
        ndim: Expected rank.
        max_ndim: Greatest rank.
        min_ndim: Least rank.
        axes: Axis -> expected size.
        allow_last_axis_squeeze: Whether a last axis of size 1 may be missing or too many.
        name: The key of the input in a dictionary.
        optional: Whether `None` may be passed.

    Example:
        >>> InputSpec(ndim=2, axes={-1: 3})
        InputSpec(ndim=2, axes={-1: 3})
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        from rustdl.backend.dtypes import standardize_dtype

        self.dtype = standardize_dtype(dtype) if dtype is not None else None
        if shape is not None:
            self.shape: Any = standardize_shape(shape)
            self.ndim: int | None = len(self.shape)
        else:
            self.shape = None
            self.ndim = ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.name = name
        self.optional = optional
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(k): axes[k] for k in axes} if axes else {}
        except (ValueError, TypeError):
            raise TypeError(f"Argument `axes` must be a dict with integer keys. Received: axes={axes}") from None
        if self.axes and (self.ndim is not None or self.max_ndim is not None):
            rank = self.ndim if self.ndim is not None else self.max_ndim
            assert rank is not None
            highest = max(self.axes)
            if highest > rank - 1:
                raise ValueError(f"Axis {highest} is greater than the maximum allowed value: {rank - 1}")

    def __repr__(self) -> str:
        parts = [
            f"{key}={value}"
            for key, value in (
                ("dtype", self.dtype),
                ("shape", self.shape),
                ("ndim", self.ndim),
                ("max_ndim", self.max_ndim),
                ("min_ndim", self.min_ndim),
                ("axes", self.axes),
            )
            if value
        ]
        return f"InputSpec({', '.join(parts)})"

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "dtype": self.dtype,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
            "optional": self.optional,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """A specification from `get_config`'s result."""
        return cls(**config)


def _squeezed(shape: tuple[Any, ...], spec: InputSpec) -> tuple[tuple[Any, ...], Any]:
    """Shape and expected shape after the allowance for a last axis of size 1."""
    expected = spec.shape
    if spec.allow_last_axis_squeeze and expected is not None and len(expected) != len(shape):
        if shape and shape[-1] == 1:
            shape = shape[:-1]
        if expected and expected[-1] == 1:
            expected = expected[:-1]
    return shape, expected


def _check_one(x: Any, spec: InputSpec, layer_name: str, index: int = 0) -> None:
    shape = tuple(x.shape)
    where = f"Input {index} with name '{spec.name}' of layer '{layer_name}' is incompatible with the layer: "
    if spec.ndim is not None and not spec.allow_last_axis_squeeze and len(shape) != spec.ndim:
        raise ValueError(f"{where}expected ndim={spec.ndim}, found ndim={len(shape)}. Full shape received: {shape}")
    if spec.max_ndim is not None and len(shape) > spec.max_ndim:
        raise ValueError(f"{where}expected max_ndim={spec.max_ndim}, found ndim={len(shape)}")
    if spec.min_ndim is not None and len(shape) < spec.min_ndim:
        raise ValueError(
            f"{where}expected min_ndim={spec.min_ndim}, found ndim={len(shape)}. Full shape received: {shape}"
        )
    if spec.dtype is not None and str(x.dtype) != spec.dtype:
        raise ValueError(f"{where}expected dtype={spec.dtype}, found dtype={x.dtype}")
    for axis, size in spec.axes.items():
        if size is not None and shape[axis] not in (size, None):
            raise ValueError(
                f"{where}expected axis {axis} of input shape to have value {size}, but received input with "
                f"shape {shape}"
            )
    if spec.shape is not None:
        found, expected = _squeezed(shape, spec)
        for size, wanted in zip(found, expected, strict=False):
            if wanted is not None and size is not None and size != wanted:
                raise ValueError(f"{where}expected shape={expected}, found shape={found}")


def assert_input_compatibility(input_spec: Any, inputs: Any, layer_name: str) -> None:
    """Checks inputs against specifications of the same structure.

    Raises:
        ValueError: An input that does not fit.
    """
    if not input_spec:
        return
    if type(input_spec) is InputSpec and hasattr(inputs, "shape"):
        _check_one(inputs, input_spec, layer_name)
        return
    specs = tree.flatten(input_spec)
    if isinstance(inputs, dict) and all(spec is not None and spec.name is not None for spec in specs):
        values = []
        for spec in specs:
            if spec.name not in inputs and not spec.optional:
                raise ValueError(
                    f'Missing data for input "{spec.name}". You passed a data dictionary with keys {list(inputs)}. '
                    f"Expected the following keys: {[s.name for s in specs]}"
                )
            values.append(inputs.get(spec.name))
    else:
        values = tree.flatten(inputs)
    if len(values) != len(specs):
        names = [spec.name for spec in specs if spec is not None]
        if names and all(name is not None for name in names):
            example = ", ".join(f"'{name}': ..." for name in names)
            raise ValueError(
                f'Layer "{layer_name}" expects {len(specs)} named input(s) with keys {names}, but it received '
                f"{len(values)} input tensors. Pass inputs as a dict, e.g. `layer({{{example}}})`."
            )
        raise ValueError(
            f'Layer "{layer_name}" expects {len(specs)} input(s), but it received {len(values)} input tensors. '
            f"Inputs received: {inputs}"
        )
    for index, (x, spec) in enumerate(zip(values, specs, strict=True)):
        if spec is None or (x is None and spec.optional):
            continue
        if x is None:
            raise ValueError(
                f"Input {index} with name '{spec.name}' of layer '{layer_name}' is None, but this input is "
                "not optional."
            )
        if not hasattr(x, "shape"):
            raise ValueError(
                f"Inputs to a layer should be tensors. Got '{x}' (of type {type(x)}) as input for layer '{layer_name}'."
            )
        _check_one(x, spec, layer_name, index)
