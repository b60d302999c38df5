"""What `compile` makes of its arguments: one loss and one metric for any number of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rustdl import losses as losses_module
from rustdl import metrics as metrics_module
from rustdl import ops, tree
from rustdl.losses.loss import Loss
from rustdl.metrics.metric import Metric
from rustdl.trainers import structured_loss
from rustdl.trainers.label_checks import check_shapes

Tensor = Any


class Target(NamedTuple):
    """What the kind of a target and its prediction say about the task."""

    binary: bool
    sparse: bool


def target_kind(y_true: Any, y_pred: Any) -> Target:
    """Whether predictions are one probability, and whether targets are class indices, by the shapes."""
    true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
    true_last = true_shape[-1] if true_shape else 1
    pred_last = pred_shape[-1] if pred_shape else 1
    binary = pred_last == 1
    sparse = len(true_shape) < len(pred_shape) or (true_last == 1 and pred_last is not None and pred_last > 1)
    return Target(binary, sparse)


def get_metric(identifier: Any, y_true: Any, y_pred: Any) -> Metric | None:
    """The metric for one output; "accuracy" and "crossentropy" by the shapes. The name is the one the user gave."""
    if identifier is None:
        return None
    name = str(identifier).lower() if isinstance(identifier, str) else None
    found: Any
    if name in ("accuracy", "acc"):
        kind = target_kind(y_true, y_pred)
        if kind.binary:
            found = metrics_module.BinaryAccuracy(name=identifier)
        elif kind.sparse:
            found = metrics_module.SparseCategoricalAccuracy(name=identifier)
        else:
            found = metrics_module.CategoricalAccuracy(name=identifier)
    elif name in ("crossentropy", "ce"):
        kind = target_kind(y_true, y_pred)
        if kind.binary:
            found = metrics_module.BinaryCrossentropy(name=identifier)
        elif kind.sparse:
            found = metrics_module.SparseCategoricalCrossentropy(name=identifier)
        else:
            found = metrics_module.CategoricalCrossentropy(name=identifier)
    else:
        found = metrics_module.get(identifier)
    if not isinstance(found, Metric):
        found = metrics_module.MeanMetricWrapper(found, name=_name_of(found))
    if isinstance(identifier, str):
        found.name = identifier
    metric: Metric = found
    return metric


def get_loss(identifier: Any, y_true: Any, y_pred: Any) -> Loss | None:
    """The loss for one output; "crossentropy" by the shapes."""
    if identifier is None:
        return None
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        kind = target_kind(y_true, y_pred)
        if kind.binary:
            return losses_module.BinaryCrossentropy()
        return losses_module.SparseCategoricalCrossentropy() if kind.sparse else losses_module.CategoricalCrossentropy()
    found: Loss | Any = losses_module.get(identifier)
    if not isinstance(found, Loss):
        found = losses_module.LossFunctionWrapper(
            found, name=identifier if isinstance(identifier, str) else _name_of(found)
        )
    return found


def _name_of(fn: Any) -> str:
    return str(getattr(fn, "name", None) or getattr(fn, "__name__", None) or type(fn).__name__)


def _is_identifier(x: Any) -> bool:
    """Whether something stands for one metric or loss (rather than for a collection of them)."""
    return x is None or isinstance(x, str) or callable(x)


class Outputs:
    """The outputs of a model as a flat list with names.

    Args:
        y_pred: The structure of the predictions.
        output_names: The names of the model's outputs, if it has some.
    """

    def __init__(self, y_pred: Any, output_names: Sequence[str] | None) -> None:
        self.structure = y_pred
        self.paths = [path for path, _ in tree.flatten_with_path(y_pred)]
        self.count = len(self.paths)
        self.is_dict = isinstance(y_pred, dict)
        if self.is_dict and all(len(path) == 1 for path in self.paths):
            self.names: list[str | None] = [str(path[0]) for path in self.paths]
        elif output_names is not None and len(output_names) == self.count:
            self.names = list(output_names)
        else:
            self.names = [None] * self.count

    def flatten(self, y: Any, what: str, used: Sequence[int] | None = None) -> list[Any]:
        """The entries of a structure of targets or weights in the order of the outputs; a missing one is None.

        Args:
            y: The structure.
            what: Name of the argument, for errors.
            used: Positions of the outputs that have a loss: targets may be given for these only.

        Raises:
            ValueError: if the structure has other entries than the outputs.
        """
        if y is None:
            return [None] * self.count
        if self.count == 1 and not isinstance(y, (dict, list, tuple)):
            return [y]
        if isinstance(y, Mapping) and all(name is not None for name in self.names) and not _is_nested_mapping(y):
            unknown = [key for key in y if key not in self.names]
            if unknown and self.count == 1 and len(y) == 1:
                return list(y.values())
            if unknown:
                raise ValueError(f"`{what}` has the keys {unknown}, but the model's outputs are {self.names}.")
            return [y.get(name) for name in self.names]
        flat = tree.flatten(y)
        if len(flat) == self.count:
            return flat
        if used is not None and len(flat) == len(used):
            entries: list[Any] = [None] * self.count
            for position, entry in zip(used, flat, strict=True):
                entries[position] = entry
            return entries
        if self.count == 1:
            # One output, targets in a structure of their own: the loss gets it whole.
            return [y]
        raise ValueError(
            f"The model has {self.count} outputs{self._listed()}, but `{what}` has {len(flat)} entries: "
            "pass one array for each output, as a list in their order or as a dictionary by name."
        )

    def _listed(self) -> str:
        return f" ({', '.join(map(str, self.names))})" if all(self.names) else ""

    def spread(self, given: Any, what: str, several: bool) -> list[Any]:
        """One entry for each output, from what the user gave: a single one, a list, a dictionary, or a structure.

        Args:
            given: What the user gave.
            what: Name of the argument, for errors.
            several: Whether an output may have a list of entries (as metrics).
        """
        if given is None:
            return [None] * self.count
        if isinstance(given, Mapping):
            return self._spread_mapping(given, what)
        if isinstance(given, (list, tuple)):
            if self.count == 1:
                if several:
                    return (
                        [tree.flatten(list(given))] if all(_is_identifier(g) for g in tree.flatten(given)) else [given]
                    )
                if len(given) == 1:
                    return [given[0]]
            elif len(given) == self.count:
                return list(given)
            elif not several and len(tree.flatten(given)) == self.count:
                return tree.flatten(given)
            raise ValueError(
                f"For a model with {self.count} outputs{self._listed()}, when providing the `{what}` argument as a "
                "list, it should "
                f"have as many entries as the model has outputs. Received:\n{what}={given}\nof length {len(given)}."
            )
        return [given] * self.count

    def _spread_mapping(self, given: Mapping[Any, Any], what: str) -> list[Any]:
        if not all(name is not None for name in self.names):
            flat = list(given.values())
            if len(flat) == self.count:
                return flat
            raise ValueError(
                f"`{what}` is a dictionary, but the model's outputs have no names. Received: {what}={given}"
            )
        unknown = [key for key in given if key not in self.names]
        if unknown and self.count == 1 and len(given) == 1:
            return list(given.values())
        if unknown and self.is_dict and all(isinstance(given[key], Mapping) for key in unknown):
            unknown = []
        if unknown and what == "loss" and self.is_dict:
            raise KeyError(
                f"The keys {unknown}, in the `loss` argument, can't be found in either the model's output "
                f"(`model.output` has the keys {self.names}) or in the names of its output layers."
            )
        if unknown:
            raise ValueError(
                f"Invalid `{what}`: in the dict argument `{what}`, the keys {unknown} do not correspond to any model "
                f"output. Expected keys among {self.names}. Received:\n{what}={dict(given)}"
            )
        return [given.get(name) for name in self.names]


def _is_nested_mapping(y: Mapping[Any, Any]) -> bool:
    return any(isinstance(v, (Mapping, list, tuple)) for v in y.values())


class MetricsList(Metric):
    """The metrics of one output."""

    def __init__(self, metrics: Sequence[Metric], name: str = "metrics_list", output_name: str | None = None) -> None:
        super().__init__(name=name)
        self.metrics = list(metrics)
        self.output_name = output_name

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        for metric in self.metrics:
            metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def reset_state(self) -> None:
        for metric in self.metrics:
            metric.reset_state()

    def get_result(self) -> dict[str, Any]:
        """Name -> value."""
        return {metric.name: metric.result() for metric in self.metrics}

    def result(self) -> Any:
        raise NotImplementedError("a list of metrics has no single result; see `get_result`")

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("a list of metrics is made by `compile`, and not saved")


class CompileMetrics(Metric):
    """All metrics given to `compile`, updated together.

    Args:
        metrics: As given to `compile`.
        weighted_metrics: As given to `compile`; these see the sample weights.
        name: Name.
        output_names: Names of the model's outputs.
    """

    def __init__(
        self,
        metrics: Any,
        weighted_metrics: Any,
        name: str = "compile_metrics",
        output_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name=name)
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value and not isinstance(value, (list, tuple, dict)):
                raise ValueError(
                    f"Expected `{argument}` argument to be a list, tuple, or dict. "
                    f"Received instead: {argument}={value} of type {type(value)}"
                )
        self._user_metrics = metrics
        self._user_weighted_metrics = weighted_metrics
        self.output_names = output_names
        self.built = False
        self._flat_metrics: list[MetricsList | None] = []
        self._flat_weighted_metrics: list[MetricsList | None] = []
        self._outputs: Outputs | None = None

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, once the first batch has told which they are."""
        if not self.built:
            return []
        found: list[Metric] = []
        for group in (*self._flat_metrics, *self._flat_weighted_metrics):
            if group is not None:
                found.extend(group.metrics)
        return found

    @property
    def variables(self) -> list[Any]:
        """The state of all metrics."""
        return [v for metric in self.metrics for v in metric.variables]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Makes the metrics, for targets and predictions of these shapes."""
        outputs = Outputs(y_pred, self.output_names)
        targets, predictions = outputs.flatten(y_true, "y", self._used(outputs)), tree.flatten(y_pred)
        self._flat_metrics = self._groups(self._user_metrics, "metrics", outputs, targets, predictions)
        self._flat_weighted_metrics = self._groups(
            self._user_weighted_metrics, "weighted_metrics", outputs, targets, predictions
        )
        self._outputs = outputs
        self.built = True

    def _groups(
        self, given: Any, what: str, outputs: Outputs, targets: list[Any], predictions: list[Any]
    ) -> list[MetricsList | None]:
        groups: list[MetricsList | None] = []
        for entry, name, y_true, y_pred in zip(
            outputs.spread(given or None, what, True), outputs.names, targets, predictions, strict=True
        ):
            entries = [entry] if _is_identifier(entry) or isinstance(entry, Metric) else tree.flatten(entry)
            wrong = [e for e in entries if not _is_identifier(e) and not isinstance(e, Metric)]
            if wrong:
                raise ValueError(
                    f"Expected all entries in the `{what}` argument to be metric objects, functions or names. "
                    f"Received instead:\n{what}={given}"
                )
            made = [m for m in (get_metric(e, y_true, y_pred) for e in entries if y_true is not None) if m is not None]
            groups.append(MetricsList(made, output_name=name if outputs.count > 1 else None) if made else None)
        return groups

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if not self.built:
            self.build(y_true, y_pred)
        assert self._outputs is not None
        targets, predictions = self._outputs.flatten(y_true, "y", self._used(self._outputs)), tree.flatten(y_pred)
        for group, y_t, y_p in zip(self._flat_metrics, targets, predictions, strict=True):
            if group is not None:
                group.update_state(y_t, y_p)
        if not any(group is not None for group in self._flat_weighted_metrics):
            return
        weights = spread_weights(self._outputs, sample_weight)
        for group, y_t, y_p, w in zip(self._flat_weighted_metrics, targets, predictions, weights, strict=True):
            if group is not None:
                group.update_state(y_t, y_p, sample_weight=w)

    def _used(self, outputs: Outputs) -> list[int]:
        """Positions of the outputs that have metrics."""
        given = [
            outputs.spread(entry or None, what, True)
            for entry, what in ((self._user_metrics, "metrics"), (self._user_weighted_metrics, "weighted_metrics"))
        ]
        return [i for i in range(outputs.count) if given[0][i] is not None or given[1][i] is not None]

    def reset_state(self) -> None:
        for metric in self.metrics:
            metric.reset_state()

    def named_metrics(self) -> dict[str, Metric]:
        """Name in the logs -> metric: the output's name in front, weighted duplicates marked, further ones numbered."""
        named: dict[str, Metric] = {}
        counts: dict[str, int] = {}

        def add(name: str, metric: Metric) -> None:
            if name in named:
                counts[name] = counts.get(name, 0) + 1
                name = f"{name}_{counts[name]}"
            named[name] = metric

        def with_output(group: MetricsList, name: str) -> str:
            return f"{group.output_name}_{name}" if group.output_name else name

        for group in self._flat_metrics:
            for metric in group.metrics if group is not None else ():
                add(with_output(group, metric.name), metric)  # type: ignore[arg-type]
        for group in self._flat_weighted_metrics:
            for metric in group.metrics if group is not None else ():
                name = with_output(group, metric.name)  # type: ignore[arg-type]
                add(with_output(group, f"weighted_{metric.name}") if name in named else name, metric)  # type: ignore[arg-type]
        return named

    def result(self) -> dict[str, Any]:
        """Name in the logs -> value."""
        if not self.built:
            raise ValueError("Cannot get result() since the metric has not yet been built.")
        return {name: metric.result() for name, metric in self.named_metrics().items()}

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("the compiled metrics are made by `compile`, and not saved")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        raise NotImplementedError("the compiled metrics are made by `compile`, and not saved")


def spread_weights(outputs: Outputs, sample_weight: Any) -> list[Any]:
    """One array of sample weights (or None) for each output; a single array serves all of them."""
    if sample_weight is None or not isinstance(sample_weight, (list, tuple, dict)):
        return [sample_weight] * outputs.count
    if isinstance(sample_weight, (list, tuple)) and len(sample_weight) == 1 and outputs.count > 1:
        return [sample_weight[0]] * outputs.count
    return outputs.flatten(sample_weight, "sample_weight")


class CompileLoss(Loss):
    """The loss given to `compile`: the weighted sum of the losses of the outputs.

    Args:
        loss: As given to `compile`.
        loss_weights: As given to `compile`.
        reduction: Kept for the base class.
        output_names: Names of the model's outputs.
    """

    def __init__(
        self,
        loss: Any,
        loss_weights: Any = None,
        reduction: str | None = "sum_over_batch_size",
        output_names: Sequence[str] | None = None,
    ) -> None:
        if loss_weights is not None and not isinstance(loss_weights, (list, tuple, dict, float, int)):
            raise ValueError(
                "Expected `loss_weights` argument to be a float (for a single output model) or a list, tuple, or dict "
                "of floats. "
                f"Received instead: loss_weights={loss_weights} of type {type(loss_weights)}"
            )
        super().__init__(name="compile_loss", reduction=reduction)
        self._user_loss = loss
        self._user_loss_weights = loss_weights
        self.output_names = output_names
        self.built = False
        self.metrics: list[Metric] = []
        self._outputs: Outputs | None = None
        self._used: list[int] = []
        # One entry an output: (loss or None, weight or None, tracker or None).
        self._parts: list[tuple[Loss | None, Any, Metric | None]] = []
        # Losses over structures of outputs: then there are no parts, but these terms with their trackers.
        self._terms: list[tuple[structured_loss.Term, Metric | None]] = []

    @property
    def variables(self) -> list[Any]:
        """The state of the trackers of the outputs' losses."""
        return [v for metric in self.metrics for v in metric.variables]

    def parts(self) -> list[tuple[str | None, Loss | None]]:
        """Name and loss of each output; nothing where losses are computed over structures of outputs."""
        assert self._outputs is not None
        if self._terms:
            return []
        return [(name, part[0]) for name, part in zip(self._outputs.names, self._parts, strict=True)]

    def split(self, y: Any) -> list[Any]:
        """Targets as one entry an output."""
        assert self._outputs is not None
        return self._outputs.flatten(y, "y", self._used)

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Makes the losses, for targets and predictions of these shapes."""
        outputs = Outputs(y_pred, self.output_names)
        if structured_loss.is_structured(self._user_loss, y_pred):
            self._build_terms(outputs, y_true, y_pred)
            return
        given = [_alone(entry) for entry in outputs.spread(self._user_loss, "loss", False)]
        self._used = [i for i, g in enumerate(given) if g is not None]
        weights = outputs.spread(self._user_loss_weights, "loss_weights", False)
        for weight in weights:
            if weight is not None and not isinstance(weight, (float, int)):
                raise ValueError(
                    "Expected every entry of `loss_weights` to be a float. "
                    f"Received instead: loss_weights={self._user_loss_weights}"
                )
        targets, predictions = outputs.flatten(y_true, "y", self._used), tree.flatten(y_pred)
        made = [
            get_loss(g, t, p) if t is not None or _is_own(g) else None
            for g, t, p in zip(given, targets, predictions, strict=True)
        ]
        for name, loss, target in zip(outputs.names, given, targets, strict=True):
            if loss is not None and target is None and not _is_own(loss):
                raise ValueError(f"The output '{name}' has the loss {loss!r}, but `y` has no targets for it.")
        several = sum(loss is not None for loss in made) > 1
        self._parts, self.metrics = [], []
        for index, (loss, weight, name) in enumerate(zip(made, weights, outputs.names, strict=True)):
            tracker = None
            if several and loss is not None:
                taken = {metric.name for metric in self.metrics}
                name = name or (f"{loss.name}_{index}" if f"{loss.name}_loss" in taken else loss.name)
                tracker = metrics_module.Mean(name=f"{name}_loss")
                self.metrics.append(tracker)
            self._parts.append((loss, weight, tracker))
        self._outputs = outputs
        self.built = True

    def _build_terms(self, outputs: Outputs, y_true: Any, y_pred: Any) -> None:
        """Makes losses over structures of outputs."""
        weighted = structured_loss.with_weights(self._user_loss, self._user_loss_weights)
        terms = structured_loss.match(weighted, y_pred, tree.pack_sequence_as(y_pred, outputs.names))
        y_true = structured_loss.like_predictions(y_true, y_pred, outputs.names)
        self._terms, self.metrics, self._parts = [], [], []
        for term in terms:
            made = get_loss(term.loss, structured_loss.at(term.path, y_true), structured_loss.at(term.path, y_pred))
            assert made is not None
            tracker = metrics_module.Mean(name=f"{term.name or made.name}_loss") if len(terms) > 1 else None
            self.metrics += [] if tracker is None else [tracker]
            self._terms.append((term._replace(loss=made), tracker))
        self._outputs = outputs
        self.built = True

    def _call_terms(self, outputs: Outputs, y_true: Any, y_pred: Any, sample_weight: Any) -> Tensor:
        y_pred = tree.pack_sequence_as(outputs.structure, tree.flatten(y_pred))
        y_true = structured_loss.like_predictions(y_true, y_pred, outputs.names)
        nested = isinstance(sample_weight, (list, tuple, dict))
        total = None
        for (path, loss, weight, _), tracker in self._terms:
            w = structured_loss.at(path, sample_weight) if nested else sample_weight
            predictions = structured_loss.at(path, y_pred)
            value = ops.cast(loss(structured_loss.at(path, y_true), predictions, w), self.dtype)
            if tracker is not None:
                tracker.update_state(value, sample_weight=tree.flatten(predictions)[0].shape[0])
            value = value if weight is None else value * weight
            total = value if total is None else total + value
        return total

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        return self.call(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        if not self.built:
            self.build(y_true, y_pred)
        assert self._outputs is not None
        if self._terms:
            return self._call_terms(self._outputs, y_true, y_pred, sample_weight)
        targets, predictions = self._outputs.flatten(y_true, "y", self._used), tree.flatten(y_pred)
        weights = spread_weights(self._outputs, sample_weight)
        terms = []
        for (loss, weight, tracker), name, y_t, y_p, w in zip(
            self._parts, self._outputs.names, targets, predictions, weights, strict=True
        ):
            if loss is None:
                continue
            check_shapes(loss, name if self._outputs.count > 1 else None, y_t, y_p)
            value = ops.cast(loss(y_t, y_p, w), self.dtype)
            if tracker is not None:
                tracker.update_state(value, sample_weight=y_p.shape[0] if len(y_p.shape) else 1)
            terms.append(value if weight is None else value * weight)
        if not terms:
            return None
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("the compiled loss is made by `compile`, and not saved")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        raise NotImplementedError("the compiled loss is made by `compile`, and not saved")


def _alone(entry: Any) -> Any:
    """The loss of an output where a list holds it alone."""
    return entry[0] if isinstance(entry, (list, tuple)) and len(entry) == 1 else entry


def _is_own(loss: Any) -> bool:
    """Whether a loss is the user's own, which may do without targets."""
    if loss is None or isinstance(loss, str):
        return False
    fn = getattr(loss, "fn", loss)
    return fn not in losses_module.BUILT_IN_FUNCTIONS


def get_loss_or_none(identifier: str) -> None:
    """Raises ValueError for a name that is no loss."""
    if identifier.lower() not in ("crossentropy", "ce"):
        losses_module.get(identifier)
