"""Functions of `rustdl.ops` of linear algebra."""

from __future__ import annotations

from typing import Any

_NAMES = frozenset(
    [
        "cholesky",
        "cholesky_inverse",
        "det",
        "eig",
        "eigh",
        "inv",
        "jvp",
        "lstsq",
        "lu_factor",
        "matrix_rank",
        "norm",
        "pinv",
        "qr",
        "solve",
        "solve_triangular",
        "svd",
    ]
)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rustdl import ops

    return getattr(ops, name)


def __dir__() -> list[str]:
    return sorted(_NAMES)
