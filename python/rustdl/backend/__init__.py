"""What the Python side stands on: tensors, variables, scopes, tracing, gradients and settings."""

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend.autocast import AutocastScope, get_autocast_scope
from rustdl.backend.autodiff import grad, value_and_grad
from rustdl.backend.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    standardize_data_format,
)
from rustdl.backend.dtypes import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from rustdl.backend.global_state import clear_session
from rustdl.backend.jit import jit
from rustdl.backend.keras_tensor import (
    KerasTensor,
    any_symbolic_tensors,
    is_keras_tensor,
    standardize_shape,
)
from rustdl.backend.masking import get_keras_mask, set_keras_mask
from rustdl.backend.name_scope import name_scope
from rustdl.backend.spec import compute_output_spec
from rustdl.backend.stateless_scope import StatelessScope, get_stateless_scope, in_stateless_scope
from rustdl.backend.symbolic_scope import SymbolicScope, in_symbolic_scope
from rustdl.backend.tensor import (
    cast,
    convert_to_numpy,
    convert_to_tensor,
    is_scipy_sparse,
    is_tensor,
    is_text,
    own_numpy,
    shape,
)
from rustdl.backend.trace import Compiled, TraceScope, in_trace, trace
from rustdl.backend.variable import Variable
from rustdl.utils.naming import get_uid

__all__ = [
    "AutocastScope",
    "Compiled",
    "KerasTensor",
    "StatelessScope",
    "SymbolicScope",
    "Tensor",
    "TraceScope",
    "Variable",
    "_rustdl",
    "any_symbolic_tensors",
    "backend",
    "cast",
    "clear_session",
    "compute_output_spec",
    "convert_to_numpy",
    "convert_to_tensor",
    "epsilon",
    "floatx",
    "get_autocast_scope",
    "get_keras_mask",
    "get_stateless_scope",
    "get_uid",
    "grad",
    "image_data_format",
    "in_stateless_scope",
    "in_symbolic_scope",
    "in_trace",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "is_scipy_sparse",
    "is_tensor",
    "is_text",
    "own_numpy",
    "jit",
    "name_scope",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_keras_mask",
    "shape",
    "standardize_data_format",
    "standardize_dtype",
    "standardize_shape",
    "trace",
    "value_and_grad",
]
