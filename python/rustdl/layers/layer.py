"""`Layer`: the base class of layers and models. State, building, calling, masks, losses, configuration."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rustdl import _rustdl, backend, tree
from rustdl._rustdl import Tensor
from rustdl.backend.autocast import AutocastScope
from rustdl.backend.dtypes import is_float_dtype
from rustdl.backend.global_state import settings, state
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.masking import get_keras_mask, set_keras_mask
from rustdl.backend.name_scope import current_path, name_scope
from rustdl.backend.remat import get_current_remat_mode, remat
from rustdl.backend.stateless_scope import StatelessScope
from rustdl.backend.variable import Variable
from rustdl.layers import input_spec as input_spec_lib
from rustdl.layers.call_context import CallContext
from rustdl.layers.call_spec import CallSpec, arguments_for, call_info, check_build_signature
from rustdl.layers.layer_state import LayerState
from rustdl.ops.node import Node
from rustdl.ops.operation import Operation
from rustdl.utils.python_utils import default, is_default
from rustdl.utils.tracking import is_tracking_enabled

# The paths of layers in traces; an extension built before they were there does without.
_open_scope: Any = getattr(_rustdl, "open_scope", lambda name: None)
_close_scope: Any = getattr(_rustdl, "close_scope", lambda before: None)


def _wrapped_build(build: Callable[..., None]) -> Callable[..., None]:
    """`build` in the layer's name scope, remembering the shapes, followed by `built = True` and the lock on state."""
    if getattr(build, "_is_wrapped_build", False):
        return build

    @functools.wraps(build)
    def call(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self.__dict__.get("_is_building", False):  # the build of a base class
            build(self, *args, **kwargs)
            return
        object.__setattr__(self, "_is_building", True)
        try:
            with self._open_name_scope():
                object.__setattr__(self, "_path", current_path())
                build(self, *args, **kwargs)
        finally:
            object.__setattr__(self, "_is_building", False)
        try:
            shapes = dict(inspect.signature(build).bind(self, *args, **kwargs).arguments)
            shapes.pop(next(iter(shapes)))
            object.__setattr__(self, "_build_shapes_dict", shapes)
        except TypeError:
            pass
        self.built = True
        if not self._trainable:
            self.trainable = False
        self._post_build()
        self._lock_state()

    call._is_wrapped_build = True  # type: ignore[attr-defined]
    return call


class Layer(LayerState, Operation):
    """What has weights and a computation. Subclasses define `call`, and usually `build` and `get_config`.

    Args:
        activity_regularizer: Penalty on the outputs.
        trainable: Whether its weights are updated in training.
        dtype: A dtype, a policy or its name; by default the global policy.
        autocast: Whether float inputs are cast to the compute dtype.
        name: Automatic by default.

    Raises:
        ValueError: An unknown keyword argument.

    Example:
        >>> import rustdl
        >>> class Scale(rustdl.Layer):
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        ...     def call(self, inputs):
        ...         return inputs * self.scale
        >>> layer = Scale()
        >>> layer(rustdl.ops.ones((1, 2))).tolist(), layer.weights[0].path
        ([[1.0, 1.0]], 'scale/scale')
    """

    _input_spec: Any
    _dtype_policy: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        build = cls.build
        if not is_default(build) and not getattr(build, "_is_wrapped_build", False):
            cls.build = _wrapped_build(build)  # type: ignore[method-assign]

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._lock = False
        Operation.__init__(self, name=name)
        from rustdl import dtype_policies

        self.dtype_policy = dtype_policies.get(dtype)
        self.autocast = autocast
        self._input_shape_arg: Any = None
        input_shape = kwargs.pop("input_shape", None)
        input_dim = kwargs.pop("input_dim", None)
        if input_dim is not None and input_shape is None:
            input_shape = (input_dim,)
        if input_shape is not None:
            warnings.warn(
                "Do not pass an `input_shape`/`input_dim` argument to a layer. When using Sequential models, prefer "
                "using an `Input(shape)` object as the first layer in the model instead.",
                stacklevel=2,
            )
            self._input_shape_arg = tuple(input_shape)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        if not isinstance(trainable, bool):
            raise ValueError(f"Expected `trainable` to be a boolean. Received: trainable={trainable}")
        self._path: str | None = None
        self._parent_path: str | None = None
        self._remat_mode = get_current_remat_mode()
        self.activity_regularizer: Any = None
        if activity_regularizer is not None:
            from rustdl import regularizers

            self.activity_regularizer = regularizers.get(activity_regularizer)
        self.input_spec: Any = None
        self._called = False
        # Whether every layer inside is built, so that their names need no scope any more.
        self._inner_built = False
        self.built = False
        self.supports_jit = True
        self._trainable = bool(trainable)
        self._losses: list[Any] = []
        self._loss_ids: set[int] = set()
        self._losses_override: list[Any] = []
        self._supports_masking = not is_default(self.compute_mask)
        self._convert_input_args = True
        self._allow_non_tensor_positional_args = False
        self._build_shapes_dict: dict[str, Any] | None = None
        self._call_context_args: set[str] = {"training"}
        self._ensure_tracker()

    @property
    def path(self) -> str | None:
        """The open name scopes and the name at the time of building; `None` before."""
        return self._path

    @property
    def input_spec(self) -> Any:
        """What is expected of the inputs: an `InputSpec` or a structure of them."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        object.__setattr__(self, "_input_spec", value)

    @property
    def supports_masking(self) -> bool:
        """Whether masks of the inputs go on to the outputs."""
        return self._supports_masking

    @supports_masking.setter
    def supports_masking(self, value: bool) -> None:
        self._supports_masking = value

    # --- building ---

    if TYPE_CHECKING:
        # Subclasses name the shapes that they need.
        def build(self, *args: Any, **kwargs: Any) -> None: ...
    else:

        @default
        def build(self, input_shape: Any = None) -> None:
            """Makes the weights. Subclasses call `add_weight` here.

            Args:
                input_shape: Shape of the first argument of `call`; with several parameters each is named like an
                    argument of `call` with `_shape` appended.
            """
            self._check_super_called()
            self.built = True

    def _build_at_init(self) -> None:
        """Marks a layer without weights as built; to be called at the end of `__init__`."""
        if is_default(self.build):
            self.built = True
            self._post_build()
            self._lock_state()

    def _post_build(self) -> None:
        """Called after `build`; for subclasses."""

    def _lock_state(self) -> None:
        """No weights or layers may be added from now on."""
        if not self._tracker.locked:
            self._tracker.lock(
                msg="You cannot add new elements of state (variables or sub-layers) to a layer that is already built. "
                "All state must be created in the `__init__()` method or in the `build()` method."
            )

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that the layer was built with."""
        shapes = self._build_shapes_dict
        if shapes is None:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer with the shapes of `get_build_config`."""
        if not config:
            return
        if is_default(self.build):
            self._build_by_shapes(config)
        elif "input_shape" in config:
            self.build(_as_shape(config["input_shape"]))
        elif "shapes_dict" in config:
            self.build(**{key: _as_shape(value) for key, value in config["shapes_dict"].items()})

    def _build_by_shapes(self, config: dict[str, Any]) -> None:
        """Builds a layer without a `build` of its own: the layers inside are built by tracing `call`."""
        shapes = config.get("shapes_dict") or {"": config.get("input_shape")}
        inputs = {
            name.removesuffix("_shape"): tree.map_shape_structure(
                lambda shape: KerasTensor(shape, dtype=self.input_dtype), _as_shape(shape)
            )
            for name, shape in shapes.items()
            if shape is not None
        }
        first = (inputs.pop(""),) if "" in inputs else ()
        try:
            spec = CallSpec(call_info(self.call), first, inputs)
        except TypeError:
            self.built = True  # `call` needs more than shapes: the layers inside build themselves
            return
        self._maybe_build(spec)
        if any(not layer.built for layer in self._flatten_layers(include_self=False)):
            with contextlib.suppress(Exception), self._open_name_scope():
                backend.compute_output_spec(self.call, *first, **inputs)

    def _maybe_build(self, spec: CallSpec) -> None:
        if self.built:
            return
        shapes = spec.shapes()
        if is_default(self.build):
            with self._open_name_scope():
                object.__setattr__(self, "_path", current_path())
            if shapes:
                self._build_shapes_dict = {"input_shape": next(iter(shapes.values()))} if len(shapes) == 1 else shapes
            self.built = True
            self._post_build()
            self._lock_state()
            return
        check_build_signature(self, shapes)
        arguments = arguments_for(self.build, shapes)
        parameters = [p for p in inspect.signature(self.build).parameters.values() if p.default is p.empty]
        if arguments is None and parameters and parameters[0].kind != parameters[0].VAR_KEYWORD:
            arguments = {parameters[0].name: None}
        self.build(**(arguments or {}))
        # A `build` that a class outside of the wrapper's sight defines.
        if not self.built:
            self.built = True
            self._post_build()
            self._lock_state()

    # --- dtypes ---

    @property
    def dtype_policy(self) -> Any:
        """The policy that decides the dtypes of weights and computation."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        from rustdl import dtype_policies

        policy = dtype_policies.get(value)
        self._set_dtype_policy(policy)
        mode = policy.quantization_mode
        done = getattr(self, "is_quantized", False) or getattr(self, "_float8", False)
        if mode is None or not self.__dict__.get("built") or done:
            return
        if mode in ("gptq", "awq"):
            raise ValueError(
                f"Implicitly enabling {mode.upper()} quantization by setting `dtype_policy` to '{policy.name}' is not "
                "supported: it needs data."
            )
        self.quantize(mode)

    def _set_dtype_policy(self, policy: Any) -> None:
        from rustdl.dtype_policies.dtype_policy_map import DTypePolicyMap

        current = self.__dict__.get("_dtype_policy")
        if isinstance(current, DTypePolicyMap) and self.__dict__.get("_path"):
            current._policy_map[self._path or ""] = policy
            return
        object.__setattr__(self, "_dtype_policy", policy)

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self._effective_policy().compute_dtype  # type: ignore[no-any-return]

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self._effective_policy().variable_dtype  # type: ignore[no-any-return]

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to."""
        return self.compute_dtype

    @property
    def quantization_mode(self) -> str | None:
        """The kind of quantization of the policy, `None` for floats."""
        return self._effective_policy().quantization_mode  # type: ignore[no-any-return]

    def _effective_policy(self) -> Any:
        policy = self._dtype_policy
        if hasattr(policy, "default_policy"):  # a map by path
            return policy[self._path] if self._path else policy.default_policy
        return policy

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Replaces float weights by integers of few bits; `Dense`, `EinsumDense`, `Embedding` and models can.

        Args:
            mode: The kind of quantization, such as `"int8"`.
            type_check: Whether subclasses are refused.
            config: How.

        Raises:
            NotImplementedError: The layer cannot.
        """
        raise self._not_implemented_error("quantize")

    def quantized_build(self, input_shape: Any, mode: str) -> None:
        """Makes the weights of a quantized layer.

        Args:
            input_shape: A shape.
            mode: The kind of quantization.

        Raises:
            NotImplementedError: The layer cannot be quantized.
        """
        raise self._not_implemented_error("quantized_build")

    def _not_implemented_error(self, method: str) -> NotImplementedError:
        return NotImplementedError(f"Layer {type(self).__name__} does not have a `{method}` method implemented.")

    # --- calling ---

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation. Subclasses define it."""
        self._check_super_called()
        raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call` method implemented.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._check_super_called()
        if not self._called:
            self._called = True
        if self._convert_input_args:
            args, kwargs = self._converted(args, kwargs)
        if not self._allow_non_tensor_positional_args:
            self._check_positional(args)
        # The context in which outer layers called this one.
        outer: CallContext | None = state.call_context
        context = CallContext(self, outer)
        if outer is None:
            self._clear_losses()
        context_only = {}
        info = call_info(self.call)
        for name in tuple(kwargs):
            if name in self._call_context_args and name not in info.names and not info.has_varkw:
                context_only[name] = kwargs.pop(name)
        spec = CallSpec(info, args, kwargs)
        for name in self._call_context_args:
            value = context.resolve(name, kwargs.get(name, context_only.get(name, spec.arguments.get(name))), spec)
            if name not in info.names:
                continue
            if value is not None:
                if name not in spec.given or spec.given[name] is None:
                    args = _set_argument(info, args, kwargs, name, value)
                    spec.arguments[name] = spec.given[name] = value
            elif name in kwargs and kwargs[name] is None and info.defaults.get(name) is not None:
                del kwargs[name]
        args, kwargs = self._with_masks(spec, args, kwargs)
        state.call_context = context
        # Nodes of a trace, and messages about NaN, bear the path of the layer.
        in_path = state.stateless_scope is not None or settings.get("debug_nans")
        outer_path = _open_scope(self.name) if in_path else None
        try:
            if not self.built:
                with AutocastScope(None):
                    self._maybe_build(spec)
            if self.input_spec is not None:
                input_spec_lib.assert_input_compatibility(self.input_spec, spec.first_arg, self.name)
            if self._inner_built:
                outputs = self._run(args, kwargs)
            else:
                with self._open_name_scope():
                    outputs = self._run(args, kwargs)
                self._inner_built = all(layer.built for layer in self._flatten_layers(include_self=False))
            if self.activity_regularizer is not None:
                for x in tree.flatten(outputs):
                    if isinstance(x, Tensor):
                        # The mean over the batch, so that the weight does not depend on its size.
                        self.add_loss(self.activity_regularizer(x) / (max(x.shape[0], 1) if x.shape else 1))
            self._set_output_masks(spec, outputs)
        finally:
            state.call_context = outer
            if in_path:
                _close_scope(outer_path)
        return outputs

    def _run(self, args: Any, kwargs: Any) -> Any:
        """Calls `call`, or makes a node where an argument is symbolic, with variables in the compute dtype."""
        policy = self._effective_policy()
        if self.autocast and policy.compute_dtype != policy.variable_dtype and is_float_dtype(policy.compute_dtype):
            with AutocastScope(policy.compute_dtype):
                return self._compute(args, kwargs)
        if state.autocast_dtype is not None:
            with AutocastScope(None):
                return self._compute(args, kwargs)
        return self._compute(args, kwargs)

    def _compute(self, args: Any, kwargs: Any) -> Any:
        """The call, in the way that the layer's `RematScope` asks for."""
        mode = self._remat_mode
        if mode is None or mode.mode in (None, "activations") or state.symbolic_scope is not None:
            return Operation.__call__(self, *args, **kwargs)
        if mode.mode == "list_of_layers" and self.name not in mode.layer_names:
            return Operation.__call__(self, *args, **kwargs)
        if any(hasattr(x, "_keras_history") for x in tree.flatten((args, kwargs))):
            return Operation.__call__(self, *args, **kwargs)
        if mode.mode == "larger_than" and not self._is_larger_than(mode.output_size_threshold, args, kwargs):
            return Operation.__call__(self, *args, **kwargs)
        return remat(functools.partial(Operation.__call__, self))(*args, **kwargs)

    def _is_larger_than(self, threshold: int, args: Any, kwargs: Any) -> bool:
        specs = tree.map_structure(
            lambda x: KerasTensor(x.shape, x.dtype) if isinstance(x, Tensor) else x, (args, kwargs)
        )
        outputs = self.compute_output_spec(*specs[0], **specs[1])
        return any(math.prod(y.shape) > threshold for y in tree.flatten(outputs) if hasattr(y, "shape"))

    def _converted(self, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Arrays as tensors, floats in the dtype of the policy."""
        policy, autocast, dtype = self._effective_policy(), self.autocast, self.input_dtype
        if len(args) == 1 and not kwargs and type(args[0]) is Tensor:
            x = args[0]
            if x.dtype == dtype or not autocast:
                return args, kwargs

        def leaf(x: Any) -> Any:
            if isinstance(x, KerasTensor) or backend.is_text(x):
                return x
            converted = policy.convert_input(x, autocast, dtype)
            if converted is not x:
                mask = get_keras_mask(x)
                if mask is not None and isinstance(converted, (Tensor, KerasTensor)):
                    set_keras_mask(converted, mask)
            return converted

        args = tuple(leaf(x) if not tree.is_nested(x) else tree.map_structure(leaf, x) for x in args)
        return args, {k: leaf(x) if not tree.is_nested(x) else tree.map_structure(leaf, x) for k, x in kwargs.items()}

    def _check_positional(self, args: Any) -> None:
        for arg in args:
            if type(arg) is Tensor:
                continue
            for x in tree.flatten(arg):
                if x is None or isinstance(x, (Tensor, KerasTensor, Variable)):
                    continue
                if backend.is_text(x) and any(not layer.supports_jit for layer in self._flatten_layers()):
                    continue  # a layer inside turns text into numbers
                raise ValueError(
                    "Only input tensors may be passed as positional arguments. The following argument value should "
                    f"be passed as a keyword argument: {x} (of type {type(x)})"
                )

    def _with_masks(self, spec: CallSpec, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Fills `mask` (or `<argument>_mask` where several arguments are tensors) from the masks of the tensors."""
        names = spec.info.names
        single = len(spec.tensors) == 1
        for name, value in list(spec.tensors.items()):
            target = "mask" if single and "mask" in names else f"{name}_mask"
            if target not in names or spec.arguments.get(target) is not None:
                continue
            if isinstance(value, (Tensor, KerasTensor)):
                mask = get_keras_mask(value)
            else:
                mask = tree.map_structure(get_keras_mask, value)
            if any(m is not None for m in tree.flatten(mask)):
                kwargs = dict(kwargs)
                args = _set_argument(spec.info, args, kwargs, target, mask)
                spec.arguments[target] = mask
        return args, kwargs

    def _set_output_masks(self, spec: CallSpec, outputs: Any) -> None:
        first = next(iter(spec.tensors.values()), None)
        if first is None:
            return
        explicit = spec.arguments.get("mask") if "mask" in spec.info.names else None
        if explicit is not None:
            previous = explicit
        elif isinstance(first, (Tensor, KerasTensor)):
            previous = get_keras_mask(first)
            if previous is None and is_default(self.compute_mask):
                return
        else:
            previous = tree.map_structure(get_keras_mask, first)
        if self._supports_masking:
            masks = self.compute_mask(first, previous)
            if masks is None:
                return
            flat_outputs, flat_masks = tree.flatten(outputs), tree.flatten(masks)
            for x, mask in zip(flat_outputs, flat_masks, strict=False):
                if mask is not None and get_keras_mask(x) is None:
                    set_keras_mask(x, mask)
        elif any(m is not None for m in tree.flatten(previous)):
            warnings.warn(
                f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached to it. "
                "However, this layer does not support masking and will therefore destroy the mask information. "
                "Downstream layers will not see the mask.",
                stacklevel=3,
            )

    @default
    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs: by default that of the inputs."""
        return previous_mask

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Works out the outputs' shapes and dtypes and records a node."""
        # The call itself casts its inputs: the graph needs no node for it, only shapes in the right dtype.
        spec_args, spec_kwargs = args, kwargs
        if self._convert_input_args and self.autocast:
            spec_args, spec_kwargs = tree.map_structure(self._cast_symbolic, (args, kwargs))
        outputs = self.compute_output_spec(*spec_args, **spec_kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def _cast_symbolic(self, x: Any) -> Any:
        dtype = self.input_dtype
        if isinstance(x, KerasTensor) and x.dtype != dtype and is_float_dtype(x.dtype):
            return KerasTensor(x.shape, dtype=dtype, name=x.name)
        return x

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as `KerasTensor`s: from `compute_output_shape` where a subclass defines it, else by tracing."""
        if is_default(self.compute_output_shape):
            return super().compute_output_spec(*args, **kwargs)
        spec = CallSpec(call_info(self.call), args, kwargs)
        arguments = arguments_for(self.compute_output_shape, spec.shapes())
        shape = self.compute_output_shape(**(arguments or {}))
        if _is_one_shape(shape):
            return KerasTensor(shape, dtype=self.compute_dtype)
        if shape is None:
            return None
        return tree.map_shape_structure(lambda s: KerasTensor(s, dtype=self.compute_dtype), shape)

    @default
    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape of the outputs for inputs of a shape, found by tracing `call`.

        Args:
            *args: The shape of the first argument of `call` (a structure of shapes where it takes a structure).
            **kwargs: Shapes by the names of the arguments, with `_shape` appended.
        """
        self._check_super_called()
        if type(self).call is Layer.call:
            raise NotImplementedError(
                f"Layer {type(self).__name__} does not have a `compute_output_shape` method implemented."
            )

        def placeholder(shape: Any) -> KerasTensor:
            return KerasTensor(shape, dtype=self.input_dtype)

        inputs = [tree.map_shape_structure(placeholder, shape) for shape in args]
        named = {k.removesuffix("_shape"): tree.map_shape_structure(placeholder, v) for k, v in kwargs.items()}
        info = call_info(self.call)
        if named and not any(name in info.names for name in named):
            inputs, named = [*inputs, *named.values()], {}
        if not self.built:
            self._maybe_build(CallSpec(info, tuple(inputs), dict(named)))
        outputs = self.compute_output_spec(*inputs, **named)
        return tree.map_structure(lambda x: x.shape if isinstance(x, KerasTensor) else x, outputs)

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Calls the layer with the given values of its variables, changing none.

        Args:
            trainable_variables: One value for each of `self.trainable_variables`.
            non_trainable_variables: One value for each of `self.non_trainable_variables`.
            *args: Arguments of the call.
            return_losses: Whether to return the losses too.
            **kwargs: Keyword arguments of the call.

        Returns:
            `(outputs, non_trainable_variables)`, and the losses where asked for.

        Raises:
            ValueError: The layer is not built, or there are too few or too many values.
        """
        self._check_super_called()
        if not self.built:
            raise ValueError(
                f"To call stateless_call, {type(self).__name__} must be built (i.e. its variables must have "
                "been already "
                "created). You can build it by calling it on some data."
            )
        for name, given, own in (
            ("trainable_variables", trainable_variables, self.trainable_variables),
            ("non_trainable_variables", non_trainable_variables, self.non_trainable_variables),
        ):
            if len(given) != len(own):
                raise ValueError(
                    f"Argument `{name}` must be a list of tensors corresponding 1:1 to {type(self).__name__}().{name}. "
                    f"Received list with length {len(given)}, but expected {len(own)} variables."
                )
        mapping = [
            *zip(self.trainable_variables, trainable_variables, strict=True),
            *zip(self.non_trainable_variables, non_trainable_variables, strict=True),
        ]
        losses = None
        with StatelessScope(state_mapping=mapping, collect_losses=return_losses) as scope:
            outputs = self(*args, **kwargs)
            if return_losses:
                losses = self.losses
        updated = [scope.get_current_value(v) for v in self.non_trainable_variables]
        if return_losses:
            return outputs, updated, losses
        return outputs, updated

    def rematerialized_call(self, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        """A function like `layer_call` whose inner values are computed again in the backward pass."""
        return remat(layer_call)

    def _register_call_context_args(self, *names: str) -> None:
        """Makes arguments travel, like `training`, from a layer to the layers that it calls."""
        if self._called:
            raise RuntimeError("Cannot add call-context args after the layer has been called.")
        self._call_context_args = self._call_context_args | set(names)

    # --- losses and metrics ---

    def add_loss(self, loss: Any) -> None:
        """Adds a scalar, or a list of them, to the losses of this call.

        Raises:
            ValueError: A loss that is not a scalar.
        """
        for x in tree.flatten(loss):
            if not isinstance(x, (Tensor, KerasTensor, Variable, float, int, np.ndarray, np.generic)):
                raise ValueError(
                    "`add_loss()` can only be called from inside `build()` or `call()`, on a tensor input. "
                    f"Received invalid value: {x}"
                )
            if hasattr(x, "shape") and len(x.shape) > 0:
                raise ValueError(
                    "`add_loss()` can only be called with scalar (rank-0) tensors. Received a tensor of shape "
                    f"{tuple(x.shape)}: {x}"
                )
        values = [backend.convert_to_tensor(x) for x in tree.flatten(loss)]
        scope = state.stateless_scope
        if scope is None:
            self._losses.extend(values)
        elif scope.collect_losses:
            for x in values:
                scope.add_loss(x)
                self._loss_ids.add(id(x))

    def _get_own_losses(self) -> list[Any]:
        scope = state.stateless_scope
        if scope is None:
            return list(self._losses)
        return [x for x in scope.losses if id(x) in self._loss_ids]

    def _get_regularization_losses(self) -> list[Any]:
        return [v.regularizer(v) for v in self.trainable_weights if v.regularizer is not None]

    @property
    def losses(self) -> list[Any]:
        """Losses added in the last call, by this layer and those inside, and the regularisation of the weights."""
        if self._losses_override:
            return self._losses_override
        found = self._get_own_losses()
        for layer in self._flatten_layers(include_self=False):
            found.extend(layer._get_own_losses())
        found.extend(self._get_regularization_losses())
        return found

    def _clear_losses(self) -> None:
        scope = state.stateless_scope
        for layer in self._flatten_layers():
            if scope is not None and scope.collect_losses and layer._loss_ids:
                scope.losses[:] = [x for x in scope.losses if id(x) not in layer._loss_ids]
            layer._losses.clear()
            layer._loss_ids.clear()

    # --- configuration ---

    @default
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a dictionary that can be written as JSON."""
        self._check_super_called()
        from rustdl import dtype_policies

        base = super().get_config()
        config: dict[str, Any] = {
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            from rustdl import regularizers

            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return {**base, **config}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.__dict__.get('name')}, built={self.__dict__.get('built', False)}>"

    def __str__(self) -> str:
        return repr(self)

    # --- the rest ---

    def _open_name_scope(self) -> name_scope:
        if self.__dict__.get("_parent_path") is None:
            object.__setattr__(self, "_parent_path", current_path())
        return name_scope(self.name, caller=self, override_parent=self._parent_path)

    def _check_super_called(self) -> None:
        if self.__dict__.get("_lock", True):
            raise RuntimeError(
                f"In layer '{type(self).__name__}', you forgot to call `super().__init__()` as the first statement in "
                "the `__init__()` method. Go add it!"
            )

    def _assert_input_compatibility(self, arg: Any) -> None:
        if self.input_spec:
            input_spec_lib.assert_input_compatibility(self.input_spec, arg, layer_name=self.name)

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Layer]:
        found: list[Layer] = [self] if include_self else []
        pending = list(reversed(self._layers))
        seen: set[int] = {id(self)}
        while pending:
            layer = pending.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            found.append(layer)
            if recursive:
                pending.extend(reversed(layer._layers))
        return found

    def _obj_type(self) -> str:
        return "Layer"

    def __setattr__(self, name: str, value: Any) -> None:
        if is_tracking_enabled():
            self._ensure_tracker()
            cls_attribute = getattr(type(self), name, None)
            if not isinstance(cls_attribute, property):
                value = self._tracker.track(value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        value = self.__dict__.get(name)
        if value is not None and is_tracking_enabled():
            self._tracker.unlock()
            for x in [value, *(tree.flatten(value) if tree.is_nested(value) else [])]:
                self._tracker.untrack(x)
            if self.built:
                self._tracker.lock()
        super().__delattr__(name)


def _set_argument(info: Any, args: Any, kwargs: dict[str, Any], name: str, value: Any) -> Any:
    """Sets an argument where it was given: among the positional ones or by name."""
    if name in info.names:
        position = info.names.index(name)
        if position < len(args) and not info.has_varargs:
            return (*args[:position], value, *args[position + 1 :])
    kwargs[name] = value
    return args


def _is_one_shape(shape: Any) -> bool:
    return isinstance(shape, (tuple, list)) and all(d is None or isinstance(d, (int, np.integer)) for d in shape)


def _as_shape(shape: Any) -> Any:
    """Lists out of JSON as tuples, inside structures too."""
    if _is_one_shape(shape):
        return tuple(shape)
    if isinstance(shape, dict):
        return {key: _as_shape(value) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)):
        return type(shape)(_as_shape(value) for value in shape)
    return shape
