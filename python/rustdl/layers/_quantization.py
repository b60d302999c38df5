"""Layers whose weight is kept as few-bit integers with scales: what `Dense`, `EinsumDense` and `Embedding` share.

A quantized layer computes with the weight that its integers stand for, `q / scale`, or `(q - zero) scale` in blocks.
Inputs that are quantized too are replaced by the values that their integers stand for. The results are those of integer
arithmetic up to the rounding of floats, and gradients pass to the inputs as if nothing had been rounded.
"""

from __future__ import annotations

import math
from typing import Any

from rustdl import ops, quantizers
from rustdl.dtype_policies.dtype_policy import QUANTIZATION_MODES
from rustdl.dtype_policies.quantized_policy import Int4DTypePolicy
from rustdl.layers._calibrated import CALIBRATED_MODES, Calibrated
from rustdl.layers._float8 import Float8Products
from rustdl.quantizers.quantization_config import Int4QuantizationConfig, QuantizationConfig, resolve_config


class Quantizable(Calibrated, Float8Products):
    """Mixin: `quantize` replaces the weight of the layer by integers and scales.

    The weight is the attribute `_lora_weight` (see `LowRankAdaptation`); `_shared_axes` says over which of its axes a
    scale is shared: those that a product sums over.
    """

    quantization_config: Any
    _lora_weight: str
    lora_enabled: bool
    # The kinds of quantization that the class has.
    _modes: tuple[str, ...] = ("int8", "int4")
    # Whether 4-bit weights are stored with the axes that share a scale last, as Keras does for tables.
    _rows_last = False

    def _init_quantization(self, config: Any) -> None:
        """Checks and keeps the constructor's argument."""
        if isinstance(config, dict):
            config = quantizers.deserialize(config)
        if config is not None and not isinstance(config, QuantizationConfig):
            raise ValueError(
                f"{type(self).__name__}: `quantization_config` must be a `QuantizationConfig`. Received: {config}"
            )
        self.quantization_config = config

    def _quantization_config(self) -> Any:
        """The entry of the layer's configuration."""
        return None if self.quantization_config is None else quantizers.serialize(self.quantization_config)

    def _shared_axes(self) -> tuple[int, ...]:
        """The axes of the weight that a product sums over."""
        raise NotImplementedError

    @property
    def _weight_name(self) -> str:
        return self._lora_weight.lstrip("_")

    @property
    def is_quantized(self) -> bool:
        """Whether the weight is kept as integers."""
        return self.__dict__.get("_stored_shape") is not None

    # --- the variables ---

    def _block_size(self) -> int | None:
        """Inputs that share a scale in `int4`; `None` for all of them."""
        layer: Any = self
        policy = layer._effective_policy()
        size = None
        if isinstance(self.quantization_config, Int4QuantizationConfig):
            size = self.quantization_config.block_size
        elif isinstance(policy, Int4DTypePolicy):
            size = policy.block_size
        return None if size in (None, -1) else size

    def quantized_build(self, input_shape: Any, mode: str, config: Any = None) -> None:
        """Makes the integer weight and its scales.

        Args:
            input_shape: The shape of the float weight.
            mode: `"int8"`, `"int4"`, or for `Dense` and `EinsumDense` `"float8"`, `"gptq"` or `"awq"`.
            config: How; see `quantize`.
        """
        layer: Any = self
        self._check_mode(mode)
        if mode == "float8":
            unlocked = layer._tracker.locked
            layer._tracker.unlock()
            self._float8_build()
            if unlocked:
                layer._tracker.lock()
            return
        if mode in CALIBRATED_MODES:
            self._stored_shape, self._stored_mode, self._stored_block = tuple(input_shape), mode, None
            unlocked = layer._tracker.locked
            layer._tracker.unlock()
            self._calibrated_build(config)
            if unlocked:
                layer._tracker.lock()
            return
        if config is not None:
            self.quantization_config = config
        shape = tuple(input_shape)
        shared = tuple(a % len(shape) for a in self._shared_axes())
        rows = math.prod(shape[a] for a in shared)
        columns = math.prod(shape) // max(rows, 1)
        block = self._block_size() if mode == "int4" else None
        self._stored_shape, self._stored_mode, self._stored_block = shape, mode, block
        name = self._weight_name

        def add(suffix: str, shape: Any, dtype: str | None, initializer: str) -> Any:
            return layer.add_weight(
                name=f"{name}{suffix}",
                shape=shape,
                dtype=dtype,
                initializer=initializer,
                trainable=False,
                autocast=False,
            )

        unlocked = layer._tracker.locked
        layer._tracker.unlock()
        order = -1 if self._rows_last else 1
        stored = shape
        if mode == "int4":
            first, last = (rows, columns)[::order]
            stored = (first, (last + 1) // 2)
        setattr(self, self._lora_weight, add("", stored, "int8", "zeros"))
        groups = (columns,) if mode == "int4" else self._scale_shape()
        if block is not None:
            groups = (math.ceil(rows / block), columns)[::order]
        setattr(self, f"{name}_scale", add("_scale", groups, None, "ones"))
        if block is not None:
            setattr(self, f"{name}_zero", add("_zero", groups, "int8", "zeros"))
            self.g_idx = layer.add_weight(
                name="g_idx", shape=(rows,), dtype="float32", initializer="zeros", trainable=False, autocast=False
            )
            self.g_idx.assign([row // block for row in range(rows)])
        if unlocked:
            layer._tracker.lock()

    def _check_mode(self, mode: str) -> None:
        if mode not in self._modes:
            known = "" if mode in QUANTIZATION_MODES else "Invalid quantization mode. "
            raise NotImplementedError(
                f"{known}{type(self).__name__}: quantization mode '{mode}' is not available; use 'int8' or 'int4'."
            )

    def _stored_variables(self) -> list[Any]:
        """The integer weight first, then scales and zero points, in the order of a file."""
        if self._stored_mode in CALIBRATED_MODES:
            return self._calibrated_variables()
        name = self._weight_name
        found = [getattr(self, f"{name}_scale"), getattr(self, f"{name}_zero", None), self.__dict__.get("g_idx")]
        return [v for v in found if v is not None]

    # --- from floats to integers and back ---

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Replaces the float weight by integers and scales. The bias stays as it is.

        Args:
            mode: `"int8"`, or `"int4"` (two in a byte). `Dense` and `EinsumDense` have three more. `"gptq"` and `"awq"`
                make the variables only: the layer keeps computing with floats until `Model.quantize` has shown it data.
                `"float8"` is for training: inputs, weight and gradients are rounded to 8-bit floats, the weight stays.
            type_check: Whether subclasses are refused, whose `call` may use the weight in other ways.
            config: An `Int8QuantizationConfig`, `Int4QuantizationConfig`, `GPTQConfig` or `AWQConfig`; by default the
                mode's or the layer's own.

        Raises:
            NotImplementedError: A subclass, or another mode.
            ValueError: The layer is not built, or quantized already, or the arguments contradict each other.
        """
        layer: Any = self
        if type_check and not layer._quantizes_as_itself():
            raise layer._not_implemented_error("quantize")
        if config is None and (mode is None or getattr(self.quantization_config, "mode", None) == mode):
            config = self.quantization_config
        if config is None and mode == "int4" and isinstance(layer._effective_policy(), Int4DTypePolicy):
            config = Int4QuantizationConfig(block_size=self._block_size())
        config = resolve_config(mode, config)
        if not layer.built:
            raise ValueError(f"Cannot quantize a layer that isn't yet built. Layer '{layer.name}' is not built.")
        if self.is_quantized or self._float8:
            raise ValueError(
                f"Layer '{layer.name}' is already quantized with dtype_policy='{layer.dtype_policy.name}'. "
                f"Received: mode={config.mode}"
            )
        self._check_mode(config.mode)
        if config.mode in ("float8", *CALIBRATED_MODES):
            if self.lora_enabled:
                raise NotImplementedError(
                    f"Layer '{layer.name}': mode '{config.mode}' doesn't go with a low-rank adaptation; merge it into "
                    "the weight first, by saving the layer and reading it into one without."
                )
            # The float weight stays: for good, or until `Model.quantize` has shown data to the layer.
            self.quantized_build(getattr(self, self._lora_weight).shape, config.mode, config)
            self._set_quantized_policy(config)
            return
        # A low-rank adaptation stays beside the integers, and goes on being trained.
        weight = ops.convert_to_tensor(getattr(self, self._lora_weight))
        layer._untrack_variable(getattr(self, self._lora_weight))
        self.quantized_build(weight.shape, config.mode, config)
        self._store(weight)
        self._set_quantized_policy(config)

    def _quantizes_as_itself(self) -> bool:
        """Whether the class is one that defines what it does with its weight."""
        return type(self).__module__.startswith("rustdl.layers.")

    def _set_quantized_policy(self, config: Any) -> None:
        layer: Any = self
        policy = layer._effective_policy()
        if isinstance(policy, Int4DTypePolicy) or (policy.quantization_mode is not None and config.mode != "int4"):
            return
        mode = config.mode
        if mode == "int4":
            mode = f"int4/{self._stored_block or -1}"
        elif mode in CALIBRATED_MODES:
            mode = config.dtype_policy_string()
        layer.dtype_policy = f"{mode}_from_{getattr(policy, '_source_name', policy.name)}"

    def _as_matrix(self, weight: Any) -> Any:
        """The weight with the shared axes as rows and the others as columns."""
        shape = self._stored_shape
        shared = [a % len(shape) for a in self._shared_axes()]
        kept = [a for a in range(len(shape)) if a not in shared]
        rows = math.prod(shape[a] for a in shared)
        return ops.reshape(ops.transpose(weight, [*shared, *kept]), (rows, -1))

    def _from_matrix(self, matrix: Any) -> Any:
        """The inverse of `_as_matrix`."""
        shape = self._stored_shape
        shared = [a % len(shape) for a in self._shared_axes()]
        order = [*shared, *(a for a in range(len(shape)) if a not in shared)]
        turned = ops.reshape(matrix, [shape[a] for a in order])
        return ops.transpose(turned, [order.index(a) for a in range(len(shape))])

    def _quantized_values(self, weight: Any) -> list[Any]:
        """The values of the variables that stand for a float weight: integers, scales, zero points."""
        if self._stored_block is not None:
            q, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(
                self._as_matrix(weight), self._stored_block
            )
            return [self._packed(q), self._turned(scale), self._turned(zero), self.g_idx]
        q, scale = self._weight_quantizer()(weight, axis=self._shared_axes())
        if self._stored_mode == "int4":
            return [self._packed(self._as_matrix(q)), ops.reshape(scale, (-1,))]
        return [q, self._scale_stored(scale)]

    def _weight_quantizer(self) -> Any:
        """What makes integers of a weight without blocks."""
        default = quantizers.AbsMaxQuantizer(value_range=(-127, 127) if self._stored_mode == "int8" else (-8, 7))
        return QuantizationConfig.weight_quantizer_or_default(self.quantization_config, default)

    def _store(self, weight: Any) -> None:
        """Quantizes a float weight into the variables."""
        variables = [getattr(self, self._lora_weight), *self._stored_variables()]
        for variable, value in zip(variables, self._quantized_values(weight), strict=True):
            variable.assign(value)

    def _integers(self) -> Any:
        """The quantized weight in the shape of the float one."""
        stored = getattr(self, self._lora_weight)
        if self._stored_mode == "int8":
            return stored
        shape = self._stored_shape
        rows = math.prod(shape[a] for a in self._shared_axes())
        last = rows if self._rows_last else math.prod(shape) // max(rows, 1)
        return self._from_matrix(self._turned(quantizers.unpack_int4(stored, last, axis=-1)))

    def _packed(self, matrix: Any) -> Any:
        """4-bit integers as they are stored, two in a byte."""
        return quantizers.pack_int4(self._turned(matrix), axis=-1)[0]

    def _scale_shape(self) -> tuple[int, ...]:
        """The shape in which scales of `int8` are stored."""
        shared = {a % len(self._stored_shape) for a in self._shared_axes()}
        return tuple(d for a, d in enumerate(self._stored_shape) if a not in shared)

    def _scale_stored(self, scale: Any) -> Any:
        """Scales of `int8` as they are stored, from those with the axes of the weight."""
        return ops.reshape(scale, self._scale_shape())

    def _scale_of_weight(self, scale: Any) -> Any:
        """The inverse of `_scale_stored`."""
        shared = {a % len(self._stored_shape) for a in self._shared_axes()}
        return ops.reshape(scale, [1 if a in shared else d for a, d in enumerate(self._stored_shape)])

    def _turned(self, matrix: Any) -> Any:
        """A matrix of rows that share scales as it is stored, or the other way round."""
        return ops.transpose(matrix) if self._rows_last else matrix

    def _dequantized(self) -> Any:
        """The float weight that the integers stand for, in the compute dtype."""
        layer: Any = self
        if self._stored_mode in CALIBRATED_MODES:
            weight = self.__dict__.get(self._lora_weight)
            return self._dequantized_calibrated() if self._is_calibrated or weight is None else weight
        dtype, name = layer.compute_dtype, self._weight_name
        q, scale = ops.cast(self._integers(), dtype), ops.cast(getattr(self, f"{name}_scale"), dtype)
        if self._stored_block is None:
            if self._stored_mode == "int8":
                return q / self._scale_of_weight(scale)
            return self._from_matrix(self._as_matrix(q) / scale)
        group = ops.cast(self.g_idx, "int32")
        zero = ops.cast(ops.take(self._turned(getattr(self, f"{name}_zero")), group, axis=0), dtype)
        return self._from_matrix((self._as_matrix(q) - zero) * ops.take(self._turned(scale), group, axis=0))

    @property
    def inputs_quantizer(self) -> Any:
        """What makes integers of the inputs; `None` where only the weight is quantized."""
        if not self.is_quantized:
            raise AttributeError(f"`{type(self).__name__}` has an `inputs_quantizer` once it is quantized")
        default = quantizers.AbsMaxQuantizer() if self._stored_mode == "int8" else None
        return QuantizationConfig.activation_quantizer_or_default(self.quantization_config, default)

    def _quantized_input(self, x: Any, axes: tuple[int, ...]) -> Any:
        """What the integers of the input stand for; the input itself where it has no quantizer.

        Args:
            x: Float tensor.
            axes: Its axes that the product sums over.
        """
        if self._observer is not None:
            self._observer.update(self._samples(x))
        quantizer = self.inputs_quantizer
        if quantizer is None:
            return x

        def rounded(x: Any) -> Any:
            q, scale = quantizer(x, axis=axes)

            def gradient(*args: Any, upstream: Any = None) -> Any:
                return args[0] if upstream is None else upstream

            return ops.cast(q, x.dtype) / scale, gradient

        return ops.custom_gradient(rounded)(x)
