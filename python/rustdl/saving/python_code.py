"""Python functions as text, for Lambda layers: written always, read only with `safe_mode=False`.

The format is Keras': base64 of the marshalled code object, the defaults, and the closure's values.
"""

from __future__ import annotations

import base64
import marshal
import types
from typing import Any


def func_dump(fn: types.FunctionType) -> tuple[str, Any, Any]:
    """Code (base64), defaults and closure values of a function.

    Args:
        fn: a Python function or lambda.
    """
    code = base64.encodebytes(marshal.dumps(fn.__code__)).decode("ascii")
    closure = tuple(cell.cell_contents for cell in fn.__closure__) if fn.__closure__ else None
    return code, fn.__defaults__, closure


def func_load(code: Any, defaults: Any = None, closure: Any = None) -> types.FunctionType:
    """The function that `func_dump` wrote. It runs code from a file: callers check safe mode first.

    Args:
        code: base64 text, or the whole triple that `func_dump` returned.
        defaults: values of the last arguments.
        closure: values of the free variables.

    Raises:
        ValueError: the code was written by another Python version or is damaged.
    """
    if isinstance(code, list | tuple):
        code, defaults, closure = code
    try:
        loaded = marshal.loads(base64.decodebytes(code.encode("ascii")))
    except Exception as error:
        raise ValueError(
            "The Python code of this Lambda layer cannot be read: it was written by another Python version, or is "
            "damaged. Rebuild the model in code and load its weights."
        ) from error
    if not isinstance(loaded, types.CodeType):
        raise ValueError("The Python code of this Lambda layer is not code: the file is damaged.")
    cells = tuple(types.CellType(value) for value in closure) if closure is not None else None
    return types.FunctionType(
        loaded, _globals(), loaded.co_name, tuple(defaults) if defaults is not None else None, cells
    )


def _globals() -> dict[str, Any]:
    """What the loaded code sees: builtins, numpy and this package under its usual names."""
    import builtins

    import numpy as np

    import rustdl
    from rustdl import ops

    return {"__builtins__": builtins, "np": np, "keras": rustdl, "rustdl": rustdl, "ops": ops}
