"""`Distiller`: trains a student on the labels and on what its teacher makes of the inputs."""

from __future__ import annotations

from typing import Any

from rustdl import losses, metrics, ops, tree
from rustdl.models.model import Model
from rustdl.models.sequential import Sequential
from rustdl.utils.tracking import DotNotTrackScope

_FINAL = "final_output"


class Distiller(Model):
    """A model that is its student, and whose loss also compares the student with a frozen teacher.

    loss = w * loss(y, student) + (1 - w) * sum of weight_i * distillation_loss_i(teacher, student)

    Args:
        teacher: A trained model; it is frozen.
        student: The model to train; inputs and outputs have the shapes and dtypes of the teacher's.
        distillation_losses: One `DistillationLoss` or several.
        distillation_loss_weights: One weight for each of several losses; 1 by default.
        student_loss_weight: w, from 0 to 1.
        name: Name of the model.
        **kwargs: Further arguments of `Model`.

    Raises:
        ValueError: Models or losses that do not fit together, or a weight out of range.

    Example:
        >>> import numpy as np, rustdl
        >>> def model(units):
        ...     dense = [rustdl.layers.Dense(units), rustdl.layers.Dense(2)]
        ...     return rustdl.Sequential([rustdl.Input((3,)), *dense])
        >>> distiller = Distiller(model(16), model(2), rustdl.distillation.LogitsDistillation())
        >>> distiller.compile("sgd", loss="mse")
        >>> sorted(distiller.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0).history)
        ['distillation_loss', 'loss', 'student_loss', 'total_loss']
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Any = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_models(teacher, student)
        self.teacher = teacher
        self.student = student
        if isinstance(student_loss_weight, bool) or not isinstance(student_loss_weight, int | float):
            raise ValueError(f"student_loss_weight must be a number, got {type(student_loss_weight)}")
        if not 0.0 <= student_loss_weight <= 1.0:
            raise ValueError(f"student_loss_weight must be between 0.0 and 1.0, got {student_loss_weight}")
        self.student_loss_weight = student_loss_weight
        self.distillation_losses, self.distillation_loss_weights = _as_lists(
            distillation_losses, distillation_loss_weights
        )
        for loss in self.distillation_losses:
            loss.validate_model_compatibility(teacher, student)
        with DotNotTrackScope():  # the extractors share the layers of teacher and student
            self._teacher_feature_extractor = self._extractor(teacher, "teacher_layer_name")
            self._student_feature_extractor = self._extractor(student, "student_layer_name")
        self.teacher.trainable = False
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")

    def _extractor(self, model: Any, attribute: str) -> Any:
        """A model that gives the output, and the features that losses ask for by name; None without such."""
        names = [n for n in dict.fromkeys(getattr(loss, attribute, None) for loss in self.distillation_losses) if n]
        if not names:
            return None
        final = model.layers[-1].output if isinstance(model, Sequential) else model.output
        outputs = {_FINAL: final, **{name: model.get_layer(name=name).output for name in names}}
        return Model(inputs=model.inputs, outputs=outputs, name=f"{model.name}_features")

    def compile(self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """Sets optimizer, the student's loss, and metrics of the student.

        Args:
            optimizer: Optimizer or its name.
            loss: Loss of the student, or a structure of losses, as its outputs.
            metrics: List of metrics.
            **kwargs: Further arguments of `Model.compile`.

        Raises:
            ValueError: No loss, or metrics that are no list.
        """
        if loss is None:
            raise ValueError("'loss' cannot be `None`: it is what the student is trained with on the labels.")
        if metrics is not None and not isinstance(metrics, list | tuple):
            raise ValueError(f"metrics must be a list or tuple, got {type(metrics)}")
        with DotNotTrackScope():
            self._student_loss = tree.map_structure(lambda x: losses.get(x) if isinstance(x, str) else x, loss)
        super().compile(optimizer=optimizer, loss=None, metrics=metrics, **kwargs)
        self._compile_config["loss"] = loss

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Calls `compile` with what `get_compile_config` returned."""
        from rustdl.saving import deserialize_keras_object

        known = (
            "optimizer",
            "loss",
            "metrics",
            "weighted_metrics",
            "run_eagerly",
            "steps_per_execution",
            "jit_compile",
        )
        self.compile(**{key: deserialize_keras_object(config[key]) for key in known if key in config})
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def call(self, inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        """The student's outputs."""
        return self.student(inputs, training=training, **kwargs)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The weighted sum of the student's loss and of the distillation losses.

        Args:
            x: Inputs.
            y: Labels; None leaves the student's loss out.
            y_pred: Outputs of the student; computed if None.
            sample_weight: Weights of the samples in the student's loss.
            training: Whether in training.
        """
        if y_pred is None:
            y_pred = self(x, training=training)
        student_loss: Any = 0.0
        if self.student_loss_weight > 0.0 and y is not None:
            student_loss = self._loss_of_student(y, y_pred, sample_weight)
        distillation_loss: Any = 0.0
        if self.student_loss_weight < 1.0:
            distillation_loss = self._loss_of_distillation(x, y_pred, training)
        w = self.student_loss_weight
        total = w * student_loss + (1.0 - w) * distillation_loss
        self.student_loss_tracker.update_state(student_loss)
        self.distillation_loss_tracker.update_state(distillation_loss)
        self.total_loss_tracker.update_state(total)
        return total

    def _loss_of_student(self, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        total: Any = 0.0
        leaves = [tree.flatten(value) for value in (self._student_loss, y, y_pred)]
        if len({len(values) for values in leaves}) != 1:
            raise ValueError(
                f"Distiller: {len(leaves[0])} losses, {len(leaves[1])} labels and {len(leaves[2])} outputs do not fit "
                "together; give one loss and one label for each output."
            )
        for fn, label, output in zip(*leaves, strict=True):
            if fn is None:
                continue
            if sample_weight is None:
                value = fn(label, output)
            elif isinstance(fn, losses.Loss):
                value = fn(label, output, sample_weight=sample_weight)
            else:
                value = fn(label, output) * sample_weight
            total = total + ops.mean(value)
        return total

    def _loss_of_distillation(self, x: Any, y_pred: Any, training: bool) -> Any:
        teacher = self.teacher(x, training=False) if self._teacher_feature_extractor is None else None
        of_teacher = {_FINAL: teacher} if teacher is not None else self._teacher_feature_extractor(x, training=False)
        of_student = (
            {} if self._student_feature_extractor is None else self._student_feature_extractor(x, training=training)
        )
        # The student's outputs are there already; they are those that metrics see.
        of_student = {**of_student, _FINAL: y_pred}
        total: Any = 0.0
        for loss, weight in zip(self.distillation_losses, self.distillation_loss_weights, strict=True):
            teacher_output = of_teacher[getattr(loss, "teacher_layer_name", None) or _FINAL]
            student_output = of_student[getattr(loss, "student_layer_name", None) or _FINAL]
            loss.validate_outputs(teacher_output, student_output)
            value = loss.compute_loss(teacher_output, student_output)
            if len(getattr(value, "shape", ())) > 0:
                raise ValueError(
                    f"Distillation loss {type(loss).__name__} returned a non-scalar loss with shape {value.shape}. "
                    "The compute_loss method must return a scalar tensor."
                )
            total = total + weight * value
        return total

    def reset_metrics(self) -> None:
        """Sets all metrics back, those of the three losses too."""
        super().reset_metrics()
        for tracker in (self.student_loss_tracker, self.distillation_loss_tracker, self.total_loss_tracker):
            tracker.reset_state()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        from rustdl.saving import serialize_keras_object

        return {
            "name": self.name,
            "teacher": serialize_keras_object(self.teacher),
            "student": serialize_keras_object(self.student),
            "distillation_losses": [serialize_keras_object(loss) for loss in self.distillation_losses],
            "distillation_loss_weights": list(self.distillation_loss_weights),
            "student_loss_weight": self.student_loss_weight,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The distiller from `get_config`'s result."""
        from rustdl.saving import deserialize_keras_object

        made = {
            key: deserialize_keras_object(config[key], custom_objects)
            for key in ("teacher", "student", "distillation_losses")
        }
        return cls(**{**config, **made})


def _as_lists(distillation_losses: Any, weights: Any) -> tuple[list[Any], list[float]]:
    if distillation_losses is None:
        raise ValueError(
            "'distillation_losses' cannot be `None`. Provide a distillation loss (e.g., LogitsDistillation or "
            "FeatureDistillation) or a list of distillation losses."
        )
    found = list(distillation_losses) if isinstance(distillation_losses, list | tuple) else [distillation_losses]
    if weights is None:
        return found, [1.0] * len(found)
    given = list(weights) if isinstance(weights, list | tuple) else [weights]
    if len(given) != len(found):
        raise ValueError(
            f"Number of distillation_loss_weights ({len(given)}) must match number of distillation_losses "
            f"({len(found)})"
        )
    return found, given


def _check_models(teacher: Any, student: Any) -> None:
    """Refuses models whose inputs or outputs differ in structure, shape or dtype."""
    for which, model in (("Teacher", teacher), ("Student", student)):
        if not isinstance(model, Model):
            raise ValueError(f"{which} must be a rustdl.Model, got {type(model)}")
    for what in ("inputs", "outputs"):
        ours, theirs = (getattr(model, what, None) for model in (teacher, student))
        if ours is None or theirs is None:
            continue
        if len(ours) != len(theirs):
            raise ValueError(f"Teacher and student have {len(ours)} and {len(theirs)} {what}.")
        for a, b in zip(ours, theirs, strict=True):
            fits = len(a.shape) == len(b.shape) and all(
                m is None or n is None or m == n for m, n in zip(a.shape, b.shape, strict=True)
            )
            if not fits:
                raise ValueError(
                    f"Teacher and student {what} shapes are incompatible. Teacher: {a.shape}, Student: {b.shape}."
                )
            if a.dtype != b.dtype:
                raise ValueError(
                    f"Teacher and student {what} dtypes must match. Teacher: {a.dtype}, Student: {b.dtype}."
                )
