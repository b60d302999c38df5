"""What layers with weights share: initializer, regularizer and constraint arguments, and low-rank adaptation."""

from __future__ import annotations

from typing import Any

from rustdl import backend, constraints, initializers, ops, regularizers
from rustdl.layers._calibrated import CALIBRATED_MODES
from rustdl.layers._quantization import Quantizable

_FAMILIES: dict[str, Any] = {
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}


def set_weight_arguments(layer: Any, **arguments: Any) -> None:
    """Sets e.g. `layer.kernel_initializer` from a name, config or instance.

    Args:
        layer: the layer.
        **arguments: values by attribute name; the part after the last `_` says the kind.
    """
    for name, value in arguments.items():
        setattr(layer, name, _FAMILIES[name.rpartition("_")[2]].get(value))


def weight_config(layer: Any, *kinds: str) -> dict[str, Any]:
    """The config entries of the initializers, regularizers and constraints of weights, and of the activity.

    Args:
        layer: the layer.
        *kinds: names of weights, such as `"kernel"`.
    """
    config = {}
    for family, module in _FAMILIES.items():
        for kind in kinds:
            name = f"{kind}_{family}"
            config[name] = module.serialize(getattr(layer, name))
    config["activity_regularizer"] = regularizers.serialize(layer.activity_regularizer)
    return config


def add_weight(layer: Any, name: str, shape: Any, kind: str | None = None, initializer: Any = None) -> Any:
    """Makes a trainable weight with the layer's arguments for it.

    Args:
        layer: the layer.
        name: name of the weight.
        shape: its shape.
        kind: prefix of the arguments' names, default `name`.
        initializer: used in place of the layer's.
    """
    kind = kind or name
    return layer.add_weight(
        name=name,
        shape=tuple(shape),
        initializer=initializer or getattr(layer, f"{kind}_initializer"),
        regularizer=getattr(layer, f"{kind}_regularizer"),
        constraint=getattr(layer, f"{kind}_constraint"),
        trainable=True,
    )


class LowRankAdaptation(Quantizable):
    """Mixin: `enable_lora` freezes a weight W and learns `W + alpha / rank * A B` (Hu et al., 2021).

    A layer sets `_lora_weight` to the name of the attribute that holds W, and `_lora_prefix` to the name of A and B.
    """

    _lora_weight = "_kernel"
    _lora_prefix = "lora_kernel"
    lora_rank: int | None
    lora_alpha: float | None
    lora_enabled: bool

    def _init_lora(self, rank: int | None, alpha: float | None) -> None:
        self.lora_rank = rank
        self.lora_alpha = alpha if alpha is not None else rank
        self.lora_enabled = False

    def _lora_merged(self) -> Any:
        """The weight in use: W, or W with the low-rank term."""
        layer: Any = self
        if not layer.built:
            name = self._lora_weight.lstrip("_")
            raise AttributeError(f"You must build the layer before accessing `{name}`.")
        weight = self._dequantized() if self.is_quantized else getattr(self, self._lora_weight)
        if not self.lora_enabled or self.lora_rank is None or self.lora_alpha is None:
            return weight
        a, b = getattr(self, f"{self._lora_prefix}_a"), getattr(self, f"{self._lora_prefix}_b")
        return ops.cast(weight + (self.lora_alpha / self.lora_rank) * ops.matmul(a, b), layer.compute_dtype)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the layer's weight and adds two trainable factors of it.

        Args:
            rank: inner size of the factors.
            lora_alpha: scale times `rank`, default `rank`.
            a_initializer: initializer of the first factor.
            b_initializer: initializer of the second; zeros leave the layer's output as it was.

        Raises:
            ValueError: the layer is not built, or has a constraint, or has factors already.
        """
        layer: Any = self
        kind = self._lora_weight.lstrip("_")
        if getattr(self, f"{kind}_constraint"):
            what = "kernel" if kind == "kernel" else "embedding"
            raise ValueError(
                f"Lora is incompatible with {what} constraints. In order to enable lora on this layer, remove the "
                f"`{kind}_constraint` argument."
            )
        if not layer.built:
            raise ValueError("Cannot enable lora on a layer that isn't yet built.")
        if self._float8 or (self.is_quantized and self._stored_mode in CALIBRATED_MODES):
            raise NotImplementedError(
                f"Layer '{layer.name}': a low-rank adaptation doesn't go with mode '{layer.quantization_mode}'; use "
                "'int8' or 'int4'."
            )
        if self.lora_enabled:
            raise ValueError("lora is already enabled. This can only be done once per layer.")
        weight = getattr(self, self._lora_weight)
        sizes = self._stored_shape if self.is_quantized else weight.shape
        layer._tracker.unlock()
        for suffix, shape, initializer in (
            ("a", (*sizes[:-1], rank), a_initializer),
            ("b", (rank, sizes[-1]), b_initializer),
        ):
            factor = layer.add_weight(
                name=f"{self._lora_prefix}_{suffix}",
                shape=shape,
                initializer=initializers.get(initializer),
                regularizer=getattr(self, f"{kind}_regularizer"),
            )
            setattr(self, f"{self._lora_prefix}_{suffix}", factor)
        if weight.trainable:
            weight.trainable = False
        layer._tracker.lock()
        self.lora_enabled = True
        self.lora_rank = rank
        self.lora_alpha = lora_alpha if lora_alpha is not None else rank

    def _lora_config(self) -> dict[str, Any]:
        if not self.lora_rank:
            return {}
        return {"lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha}

    def _saved_variables(self) -> list[Any]:
        """What goes into a file: the merged weight, then the layer's other variables."""
        layer: Any = self
        others = [getattr(layer, name, None) for name in ("bias",)]
        if self.is_quantized:
            others += self._stored_variables()
            if self._stored_mode in CALIBRATED_MODES:
                return [v for v in others if v is not None]
        return [getattr(self, self._lora_weight), *(v for v in others if v is not None)]

    def save_own_variables(self, store: Any) -> None:
        """Writes the variables, the low-rank term merged into its weight."""
        base: Any = super()
        if not self.lora_enabled and not self.is_quantized:
            base.save_own_variables(store)
            return
        if self.is_quantized and self._stored_mode in CALIBRATED_MODES and not self._is_calibrated:
            layer: Any = self
            raise ValueError(
                f"Layer '{layer.name}' has been prepared for mode '{self._stored_mode}', but has seen no data: its "
                "integers mean nothing yet. Use `Model.quantize` with a data set and a structure."
            )
        values: dict[int, Any] = {}
        if self.lora_enabled:
            merged = [self._lora_merged()]
            if self.is_quantized:
                merged = self._quantized_values(ops.cast(merged[0], self._variable_dtype()))
            owners = [getattr(self, self._lora_weight), *(self._stored_variables() if self.is_quantized else [])]
            values = {id(owner): value for owner, value in zip(owners, merged, strict=True)}
        for i, variable in enumerate(self._saved_variables()):
            store[str(i)] = backend.convert_to_numpy(values.get(id(variable), variable))

    def _variable_dtype(self) -> Any:
        layer: Any = self
        return layer.variable_dtype

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote; the low-rank term starts again at zero."""
        base: Any = super()
        if not self.lora_enabled and not self.is_quantized:
            base.load_own_variables(store)
            return
        saved = self._saved_variables()
        if len(store) != len(saved):
            layer: Any = self
            raise ValueError(
                f"Layer '{layer.name}' expected {len(saved)} variables, but received {len(store)} variables during "
                f"loading. Expected: {[v.name for v in saved]}"
            )
        for i, variable in enumerate(saved):
            variable.assign(store[str(i)])
        if self.is_quantized and self._stored_mode in CALIBRATED_MODES:
            self._set_calibrated()
        for suffix in ("a", "b") if self.lora_enabled else ():
            factor = getattr(self, f"{self._lora_prefix}_{suffix}")
            factor.assign(ops.zeros(factor.shape, dtype=factor.dtype))
