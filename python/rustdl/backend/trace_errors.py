"""What is said to users whose function cannot be traced: which of their lines, and what to write instead."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import re
import sysconfig
import textwrap
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.errors import TracedError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARIES = sysconfig.get_paths()["stdlib"] + os.sep

# What a line may hold, and what to do about it. The first that fits is said.
_ADVICE = (
    ("while ", "loop with ops.while_loop (or ops.fori_loop, ops.scan), or over a Python number"),
    ("for ", "loop with ops.fori_loop or ops.scan, or over a Python number or a shape, which are known"),
    ("if ", "choose with ops.where or ops.cond, or make the deciding argument a Python value"),
    ("assert ", "check values outside of the compiled function, or with run_eagerly=True"),
    (" if ", "choose with ops.where or ops.cond, or make the deciding argument a Python value"),
    ("np.", "use the function of the same name in rustdl.ops, or rustdl.numpy_op for code that needs numpy"),
    ("numpy.", "use the function of the same name in rustdl.ops, or rustdl.numpy_op for code that needs numpy"),
    ("math.", "use the function of the same name in rustdl.ops"),
    (".numpy()", "return the tensor and convert it outside; rustdl.debug_print shows values while the step runs"),
    ("print(", "rustdl.debug_print shows values while the step runs"),
    ("range(", "loop with ops.fori_loop, or over a Python number"),
    ("[", "a shape or an index of Python must be known: slice with a fixed size (ops.slice), or mask with ops.where"),
    ("float(", "keep it a tensor, or return it and convert it outside"),
    ("int(", "keep it a tensor, or return it and convert it outside"),
    (".item()", "keep it a tensor, or return it and convert it outside"),
)


class Place(NamedTuple):
    """A line of the user's code."""

    file: str
    line: int
    function: str

    @property
    def source(self) -> str:
        """The text of the line."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f'File "{self.file}", line {self.line}, in {self.function}\n    {self.source}'


def user_place(trace: TracebackType | None) -> Place | None:
    """The innermost frame of a traceback that is neither rustdl's own nor, if there is another, of a library."""
    own, library = None, None
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_PACKAGE) and os.path.sep in code.co_filename:
            place = Place(code.co_filename, trace.tb_lineno, code.co_name)
            if code.co_filename.startswith(_LIBRARIES) or "site-packages" in code.co_filename:
                library = place
            else:
                own = place
        trace = trace.tb_next
    return own or library


_SHOWN = re.compile(r"<rustdl\.Tensor [^>]*>")


def _is_about_values(error: BaseException | None) -> bool:
    """Whether an error comes from asking a traced tensor for its value."""
    while error is not None:
        # A tensor that a message shows is no sign of that, unless it was the key of a dictionary.
        said = str(error) if isinstance(error, KeyError) else _SHOWN.sub("", str(error))
        if isinstance(error, TracedError) or "traced" in said:
            return True
        error = error.__cause__ or error.__context__
    return False


def explain(error: Exception, fn: Callable[..., Any]) -> Exception:
    """The error to raise for one that occurred while `fn` was traced: the same with the user's line, and advice.

    Args:
        error: What was raised.
        fn: The function being compiled.
    """
    if getattr(error, "_rustdl_explained", False):
        return error
    place = user_place(error.__traceback__)
    name = getattr(fn, "__qualname__", repr(fn))
    if place is None:
        return error
    if not _is_about_values(error):
        error.add_note(f"while {name} was being compiled:\n  {place}")
        error._rustdl_explained = True  # type: ignore[attr-defined]
        return error
    said = "a tensor without value cannot be looked up" if isinstance(error, KeyError) else error
    message = f"{said}\n  {place}\n  while {name} was being compiled"
    advice = _advice(place.source)
    if advice:
        message += f": {advice}"
    made = TracedError(message)
    made._rustdl_explained = True  # type: ignore[attr-defined]
    return made


def _advice(source: str) -> str | None:
    for sign, advice in _ADVICE:
        if source.startswith(sign) if sign in ("while ", "for ", "if ", "assert ") else sign in source:
            return advice
    return None


# ------------------------------------------------------------------------------------------------------------ leaks


def _plain_function(fn: Any) -> Any:
    while hasattr(fn, "__wrapped__"):
        fn = fn.__wrapped__
    return getattr(fn, "__func__", fn)


def _roots(fn: Any, args: Any) -> Iterator[tuple[str, Any]]:
    """What a function can write to: captured variables, globals that it names, objects among its arguments."""
    plain = _plain_function(fn)
    code = getattr(plain, "__code__", None)
    if code is None:
        return
    for name, cell in zip(code.co_freevars, plain.__closure__ or (), strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in code.co_names:
        if name in plain.__globals__:
            yield name, plain.__globals__[name]
    parameters = code.co_varnames[: code.co_argcount]
    if hasattr(fn, "__self__"):
        yield parameters[0], fn.__self__
        parameters = parameters[1:]
    yield from zip(parameters, args, strict=False)


def _reachable(name: str, root: Any) -> Iterator[tuple[str, Any]]:
    """A root and, one level down, what it holds."""
    yield name, root
    if isinstance(root, (list, tuple, set, frozenset)):
        yield from ((f"{name}[{i}]", x) for i, x in enumerate(root))
    elif isinstance(root, dict):
        yield from ((f"{name}[{key!r}]", x) for key, x in list(root.items())[:1000])
    elif hasattr(root, "__dict__") and not isinstance(root, type) and type(root).__module__ != "builtins":
        if type(root).__name__ == "module":
            return
        for key, value in list(vars(root).items())[:1000]:
            if key.startswith("_"):
                continue
            yield f"{name}.{key}", value
            if isinstance(value, (list, set)):
                yield from ((f"{name}.{key}[{i}]", x) for i, x in enumerate(value))
            elif isinstance(value, dict):
                yield from ((f"{name}.{key}[{k!r}]", x) for k, x in list(value.items())[:1000])


def traced_outside(fn: Any, args: Any) -> dict[int, str]:
    """The traced tensors that can be reached from outside of a function: id -> where."""
    found: dict[int, str] = {}
    for name, root in _roots(fn, args):
        for path, x in _reachable(name, root):
            if isinstance(x, Tensor) and x.is_traced:
                found.setdefault(id(x), path)
    return found


def check_leaks(fn: Any, args: Any, before: dict[int, str]) -> None:
    """Raises if a traced tensor was put where it outlives its trace.

    Args:
        fn: The function that was traced.
        args: Its arguments.
        before: What `traced_outside` gave before the trace.

    Raises:
        TracedError: With the line that stores it.
    """
    for key, path in traced_outside(fn, args).items():
        if key in before:
            continue
        plain = _plain_function(fn)
        place = _writer(plain, path)
        kind = "list" if "[" in path else "variable"
        raise TracedError(
            f"jit: a traced tensor was stored in `{path}` and would outlive its trace; it has no value. The function "
            "is run once to be compiled, later calls do not run its Python code\n"
            f"  {place}\n  while {plain.__qualname__} was being compiled: return the tensor"
            f"{' and append it outside' if kind == 'list' else ''}, or keep state in a rustdl.Variable and assign it"
        )


def check_result(fn: Any, result: Any) -> None:
    """Raises if a traced tensor is in a result where a run of the plan cannot put its value.

    Args:
        fn: The function that was traced.
        result: What it returned.

    Raises:
        TracedError: For iterators, and objects of unknown classes that hold a traced tensor.
    """
    for leaf in structure.flatten(result):
        if leaf is None or isinstance(leaf, (Tensor, int, float, str)):
            continue
        why = None
        if isinstance(leaf, Iterator):
            why = f"a {type(leaf).__name__}, whose code would run after the trace: return a list or tuple"
        else:
            inner = _reachable(type(leaf).__name__, leaf)
            held = [path for path, x in inner if isinstance(x, Tensor) and x.is_traced]
            if held:
                why = (
                    f"an object with a traced tensor in `{held[0]}`, where no later call can put a value; "
                    "return tensors in dictionaries, lists, tuples or dataclasses"
                )
        if why is not None:
            name = getattr(fn, "__qualname__", type(fn).__name__)
            place = _returner(_plain_function(fn))
            raise TracedError(f"jit: the function returned {why}\n  {place}\n  while {name} was being compiled")


def _returner(fn: Any) -> Place | str:
    """The last line of a function that returns something; its first line if none is found."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return repr(fn)
    lines = [node.lineno for node in _nodes(fn) if isinstance(node, ast.Return)]
    line = code.co_firstlineno + (max(lines) - 1 if lines else 0)
    return Place(code.co_filename, line, fn.__qualname__)


def _nodes(fn: Any) -> list[ast.AST]:
    """The syntax of a function, outer parts first; lines count from its first line."""
    try:
        lines, _ = inspect.getsourcelines(fn)
        return list(ast.walk(ast.parse(textwrap.dedent("".join(lines)))))
    except (OSError, SyntaxError, TypeError):
        return []


def _writer(fn: Any, path: str) -> Place:
    """The line of a function that writes to a path such as `losses[0]`; its first line if none is found."""
    code = fn.__code__
    base = path.split("[", maxsplit=1)[0]
    for node in _nodes(fn):
        if base in _written(node):
            line = code.co_firstlineno + node.lineno - 1  # type: ignore[attr-defined]
            return Place(code.co_filename, line, fn.__qualname__)
    return Place(code.co_filename, code.co_firstlineno, fn.__qualname__)


def _written(node: ast.AST) -> list[str]:
    """The names and attributes that a statement or call may write to."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
        targets = [node.target]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return [ast.unparse(node.func.value)]
    found = []
    for target in targets:
        inner = target
        while isinstance(inner, (ast.Subscript, ast.Starred)):
            inner = inner.value
        found.append(ast.unparse(inner))
    return found
