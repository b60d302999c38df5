"""`Trainer`: what makes a model trainable: compile, fit, evaluate, predict and their parts."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from rustdl import backend, ops, tree
from rustdl._rustdl import Tensor
from rustdl.metrics.reduction_metrics import Mean
from rustdl.trainers.compile_utils import CompileLoss, CompileMetrics
from rustdl.trainers.data_adapters import ArrayDataAdapter, PyDataset, data_adapter_utils, get_data_adapter
from rustdl.trainers.epoch import RAN_OUT, EpochLoop, Feed
from rustdl.trainers.label_checks import check_targets
from rustdl.trainers.memory import MemoryReport, memory_report, parse_bytes
from rustdl.trainers.prediction import predict_batches
from rustdl.trainers.runner import SinglePlan, StepRunner
from rustdl.utils.tracking import no_automatic_dependency_tracking


class Trainer:
    """Mixed into `Model`: training, evaluation and prediction.

    A subclass may override `train_step(data)`, `test_step(data)`, `predict_step(data)`, `compute_loss(...)` and
    `compute_metrics(...)`. A step is Python that calls `rustdl.ops`; unless `run_eagerly` is set it is run once for
    each signature of a batch, and compiled.
    """

    @no_automatic_dependency_tracking
    def __init__(self) -> None:
        self._run_eagerly = False
        self._jit_compile: Any = None
        self.compiled = False
        self.loss: Any = None
        self.optimizer: Any = getattr(self, "optimizer", None)
        self.steps_per_execution = 1
        self.stop_training = False
        self.stop_evaluating = False
        self.stop_predicting = False
        self.history: Any = None
        self._initial_epoch: int | None = None
        self._memory_budget: int | None = None
        self._loss_tracker: Any = None
        self._compile_loss: Any = None
        self._compile_metrics: Any = None
        self._eval_feed: Any = None
        # Shapes and dtypes of inputs -> predictions without values.
        self._output_specs: dict[Any, Any] = {}
        self.train_function: Any = None
        self.test_function: Any = None
        self.predict_function: Any = None
        self._defer_metrics_result = False
        self._compute_loss_has_training_arg = "training" in inspect.signature(self.compute_loss).parameters

    # ------------------------------------------------------------------------------------------------------ compile

    @no_automatic_dependency_tracking
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        memory_budget: Any = None,
    ) -> None:
        """Says how the model shall be trained.

        Args:
            optimizer: An optimizer or its name.
            loss: A loss, its name or a function `(y_true, y_pred)`; for several outputs a list in their order or a
                dictionary by name. None for an output without loss.
            loss_weights: Factors of the losses of the outputs, as a list or dictionary.
            metrics: List of metrics (objects, names, functions); for several outputs a list of lists or a dictionary.
                "accuracy" picks the accuracy that fits the shapes.
            weighted_metrics: Metrics that see the sample weights.
            run_eagerly: Whether to run the Python code of each step rather than a compiled plan; for looking for
                errors.
            steps_per_execution: Number of batches between two calls of callbacks.
            jit_compile: Kept for compatibility: steps are always compiled unless `run_eagerly`.
            auto_scale_loss: Whether the optimizer scales the loss under the policy `mixed_float16`.
            memory_budget: The most memory for the temporaries of a training step, in bytes or as `"512 MiB"`: values
                of the forward pass are computed again in the backward pass as far as needed, cheap ones first. See
                `memory`.

        Raises:
            ValueError: for unknown names, or arguments of the wrong kind.
        """
        from rustdl import optimizers

        if not isinstance(steps_per_execution, (int, np.integer)) or steps_per_execution < 1:
            raise ValueError(f"`steps_per_execution` must be a positive integer. Received: {steps_per_execution!r}")
        self.optimizer = optimizers.get(optimizer)
        policy = getattr(getattr(self, "dtype_policy", None), "name", "")
        if auto_scale_loss and policy == "mixed_float16" and self.optimizer is not None:
            scaled = optimizers.LossScaleOptimizer
            if not isinstance(self.optimizer, scaled):
                self.optimizer = scaled(self.optimizer, name="loss_scale_optimizer")
        names = getattr(self, "output_names", None)
        self._compile_loss = CompileLoss(loss, loss_weights, output_names=names) if loss is not None else None
        if isinstance(loss, str):
            from rustdl.trainers.compile_utils import get_loss_or_none

            get_loss_or_none(loss)  # an unknown name is an error now, not at the first batch
        self.loss = loss
        self._compile_metrics = (
            CompileMetrics(metrics, weighted_metrics, output_names=names)
            if metrics is not None or weighted_metrics is not None
            else None
        )
        self._run_eagerly = bool(run_eagerly)
        self._jit_compile = jit_compile
        self._memory_budget = parse_bytes(memory_budget)
        self.steps_per_execution = int(steps_per_execution)
        self.train_function = self.test_function = self.predict_function = None
        self._loss_tracker = Mean(name="loss")
        self._output_specs = {}
        self.stop_training = False
        self.compiled = True
        self._compile_config = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }

    @property
    def jit_compile(self) -> bool:
        """Kept for compatibility: whether steps are compiled."""
        return not self._run_eagerly if self._jit_compile in (None, "auto") else bool(self._jit_compile)

    @jit_compile.setter
    def jit_compile(self, value: Any) -> None:
        self._jit_compile = value

    @property
    def run_eagerly(self) -> bool:
        """Whether the Python code of each step runs at each batch."""
        from rustdl import config

        return self._run_eagerly or getattr(config, "functions_run_eagerly", lambda: False)()

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        if value != self._run_eagerly:
            self.__dict__.update(train_function=None, test_function=None, predict_function=None)
        self.__dict__["_run_eagerly"] = value

    @property
    def metrics(self) -> list[Any]:
        """The loss tracker, the metrics of layers, the compiled metrics, and the losses of several outputs."""
        found = [self._loss_tracker] if self.compiled and self._loss_tracker is not None else []
        if self.compiled and self._compile_metrics is not None:
            found.append(self._compile_metrics)
        trackers = self._compile_loss.metrics if self.compiled and self._compile_loss is not None else []
        known = [*found, *trackers]
        found.extend(m for m in super().metrics if not any(m is k for k in known))  # type: ignore[misc]
        return [*found, *trackers]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [m.name for m in self.metrics]

    def reset_metrics(self) -> None:
        """Sets the state of all metrics to zero."""
        for m in self.metrics:
            m.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """Name -> value of each metric. Override to choose or to add."""
        if self._defer_metrics_result:
            return {}
        results: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            if isinstance(result, dict):
                results.update(result)
            else:
                results[metric.name] = result
        return results

    def _assert_compile_called(self, method_name: str | None = None) -> None:
        if not self.compiled:
            raise ValueError(
                "You must call `compile()` before "
                f"{f'calling `{method_name}()`' if method_name else 'using the model'}."
            )

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was called with, as plain values."""
        if not self.compiled or "_compile_config" not in self.__dict__:
            return {}
        from rustdl.saving import serialize_keras_object

        config = {name: serialize_keras_object(value) for name, value in self._compile_config.items()}
        if self.optimizer is not None and config["optimizer"] is not None:
            # The optimizer as it is now: its learning rate may have been changed.
            inner = getattr(self.optimizer, "inner_optimizer", None)
            given = self._compile_config["optimizer"]
            current = (
                inner if inner is not None and inner is not given and given is not self.optimizer else self.optimizer
            )
            config["optimizer"] = serialize_keras_object(current)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Calls `compile` with what `get_compile_config` returned."""
        if type(self).compile is not Trainer.compile:
            if not config:
                return
            warnings.warn(
                "`compile()` was not called as part of model loading because the model's `compile()` method is "
                "custom. All subclassed "
                "Models that have `compile()` overridden should also override `get_compile_config()` and "
                "`compile_from_config(config)`.",
                stacklevel=2,
            )
            return
        from rustdl.saving import deserialize_keras_object

        self.compile(**deserialize_keras_object(config))
        if self.optimizer is not None and getattr(self, "built", False):
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    # -------------------------------------------------------------------------------------------------- loss, steps

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of a batch: that of `compile` plus those of the layers. Override to compute another.

        Args:
            x: Inputs.
            y: Targets.
            y_pred: Predictions.
            sample_weight: Weights of the samples.
            training: Whether this is a step of training.

        Returns:
            A scalar tensor; None where there is nothing to compute.
        """
        terms = []
        if self._compile_loss is not None:
            loss = self._compile_loss(y, y_pred, sample_weight)
            if loss is not None:
                terms.append(loss)
        terms.extend(ops.sum(ops.cast(loss, backend.floatx())) for loss in self.losses)  # type: ignore[attr-defined]
        if not terms:
            return None
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Calls `compute_loss`, whose override may know no `training`."""
        if self._compute_loss_has_training_arg:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def stateless_compute_loss(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, tuple[Any, Any, Any]]:
        """`compute_loss` as a function of the values of the variables; returns the loss and the new values."""
        kinds = (
            (self.trainable_variables, trainable_variables),  # type: ignore[attr-defined]
            (self.non_trainable_variables, non_trainable_variables),  # type: ignore[attr-defined]
            (self.metrics_variables, metrics_variables),  # type: ignore[attr-defined]
        )
        mapping = [pair for variables, values in kinds for pair in zip(variables, values, strict=True)]
        with backend.StatelessScope(state_mapping=mapping) as scope:
            loss = self._compute_loss(x, y, y_pred, sample_weight=sample_weight, training=training)

        def now(pair: tuple[Any, Any]) -> list[Any]:
            found = [scope.get_current_value(v) for v in pair[0]]
            return [old if new is None else new for old, new in zip(pair[1], found, strict=True)]

        return loss, (now(kinds[0]), now(kinds[1]), now(kinds[2]))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Takes a batch into the compiled metrics, and returns all metrics. Override to add some of your own."""
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight=sample_weight)
        return self.get_metrics_result()

    def _call_model(self, x: Any, training: bool) -> Any:
        if getattr(self, "_call_has_training_arg", True):
            return self(x, training=training)  # type: ignore[operator]
        return self(x)  # type: ignore[operator]

    def train_step(self, data: Any) -> Any:
        """One step of training on a batch. Override for another algorithm.

        Args:
            data: `(x, y, sample_weight)`, shortened to what there is.

        Returns:
            Dictionary of values for the logs.
        """
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables  # type: ignore[attr-defined]
        masks: list[Any] = []

        def loss_of_batch() -> tuple[Any, Any]:
            y_pred = self._call_model(x, training=True)
            masks.extend(backend.get_keras_mask(p) for p in tree.flatten(y_pred))
            loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            if loss is None:
                raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
            scaled = self.optimizer.scale_loss(loss) if self.optimizer is not None else loss
            return scaled, (loss, y_pred)

        self._forget_losses()
        if variables:
            (_, (loss, y_pred)), gradients = backend.value_and_grad(loss_of_batch, has_aux=True, variables=variables)()
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
            _, (loss, y_pred) = loss_of_batch()
        for prediction, mask in zip(tree.flatten(y_pred), masks, strict=True):
            if mask is not None and backend.get_keras_mask(prediction) is None:
                backend.set_keras_mask(prediction, mask)
        self._loss_tracker.update_state(loss, sample_weight=_batch_length(x))
        if variables:
            self.optimizer.apply(gradients, variables)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> Any:
        """One step of evaluation on a batch; see `train_step`."""
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        self._forget_losses()
        y_pred = self._call_model(x, training=False)
        loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        if loss is not None:
            self._loss_tracker.update_state(loss, sample_weight=_batch_length(x))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The predictions for a batch `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
        x, _, _ = data_adapter_utils.unpack_x_y_sample_weight(data)
        return self._call_model(x, training=False)

    def _forget_losses(self) -> None:
        clear = getattr(self, "_clear_losses", None)
        if clear is not None:
            clear()

    def _has_own(self, *names: str) -> bool:
        """Whether a subclass (or the object) has overridden any of these methods."""
        return any(getattr(type(self), n) is not getattr(Trainer, n) or n in self.__dict__ for n in names)

    def _make_function(self, step: str) -> StepRunner:
        deferred = step != "predict_step" and not self._has_own(step, "compute_metrics", "get_metrics_result")
        return StepRunner(
            self,
            getattr(self, step),
            eager=self.run_eagerly or not self._supports_compilation(),
            deferred=deferred,
            steps_per_execution=self.steps_per_execution,
            memory_budget=self._memory_budget if step == "train_step" else None,
        )

    def _supports_compilation(self) -> bool:
        """Whether no layer inside needs the values of its inputs, as hashing does."""
        layers = self._flatten_layers() if hasattr(self, "_flatten_layers") else []
        return all(layer.supports_jit for layer in layers)

    def make_train_function(self, force: bool = False) -> Any:
        """Makes `train_function(iterator)`, which takes batches from an iterator and returns the logs."""
        if self.train_function is None or force:
            self.__dict__["train_function"] = self._make_function("train_step")
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Makes `test_function(iterator)`; see `make_train_function`."""
        if self.test_function is None or force:
            self.__dict__["test_function"] = self._make_function("test_step")
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Any:
        """Makes `predict_function(iterator)`, which returns the predictions."""
        if self.predict_function is None or force:
            self.__dict__["predict_function"] = self._make_function("predict_step")
        return self.predict_function

    # ---------------------------------------------------------------------------------------------------------- fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Trains the model.

        Args:
            x: Inputs: an array, or a list or dictionary of arrays; or a source of batches `(x, y)` or
                `(x, y, sample_weight)`: a generator, `PyDataset`, PyTorch `DataLoader`, `tf.data.Dataset`, any
                iterable.
            y: Targets, for arrays.
            batch_size: Samples in a batch, for arrays; 32 by default.
            epochs: Number of the last epoch.
            verbose: 0 silent, 1 (or `"auto"`) a progress bar, 2 one line an epoch.
            callbacks: List of callbacks.
            validation_split: Share of the arrays, their last part, that is kept for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a source of batches.
            shuffle: Whether to shuffle arrays before each epoch; `"batch"` shuffles whole batches.
            class_weight: Class -> weight in the loss, for training.
            sample_weight: Weight of each sample in the loss, `[samples]`, or `[samples, steps]` for sequences.
            initial_epoch: Epoch to start at.
            steps_per_epoch: Number of batches of an epoch, where it is not all of the data.
            validation_steps: The same for validation.
            validation_batch_size: Samples in a batch of validation; as `batch_size` by default.
            validation_freq: Every how many epochs to validate, or a list of epochs counted from 1.

        Returns:
            A `History`, whose attribute `history` has the metrics of each epoch.

        Raises:
            ValueError: before `compile`, and for data that do not fit together or the model.
        """
        from rustdl import config
        from rustdl.callbacks.callback_list import CallbackList

        self._assert_compile_called("fit")
        limit = getattr(config, "max_epochs", lambda: None)()
        if limit is not None:
            epochs = min(epochs, limit)
        _check_count("epochs", epochs)
        _check_frequency(validation_freq)
        self.__dict__["_eval_feed"] = None
        if validation_split and validation_data is None:
            if not 0 < validation_split < 1:
                raise ValueError(f"`validation_split` must be in [0, 1). Received: validation_split={validation_split}")
            (x, y, sample_weight), validation_data = data_adapter_utils.train_validation_split(
                (x, y, sample_weight), validation_split
            )
        val_x = val_y = val_weight = None
        if validation_data is not None:
            if isinstance(validation_data, PyDataset):
                val_x = validation_data
            else:
                val_x, val_y, val_weight = _unpack_validation(validation_data)

        adapter = get_data_adapter(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
        )
        feed = Feed(adapter, steps_per_epoch, self.steps_per_execution)
        self._prepare(feed, y_argument="y")
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                verbose=_verbosity(verbose),
                epochs=epochs,
                steps=feed.num_batches,
                model=self,
            )
        self.__dict__["stop_training"] = False
        function = self.make_train_function() or self.train_function
        callbacks.on_train_begin()
        logs: dict[str, Any] | None = None
        first = self._initial_epoch or initial_epoch
        self.__dict__["_initial_epoch"] = None
        loop = EpochLoop(
            feed, self.train_function or function, callbacks, "train", lambda: self.stop_training, self._logs
        )
        for epoch in range(first, epochs):
            self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            steps, result = loop.run()
            if steps == 0:
                if feed.num_batches != 0:
                    warnings.warn(RAN_OUT, stacklevel=2)
                break
            logs = dict(self._logs(result))
            if val_x is not None and _is_due(epoch, validation_freq):
                found = self._validate(
                    val_x, val_y, val_weight, validation_batch_size or batch_size, validation_steps, callbacks
                )
                logs.update({f"val_{name}": value for name, value in found.items()})
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        if self.optimizer is not None and logs is not None and hasattr(self.optimizer, "finalize_variable_values"):
            self.optimizer.finalize_variable_values(self.trainable_weights)  # type: ignore[attr-defined]
        self.__dict__["_eval_feed"] = None
        callbacks.on_train_end(logs=logs)
        return self.history

    def _validate(
        self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, steps: int | None, callbacks: Any
    ) -> dict[str, Any]:
        """Evaluates inside of `fit`; the data are prepared once."""
        if self._eval_feed is None:
            adapter = get_data_adapter(x, y, sample_weight, batch_size=batch_size, steps=steps)
            self.__dict__["_eval_feed"] = Feed(adapter, steps, self.steps_per_execution)
        found = self.evaluate(
            x=x,
            y=y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            steps=steps,
            callbacks=callbacks,
            return_dict=True,
            _use_cached_eval_dataset=True,
        )
        return dict(found)

    def _logs(self, result: Any) -> dict[str, Any]:
        """The logs of a step as callbacks want them: flat, sorted, Python floats."""
        if isinstance(result, dict) and result:
            return to_logs(result)
        if isinstance(result, dict) or result is None:
            return to_logs(self.get_metrics_result())
        return {"loss": _to_float(result)}

    def _prepare(self, feed: Feed, y_argument: str) -> None:
        """Builds model, metrics, loss and optimizer for the first batch, and checks the targets."""
        batch = feed.peek()
        if batch is None:
            return
        x, y, _ = data_adapter_utils.unpack_x_y_sample_weight(batch)
        y_pred = self._symbolic_build(x, y)
        if y_pred is not None and isinstance(feed.adapter, ArrayDataAdapter):
            check_targets(self._compile_loss, feed.adapter.y, y_pred, y_argument)

    def _symbolic_build(self, x: Any, y: Any) -> Any:
        """Makes all state for a batch; returns predictions without values (None where the model cannot be called)."""
        self._check_text(x)
        built = all(layer.built for layer in self._flatten_layers())  # type: ignore[attr-defined]
        parts = [p for p in (self._compile_metrics, self._compile_loss) if p is not None and not p.built]
        wants_targets = self._compile_loss is not None and y is not None
        key = tuple((a.shape, a.dtype) if isinstance(a, Tensor) else None for a in tree.flatten(x))
        y_pred = self._output_specs.get(key) if built and not parts else None
        wants_targets = wants_targets and y_pred is None
        if not built or parts or wants_targets:
            try:
                y_pred = self._predictions_without_values(x)
            except (ValueError, TypeError):
                if not self._has_own("train_step", "test_step"):
                    raise
                return None
            except Exception as error:
                if self._has_own("train_step", "test_step"):
                    return None
                raise RuntimeError(
                    "Unable to automatically build the model. Please build it yourself before calling "
                    "fit/evaluate/predict. A model is "
                    "'built' when its variables have been created and its `self.built` attribute is True. Usually, "
                    "calling the model "
                    f"on a batch of data is the right way to build it.\nException encountered:\n'{error}'"
                ) from error
            self._output_specs[key] = y_pred
            own = self._has_own("train_step", "test_step", "compute_metrics", "compute_loss")
            for part in parts:
                try:
                    part.build(y, y_pred)
                except (ValueError, TypeError, AttributeError):
                    # With steps of the user's own, targets need not be what they seem.
                    if not own:
                        raise
        if self.optimizer is not None and not self.optimizer.built and self.trainable_variables:  # type: ignore[attr-defined]
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]
        return y_pred

    def _check_text(self, x: Any) -> None:
        """Text is for layers that look up its values, with which steps are not compiled."""
        text = [leaf for leaf in tree.flatten(x) if backend.is_text(leaf)]
        if text and not self.run_eagerly and self._supports_compilation():
            raise ValueError(
                f"`x` has dtype {text[0].dtype}, expected numbers: model '{self.name}' has no layer that "  # type: ignore[attr-defined]
                "takes text. Put a `TextVectorization` or `StringLookup` layer at its front, or encode the text as "
                "integers first (for example with numpy.unique(..., return_inverse=True))."
            )

    def _predictions_without_values(self, x: Any) -> Any:
        def spec(a: Any) -> Any:
            return backend.KerasTensor(tuple(a.shape), str(a.dtype)) if isinstance(a, Tensor) else a

        return backend.compute_output_spec(
            lambda inputs: self._call_model(inputs, training=False), tree.map_structure(spec, x)
        )

    # ----------------------------------------------------------------------------------------------------- evaluate

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Computes loss and metrics on data; arguments as for `fit`.

        Args:
            x: Inputs, or a source of batches.
            y: Targets, for arrays.
            batch_size: Samples in a batch; 32 by default.
            verbose: 0 silent, 1 (or `"auto"`) a progress bar, 2 one line.
            sample_weight: Weights of the samples.
            steps: Number of batches, where it is not all of the data.
            callbacks: List of callbacks.
            return_dict: Whether to return a dictionary.
            **kwargs: None are known.

        Returns:
            The loss if there are no metrics, else a list of the loss and the metrics; or a dictionary by name.
        """
        from rustdl.callbacks.callback_list import CallbackList

        self._assert_compile_called("evaluate")
        cached = kwargs.pop("_use_cached_eval_dataset", False)
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        feed = self._eval_feed if cached else None
        if feed is None:
            adapter = get_data_adapter(x, y, sample_weight, batch_size=batch_size, steps=steps)
            feed = Feed(adapter, steps, self.steps_per_execution)
        if not cached or not feed.__dict__.get("prepared"):
            self._prepare(feed, y_argument="validation_data" if cached else "y")
            feed.__dict__["prepared"] = True
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_progbar=verbose != 0,
                verbose=_verbosity(verbose),
                epochs=1,
                steps=feed.num_batches,
                model=self,
            )
        self.make_test_function()
        self.__dict__["stop_evaluating"] = False
        callbacks.on_test_begin()
        self.reset_metrics()
        loop = EpochLoop(feed, self.test_function, callbacks, "test", lambda: self.stop_evaluating, self._logs)
        steps_done, result = loop.run()
        logs = dict(self._logs(result)) if steps_done else {}
        callbacks.on_test_end(logs)
        return logs if return_dict else self._in_order(logs)

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """Values of the logs: the loss, those of the outputs, the metrics, then the others by name."""
        names: list[str] = []
        for metric in self.metrics:
            if isinstance(metric, CompileMetrics):
                names += [m.name for m in metric.metrics]
            else:
                names.append(metric.name)
        known = [name for name in names if name in logs]
        values = [logs[name] for name in known]
        values += [logs[name] for name in sorted(logs) if name not in known]
        return values[0] if len(values) == 1 else values

    # ------------------------------------------------------------------------------------------------------ predict

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The predictions for data, as numpy arrays.

        Args:
            x: Inputs: arrays or a source of batches.
            batch_size: Samples in a batch; 32 by default.
            verbose: 0 silent, 1 (or `"auto"`) a progress bar, 2 one line.
            steps: Number of batches, where it is not all of the data.
            callbacks: List of callbacks.

        Returns:
            An array, or the model's structure of outputs with arrays.
        """
        if verbose == 0 and callbacks is None and steps is None and type(x) is np.ndarray and x.ndim:  # noqa: SIM102
            if 0 < x.shape[0] <= (batch_size or 32):
                return self.predict_on_batch(x)
        from rustdl.callbacks.callback_list import CallbackList

        adapter = get_data_adapter(x, batch_size=batch_size, steps=steps)
        feed = Feed(adapter, steps, self.steps_per_execution)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_progbar=verbose != 0,
                verbose=_verbosity(verbose),
                epochs=1,
                steps=feed.num_batches,
                model=self,
            )
        self._build_for_prediction(feed.peek())
        self.make_predict_function()
        self.__dict__["stop_predicting"] = False
        callbacks.on_predict_begin()
        outputs = predict_batches(self, feed, callbacks)
        callbacks.on_predict_end()
        return outputs

    def _build_for_prediction(self, batch: Any) -> None:
        if batch is not None:
            self._check_text(batch)
        if batch is None or all(layer.built for layer in self._flatten_layers()):  # type: ignore[attr-defined]
            return
        if self._has_own("predict_step"):
            return
        self._predictions_without_values(data_adapter_utils.unpack_x_y_sample_weight(batch)[0])

    def predict_on_batch(self, x: Any) -> Any:
        """The predictions for one batch, as numpy arrays; the quickest way to predict a few samples.

        Args:
            x: An array, or a list or dictionary of arrays.
        """
        function = self.predict_function
        if type(x) is np.ndarray and type(function) is StepRunner:
            found = function.single.get(x.shape)
            # One object for each native dtype of numpy: `is` costs nothing, and comparing dtypes a microsecond.
            if found is not None and found.dtype is x.dtype:
                result = found.plan.run([x if found.cast is None else x.astype(found.cast)])
                return result[0].numpy(copy=True)
        return self._predict_one(x)

    def _predict_one(self, x: Any) -> Any:
        function = self.make_predict_function()
        batch = (tree.map_structure(lambda a: data_adapter_utils.to_tensor(a, "x"), x),)
        self._build_for_prediction(batch)
        if not isinstance(self.predict_function, StepRunner):
            return tree.map_structure(backend.own_numpy, self.predict_function(iter([batch])))
        function = self.predict_function
        outputs = tree.map_structure(backend.own_numpy, function.run(batch))
        if type(x) is np.ndarray and isinstance(outputs, np.ndarray) and not function.eager:
            compiled = function.compiled(batch)
            if compiled._is_computed == [True]:
                wanted = batch[0].dtype
                cast = None if str(x.dtype) == wanted else wanted
                function.single[x.shape] = SinglePlan(x.dtype, compiled.plan, cast)
        return outputs

    # ----------------------------------------------------------------------------------------------------- on_batch

    def memory(self, x: Any, y: Any = None, sample_weight: Any = None, training: bool = True) -> MemoryReport:
        """The memory that one step on a batch needs, as the planner lays it out.

        Args:
            x: Inputs of one batch.
            y: Targets, for a training step.
            sample_weight: Weights of the samples.
            training: Whether to report the training step rather than prediction.

        Returns:
            A named tuple of bytes: `temporaries`, `variables`, `optimizer`, `inputs`, and their sum `total`; `print`
            shows a table.
        """
        if training:
            batch = self._single_batch(x, y, sample_weight)
        else:
            self.make_predict_function()
            batch = (tree.map_structure(backend.convert_to_tensor, x),)
        return memory_report(self, batch, training)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step of training on one batch.

        Args:
            x: Inputs.
            y: Targets.
            sample_weight: Weights of the samples.
            class_weight: Class -> weight.
            return_dict: Whether to return a dictionary.

        Returns:
            Loss and metrics of the batch; see `evaluate`.
        """
        self._assert_compile_called("train_on_batch")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. "
                    f"Received: sample_weight={sample_weight}, class_weight={class_weight}"
                )
            sample_weight = data_adapter_utils.class_weight_to_sample_weights(y, class_weight)
        batch = self._single_batch(x, y, sample_weight)
        self.make_train_function()
        return self._one_step(self.train_function, batch, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch; arguments as for `train_on_batch`."""
        self._assert_compile_called("test_on_batch")
        batch = self._single_batch(x, y, sample_weight)
        self.make_test_function()
        return self._one_step(self.test_function, batch, return_dict)

    def _single_batch(self, x: Any, y: Any, sample_weight: Any) -> Any:
        def tensors(part: Any, name: str) -> Any:
            return tree.map_structure(lambda a: None if a is None else data_adapter_utils.to_tensor(a, name), part)

        as_arrays = [_lists_to_arrays(part) for part in (x, y, sample_weight)]
        x, y, sample_weight = (tensors(p, n) for p, n in zip(as_arrays, ("x", "y", "sample_weight"), strict=True))
        data_adapter_utils.check_data_cardinality((x, y, sample_weight))
        y_pred = self._symbolic_build(x, y)
        if y_pred is not None:
            check_targets(self._compile_loss, y, y_pred)
        return (x, y, sample_weight) if sample_weight is not None else (x, y) if y is not None else (x,)

    def _one_step(self, function: Any, batch: Any, return_dict: bool) -> Any:
        self.reset_metrics()
        result = function.run(batch) if isinstance(function, StepRunner) else function(iter([batch]))
        logs = self._logs(result)
        return logs if return_dict else self._in_order(logs)


def to_logs(results: dict[str, Any]) -> dict[str, Any]:
    """Metrics as callbacks want them: nested dictionaries merged, sorted by name, scalars as Python floats."""
    logs: dict[str, Any] = {}
    for name, value in sorted(results.items()):
        if isinstance(value, dict):
            logs.update(to_logs(value))
        else:
            logs[name] = _to_float(value)
    return logs


def _to_float(value: Any) -> Any:
    """A Python float of a scalar; an array of anything else that has a shape."""
    if isinstance(value, str):
        return value
    if len(getattr(value, "shape", ())) > 0:
        return backend.convert_to_numpy(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _lists_to_arrays(part: Any) -> Any:
    """A list of numbers (of lists of numbers ...) as an array; a list of arrays as it is."""
    if isinstance(part, (list, tuple)) and part and all(isinstance(leaf, (int, float)) for leaf in tree.flatten(part)):
        return np.asarray(part)
    return part


def _batch_length(x: Any) -> int:
    for leaf in tree.flatten(x):
        if leaf is not None and len(getattr(leaf, "shape", ())) > 0:
            return int(leaf.shape[0])
    return 1


def _verbosity(verbose: Any) -> int:
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2, True, False):
        raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")
    return int(verbose)


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, (int, np.integer)):
        raise ValueError(f"`{name}` must be an integer. Received: {name}={value!r}")


def _check_frequency(validation_freq: Any) -> None:
    if isinstance(validation_freq, (int, np.integer)) and validation_freq >= 1:
        return
    if isinstance(validation_freq, Iterable) and not isinstance(validation_freq, str):
        return
    raise ValueError(
        "Expected `validation_freq` to be a list or int. "
        f"Received: validation_freq={validation_freq} of the type {type(validation_freq)}."
    )


def _is_due(epoch: int, validation_freq: Any) -> bool:
    """Whether to validate after an epoch (counted from 0)."""
    if isinstance(validation_freq, (int, np.integer)):
        return (epoch + 1) % int(validation_freq) == 0
    return epoch + 1 in list(validation_freq)


def _unpack_validation(data: Any) -> tuple[Any, Any, Any]:
    if isinstance(data, (tuple, list)):
        if not 1 <= len(data) <= 3:
            raise ValueError(
                "Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`: "
                "`validation_data` has "
                f"{len(data)} entries."
            )
        return data_adapter_utils.unpack_x_y_sample_weight(data)
    return data, None, None
