"""What a student is to have in common with its teacher: logits, or features of some layer."""

from __future__ import annotations

from typing import Any

from rustdl import losses, ops, tree


class DistillationLoss:
    """The base of distillation losses. Subclasses define `compute_loss`."""

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The loss of a batch, a scalar.

        Args:
            teacher_outputs: Outputs of the teacher.
            student_outputs: Outputs of the student, in the same structure.
            **kwargs: For subclasses.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `compute_loss`.")

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Refuses outputs of different structures.

        Raises:
            ValueError: The structures differ.
        """
        tree.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Refuses models that the loss cannot be computed for; by default none."""


class _WithLoss(DistillationLoss):
    """A distillation loss that applies a loss, or a structure of them, to pairs of outputs."""

    def __init__(self, loss: Any) -> None:
        self.loss = tree.map_structure(_as_function, loss)
        if all(fn is None for fn in tree.flatten(self.loss)):
            raise ValueError(
                f"The `loss` argument of {type(self).__name__} must contain at least one non-`None` value."
            )

    def _total(self, one: Any, teacher_outputs: Any, student_outputs: Any) -> Any:
        """The sum of `one(loss, teacher_output, student_output)` over the structure."""
        self._check_structure(teacher_outputs)
        total: Any = 0.0
        leaves = (tree.flatten(x) for x in (teacher_outputs, student_outputs))
        for fn, teacher_output, student_output in zip(tree.flatten(self.loss), *leaves, strict=True):
            if fn is not None:
                total = total + one(fn, teacher_output, student_output)
        return total

    def _check_structure(self, outputs: Any) -> None:
        try:
            tree.assert_same_structure(self.loss, outputs)
        except ValueError as error:
            raise ValueError(
                f"Loss structure mismatch: the losses of {type(self).__name__} are {self.loss}, the outputs {outputs}. "
                f"{error}"
            ) from None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The loss from `get_config`'s result."""
        from rustdl.saving import deserialize_keras_object

        def made(value: Any) -> Any:
            return losses.get(value) if isinstance(value, str) else deserialize_keras_object(value)

        loss = config["loss"]
        if isinstance(loss, dict) and "class_name" not in loss:
            loss = {key: made(value) for key, value in loss.items()}
        elif isinstance(loss, list | tuple):
            loss = [made(value) for value in loss]
        else:
            loss = made(loss)
        return cls(**{**config, "loss": loss})

    def _serialized_loss(self) -> Any:
        return tree.map_structure(lambda fn: None if fn is None else losses.serialize(fn), self.loss)


class FeatureDistillation(_WithLoss):
    """The mean loss between features of the teacher and of the student.

    Args:
        loss: Loss or name of one (or a structure of them, as the features); compares teacher and student.
        teacher_layer_name: The layer of the teacher whose output is meant; None for the last.
        student_layer_name: Likewise of the student. The two outputs must have one shape.

    Raises:
        ValueError: No loss at all.

    Source: Romero et al., FitNets, 2015.

    Example:
        >>> import rustdl
        >>> loss = FeatureDistillation("mse")
        >>> float(loss.compute_loss(rustdl.ops.ones((2, 3)), rustdl.ops.zeros((2, 3))))
        1.0
    """

    def __init__(
        self, loss: Any = "mse", teacher_layer_name: str | None = None, student_layer_name: str | None = None
    ) -> None:
        super().__init__(loss)
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Refuses layers that do not exist, and models that have no graph to find them in."""
        named = self.teacher_layer_name is not None or self.student_layer_name is not None
        models = {"teacher": (teacher, self.teacher_layer_name), "student": (student, self.student_layer_name)}
        subclassed = [which for which, (model, _) in models.items() if getattr(model, "inputs", None) is None]
        if named and subclassed:
            raise ValueError(
                "FeatureDistillation with specific layer names requires Functional or Sequential models. The "
                f"{' and '.join(subclassed)} model(s) appear to be subclassed (no symbolic inputs/outputs). Leave out "
                "the layer names to distill the outputs, or use LogitsDistillation."
            )
        for which, (model, layer_name) in models.items():
            if layer_name is not None:
                try:
                    model.get_layer(name=layer_name)
                except ValueError as error:
                    raise ValueError(f"In the {which} model: {error}") from None

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Refuses outputs that differ in structure from each other or from the losses."""
        super().validate_outputs(teacher_outputs, student_outputs)
        self._check_structure(teacher_outputs)

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum over outputs of the mean loss."""

        def mean(fn: Any, teacher_output: Any, student_output: Any) -> Any:
            return ops.mean(fn(teacher_output, student_output))

        return self._total(mean, teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "loss": self._serialized_loss(),
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }


class LogitsDistillation(_WithLoss):
    """The loss between logits softened by a temperature T.

    With the Kullback-Leibler divergence, T^2 KL(softmax(teacher / T) || softmax(student / T)), as in the paper: the
    factor keeps the size of gradients independent of T. Another loss compares teacher / T and student / T.

    Args:
        temperature: T; the higher, the more the small logits count.
        loss: Loss or name of one, or a structure of them, as the outputs.

    Raises:
        ValueError: No loss, or a temperature that is not positive.

    Source: Hinton, Vinyals and Dean, 2015.

    Example:
        >>> import rustdl
        >>> logits = rustdl.ops.array([[1.0, 2.0]])
        >>> abs(float(LogitsDistillation(2.0).compute_loss(logits, logits))) < 1e-6
        True
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence") -> None:
        super().__init__(loss)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float):
            raise ValueError(f"temperature must be a number, got {type(temperature)}")
        if temperature <= 0.0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.temperature = temperature

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum over outputs of the mean loss."""

        def one(fn: Any, teacher_logits: Any, student_logits: Any) -> Any:
            teacher_logits, student_logits = (x / self.temperature for x in (teacher_logits, student_logits))
            if isinstance(fn, losses.KLDivergence) or fn is losses.kl_divergence:
                divergence = fn(ops.softmax(teacher_logits, axis=-1), ops.softmax(student_logits, axis=-1))
                return ops.mean(divergence) * self.temperature**2
            return ops.mean(fn(teacher_logits, student_logits))

        return self._total(one, teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"temperature": self.temperature, "loss": self._serialized_loss()}


def _as_function(loss: Any) -> Any:
    """A loss by its name."""
    return losses.get(loss) if isinstance(loss, str) else loss
