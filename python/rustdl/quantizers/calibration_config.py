"""Quantization that looks at data first: the configurations of GPTQ and AWQ."""

from __future__ import annotations

from typing import Any, ClassVar

from rustdl.quantizers.quantization_config import QuantizationConfig


class _CalibrationConfig(QuantizationConfig):
    """What GPTQ and AWQ share: the data, and how many weights share a scale."""

    kind: ClassVar[str]
    supported_bits: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        weight_bits: int,
        num_samples: int,
        sequence_length: int,
        group_size: int,
        quantization_layer_structure: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        if weight_bits not in self.supported_bits:
            self._refuse_bits(weight_bits)
        for name, value in (("num_samples", num_samples), ("sequence_length", sequence_length)):
            if value <= 0:
                raise ValueError(f"{name} must be a positive integer. Received: {name}={value}")
        if group_size < -1 or group_size == 0:
            raise ValueError(
                f"Invalid group_size. Supported values are -1 (one group) or a positive integer, but got {group_size}."
            )
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.weight_bits = weight_bits
        self.num_samples = num_samples
        self.sequence_length = sequence_length
        self.group_size = group_size
        self.quantization_layer_structure = quantization_layer_structure

    def _refuse_bits(self, weight_bits: int) -> None:
        raise ValueError(f"Unsupported weight_bits {weight_bits}. Supported values are {self.supported_bits}.")

    @property
    def mode(self) -> str:
        """The kind of quantization."""
        return self.kind

    def dtype_policy_string(self) -> str:
        """The mode of the dtype policy of a layer quantized so, such as `"gptq/4/128"`."""
        return f"{self.kind}/{self.weight_bits}/{self.group_size}"

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, without the data: it is needed once only."""
        return {
            "dataset": None,
            "tokenizer": None,
            "weight_bits": self.weight_bits,
            "num_samples": self.num_samples,
            "sequence_length": self.sequence_length,
            "group_size": self.group_size,
            "quantization_layer_structure": self.quantization_layer_structure,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A configuration object from `get_config`'s result."""
        return cls(**config)


class GPTQConfig(_CalibrationConfig):
    """Weights rounded one after the other, each making up for the errors before it (GPTQ, Frantar et al. 2022).

    Args:
        dataset: Texts or token arrays, from which the statistics of inputs are taken.
        tokenizer: Turns texts into tokens.
        weight_bits: 2, 3, 4 or 8.
        num_samples: How many sequences are taken.
        per_channel: Whether outputs have scales of their own.
        sequence_length: Tokens of a sequence.
        hessian_damping: The fraction of the mean curvature that is added to it, from 0 to 1.
        group_size: So many inputs share a scale; -1 for all.
        symmetric: Whether the range is symmetric around 0.
        activation_order: Whether weights of the largest inputs come first.
        quantization_layer_structure: Which layers are quantized, block by block.
    """

    kind = "gptq"
    supported_bits = (2, 3, 4, 8)

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        per_channel: bool = True,
        sequence_length: int = 512,
        hessian_damping: float = 0.01,
        group_size: int = 128,
        symmetric: bool = False,
        activation_order: bool = False,
        quantization_layer_structure: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            dataset, tokenizer, weight_bits, num_samples, sequence_length, group_size, quantization_layer_structure
        )
        if not 0 <= hessian_damping <= 1:
            raise ValueError(f"hessian_damping must be between 0 and 1. Received: hessian_damping={hessian_damping}")
        self.per_channel = per_channel
        self.hessian_damping = hessian_damping
        self.symmetric = symmetric
        self.activation_order = activation_order

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, without the data."""
        return {
            **super().get_config(),
            "per_channel": self.per_channel,
            "hessian_damping": self.hessian_damping,
            "symmetric": self.symmetric,
            "activation_order": self.activation_order,
        }


class AWQConfig(_CalibrationConfig):
    """Weights of large inputs are spread over more of the 4-bit values (AWQ, Lin et al. 2023).

    Args:
        dataset: Texts or token arrays, from which the statistics of inputs are taken.
        tokenizer: Turns texts into tokens.
        weight_bits: 4.
        num_samples: How many sequences are taken.
        sequence_length: Tokens of a sequence.
        group_size: So many inputs share a scale; -1 for all.
        num_grid_points: How many strengths of the scaling are tried.
        quantization_layer_structure: Which layers are quantized, block by block.
    """

    kind = "awq"
    supported_bits = (4,)

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        sequence_length: int = 512,
        group_size: int = 128,
        num_grid_points: int = 20,
        quantization_layer_structure: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            dataset, tokenizer, weight_bits, num_samples, sequence_length, group_size, quantization_layer_structure
        )
        if num_grid_points <= 0:
            raise ValueError(f"num_grid_points must be a positive integer. Received: {num_grid_points}")
        self.num_grid_points = num_grid_points

    def _refuse_bits(self, weight_bits: int) -> None:
        raise ValueError(f"AWQ only supports 4-bit quantization. Received weight_bits={weight_bits}.")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, without the data."""
        return {**super().get_config(), "num_grid_points": self.num_grid_points}
