"""Quantizers: few-bit integers with scales in place of floats, and what says how layers are quantized."""

from rustdl._lazy import attach

_QUANTIZER = "rustdl.quantizers.quantizer"
_CONFIG = "rustdl.quantizers.quantization_config"
_FLOAT8 = "rustdl.quantizers.float8"
_PACKING = "rustdl.quantizers.packing"
_SERIALIZATION = "rustdl.quantizers.serialization"

_EXPORTS = {
    "AWQConfig": "rustdl.quantizers.calibration_config",
    "AbsMaxQuantizer": _QUANTIZER,
    "Float8QuantizationConfig": _CONFIG,
    "GPTQConfig": "rustdl.quantizers.calibration_config",
    "Int4QuantizationConfig": _CONFIG,
    "Int8QuantizationConfig": _CONFIG,
    "QuantizationConfig": _CONFIG,
    "Quantizer": _QUANTIZER,
    "abs_max_quantize": _QUANTIZER,
    "abs_max_quantize_grouped_with_zero_point": _QUANTIZER,
    "compute_float8_amax_history": _FLOAT8,
    "compute_float8_scale": _FLOAT8,
    "deserialize": _SERIALIZATION,
    "fake_quant_with_min_max_vars": "rustdl.quantizers.fake_quantization",
    "get": _SERIALIZATION,
    "pack_int4": _PACKING,
    "quantize_and_dequantize": _FLOAT8,
    "serialize": _SERIALIZATION,
    "unpack_int4": _PACKING,
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
