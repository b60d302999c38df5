"""Layers whose weight is rounded by GPTQ or AWQ: the variables, and what they stand for.

The integers lie transposed, `(outputs, inputs)`, of 4 bits two in a byte along the outputs, as in Keras' files. Until
the layer has seen data it goes on computing with its float weight.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustdl import ops, quantizers

CALIBRATED_MODES = ("gptq", "awq")


class Calibrated:
    """Mixin of `Quantizable`: the modes `"gptq"` and `"awq"`, which look at the layer's inputs first."""

    is_gptq_calibrated = False
    is_awq_calibrated = False
    quantization_config: Any
    quantized_kernel: Any
    kernel_scale: Any
    kernel_zero: Any
    awq_scales: Any
    g_idx: Any
    # What watches the inputs while data runs through the model: it has the methods `update` and `quantize`.
    _observer: Any = None
    _stored_mode: str
    _stored_shape: tuple[int, ...]
    _lora_weight: str

    @property
    def _is_calibrated(self) -> bool:
        return self.is_gptq_calibrated or self.is_awq_calibrated

    def _matrix_shape(self) -> tuple[int, int]:
        """Inputs and outputs of the weight seen as a matrix."""
        layer: Any = self
        rows = math.prod(self._stored_shape[a] for a in layer._shared_axes())
        return rows, math.prod(self._stored_shape) // max(rows, 1)

    def _calibrated_build(self, config: Any) -> None:
        """Makes the variables.

        Args:
            config: A `GPTQConfig` or `AWQConfig`; else the policy says how.
        """
        layer: Any = self
        if config is not None:
            # Without the data, which would be kept alive, and which no file can hold.
            bare = {**config.get_config(), "quantization_layer_structure": None}
            self.quantization_config = type(config).from_config(bare)
        source = self._calibration_source()
        rows, columns = self._matrix_shape()
        groups = 1 if source.group_size == -1 else math.ceil(rows / source.group_size)
        stored = (columns + 1) // 2 if source.weight_bits == 4 else columns
        variables = [
            ("quantized_kernel", (stored, rows), "uint8", "zeros"),
            ("kernel_scale", (columns, groups), None, "ones"),
            ("kernel_zero", (columns, groups), "uint8", "zeros"),
            *([("awq_scales", (rows,), None, "ones")] if self._stored_mode == "awq" else []),
            ("g_idx", (rows,), "float32", "zeros"),
        ]
        for name, shape, dtype, initializer in variables:
            variable = layer.add_weight(
                name=name, shape=shape, dtype=dtype, initializer=initializer, trainable=False, autocast=False
            )
            setattr(self, name, variable)

    def _calibration_source(self) -> Any:
        """What says how many bits and which groups: the configuration, or the policy of a layer read from a file."""
        layer: Any = self
        config = self.quantization_config
        return config if getattr(config, "mode", None) == self._stored_mode else layer._effective_policy()

    def _calibrated_variables(self) -> list[Any]:
        """All variables in the order of a file."""
        factors = [self.awq_scales] if self._stored_mode == "awq" else []
        return [self.quantized_kernel, self.kernel_scale, self.kernel_zero, *factors, self.g_idx]

    def _samples(self, x: Any) -> np.ndarray:
        """Inputs of the layer as rows that the weight's matrix is multiplied with."""
        return np.asarray(ops.reshape(x, (-1, self._matrix_shape()[0])))

    def _calibrate(self, config: Any) -> None:
        """Replaces the float weight by integers that fit the inputs which the observer saw."""
        layer: Any = self
        weight = getattr(self, self._lora_weight)
        matrix = np.asarray(layer._as_matrix(ops.cast(weight, "float32")))
        found = self._observer.quantize(matrix, config)
        integers = ops.cast(found.integers.T, "uint8")
        if config.weight_bits == 4:
            integers = quantizers.pack_int4(integers, axis=0, dtype="uint8")[0]
        factors = [] if found.factors is None else [found.factors]
        for variable, value in zip(
            self._calibrated_variables(),
            [integers, found.scale.T, found.zero.T, *factors, found.groups],
            strict=True,
        ):
            variable.assign(ops.cast(value, variable.dtype))
        self._set_calibrated()

    def _set_calibrated(self) -> None:
        """From now on the integers count; the float weight is forgotten."""
        layer: Any = self
        setattr(self, f"is_{self._stored_mode}_calibrated", True)
        weight = self.__dict__.get(self._lora_weight)
        if weight is not None:
            layer._untrack_variable(weight)
            setattr(self, self._lora_weight, None)

    def _dequantized_calibrated(self) -> Any:
        """The float weight that the integers stand for, in the compute dtype."""
        layer: Any = self
        dtype = layer.compute_dtype
        q = self.quantized_kernel
        if self._calibration_source().weight_bits == 4:
            q = quantizers.unpack_int4(q, self._matrix_shape()[1], axis=0, dtype="uint8")
        group = ops.cast(self.g_idx, "int32")
        scale, zero = (ops.take(ops.cast(v, dtype), group, axis=1) for v in (self.kernel_scale, self.kernel_zero))
        matrix = ops.transpose((ops.cast(q, dtype) - zero) * scale)
        if self._stored_mode == "awq":
            matrix = matrix / ops.expand_dims(ops.cast(self.awq_scales, dtype), 1)
        return layer._from_matrix(matrix)
