"""Compiled graphs as text, in Graphviz' language, and as SVG pictures."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from rustdl.backend.jit import Jitted
from rustdl.backend.trace import Compiled, trace


class GraphNode(NamedTuple):
    """A node: an op with the values that it reads and makes."""

    unit: int
    fused: bool
    op: str
    layer: str | None
    reads: list[str]
    makes: list[tuple[str, str]]


class GraphPicture:
    """The graph of a compiled function.

    Args:
        compiled: The function.
        name: Its name.

    Attributes:
        nodes: The nodes in the order in which they run; those with the same `unit` are one loop or kernel.
        results: Names of the values that are returned.
    """

    def __init__(self, compiled: Compiled, name: str) -> None:
        self.name = name
        self.nodes = [GraphNode(*node) for node in compiled.plan.nodes()]
        self.results: list[str] = compiled.plan.results()
        self._text: str = compiled.plan.dump()

    def text(self) -> str:
        """One line a node, fused nodes under their loop."""
        return self._text

    def __str__(self) -> str:
        return self._text

    def _edges(self) -> list[tuple[str, int]]:
        """(value, index of the node that reads it)."""
        return [(value, i) for i, node in enumerate(self.nodes) for value in node.reads if not _is_number(value)]

    def _maker(self) -> dict[str, int]:
        return {value: i for i, node in enumerate(self.nodes) for value, _ in node.makes}

    def dot(self) -> str:
        """The graph in Graphviz' language, a box around each fused loop."""
        lines = [f"digraph {_quoted(self.name)} {{", "  rankdir=TB; node [shape=box, fontname=monospace, fontsize=10];"]
        maker = self._maker()
        units: dict[int, list[int]] = {}
        for i, node in enumerate(self.nodes):
            units.setdefault(node.unit, []).append(i)
        for unit, members in units.items():
            rows = [f"n{i} [label={_quoted(_label(self.nodes[i]))}];" for i in members]
            if len(members) > 1:
                lines.append(f"  subgraph cluster_{unit} {{ style=rounded; color=gray; {' '.join(rows)} }}")
            else:
                lines.extend(f"  {row}" for row in rows)
        sources = sorted({value for value, _ in self._edges() if value not in maker})
        lines.extend(f"  {_quoted(s)} [shape=ellipse];" for s in sources)
        for value, reader in self._edges():
            source = f"n{maker[value]}" if value in maker else _quoted(value)
            lines.append(f"  {source} -> n{reader};")
        for i, value in enumerate(self.results):
            lines.append(f"  result{i} [shape=ellipse, label={_quoted(f'result {i}')}];")
            source = f"n{maker[value]}" if value in maker else _quoted(value)
            lines.append(f"  {source} -> result{i};")
        return "\n".join([*lines, "}"])

    def svg(self) -> str:
        """A picture that needs no other program: nodes in rows by their distance from the inputs."""
        return _Layout(self).svg()

    def save(self, path: Any) -> None:
        """Writes the graph; the ending says how: `.svg`, `.dot` or `.txt`.

        Raises:
            ValueError: Another ending.
        """
        path = Path(path)
        kinds = {".svg": self.svg, ".dot": self.dot, ".gv": self.dot, ".txt": self.text}
        if path.suffix not in kinds:
            raise ValueError(f"GraphPicture.save: the file must end with one of {sorted(kinds)}, got {path.name!r}")
        path.write_text(kinds[path.suffix](), encoding="utf-8")


def _is_number(value: str) -> bool:
    return not value.startswith(("%", "input", "state", "const"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _label(node: GraphNode) -> str:
    made = ", ".join(aval for _, aval in node.makes)
    constants = [value for value in node.reads if _is_number(value)]
    head = f"{node.op}({', '.join(constants)})" if constants else node.op
    return "\n".join([head, made, *([node.layer] if node.layer else [])])


class _Layout:
    """Nodes in rows: a node stands below all that it reads."""

    WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 46, 16, 34

    def __init__(self, picture: GraphPicture) -> None:
        self.picture = picture
        self.maker = picture._maker()
        self.depth: dict[str, int] = {}
        self.boxes: dict[str, tuple[list[str], str]] = {}
        self._place()

    def _place(self) -> None:
        edges = self.picture._edges()
        for value, _ in edges:
            if value not in self.maker and value not in self.boxes:
                self.depth[value] = 0
                self.boxes[value] = ([value], "#e8f0fe")
        for i, node in enumerate(self.picture.nodes):
            above = [self._key(v) for v in node.reads if not _is_number(v)]
            self.depth[f"n{i}"] = 1 + max((self.depth[key] for key in above), default=0)
            self.boxes[f"n{i}"] = (_label(node).split("\n"), "#f6ffed" if node.fused else "#fff7e6")
        last = max(self.depth.values(), default=0) + 1
        for i, _ in enumerate(self.picture.results):
            self.depth[f"r{i}"] = last
            self.boxes[f"r{i}"] = ([f"result {i}"], "#fce4ec")

    def _key(self, value: str) -> str:
        return f"n{self.maker[value]}" if value in self.maker else value

    def svg(self) -> str:
        rows: dict[int, list[str]] = {}
        for key, depth in self.depth.items():
            rows.setdefault(depth, []).append(key)
        widest = max((len(row) for row in rows.values()), default=1)
        width = widest * (self.WIDTH + self.GAP_X) + self.GAP_X
        height = (max(rows, default=0) + 1) * (self.HEIGHT + self.GAP_Y) + self.GAP_Y
        at: dict[str, tuple[float, float]] = {}
        for depth, row in rows.items():
            left = (width - len(row) * (self.WIDTH + self.GAP_X) + self.GAP_X) / 2
            for i, key in enumerate(row):
                at[key] = (left + i * (self.WIDTH + self.GAP_X), self.GAP_Y / 2 + depth * (self.HEIGHT + self.GAP_Y))
        links = [(self._key(value), f"n{reader}") for value, reader in self.picture._edges()]
        links += [(self._key(value), f"r{i}") for i, value in enumerate(self.picture.results) if self._key(value) in at]
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            'font-family="monospace" font-size="10">',
            '<defs><marker id="a" markerWidth="6" markerHeight="6" refX="5" refY="3" orient="auto">'
            '<path d="M0,0 L6,3 L0,6 z" fill="#888"/></marker></defs>',
        ]
        for source, target in links:
            (x1, y1), (x2, y2) = at[source], at[target]
            parts.append(
                f'<path d="M{x1 + self.WIDTH / 2:.0f},{y1 + self.HEIGHT:.0f} L{x2 + self.WIDTH / 2:.0f},{y2:.0f}" '
                'stroke="#888" fill="none" marker-end="url(#a)"/>'
            )
        for key, (x, y) in at.items():
            lines, color = self.boxes[key]
            parts.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{self.WIDTH}" height="{self.HEIGHT}" rx="5" fill="{color}" '
                'stroke="#666"/>'
            )
            for i, line in enumerate(lines[:3]):
                text = line if len(line) <= 30 else line[:29] + "…"
                parts.append(
                    f'<text x="{x + self.WIDTH / 2:.0f}" y="{y + 15 + 13 * i:.0f}" text-anchor="middle">'
                    f"{escape(text)}</text>"
                )
        return "\n".join([*parts, "</svg>"])


def draw_graph(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> GraphPicture:
    """The compiled graph of a function for these arguments: as text, for Graphviz, and as an SVG picture.

    Args:
        fn: A function, with or without `rustdl.jit`.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Example:
        >>> import rustdl
        >>> print(rustdl.draw_graph(lambda x: rustdl.ops.exp(x) + 1.0, rustdl.ops.ones(3)))
        loop over [3]:
          %1: float32[3] = exp(input0)
          %2: float32[3] = add(%1)
        return %2
        <BLANKLINE>
    """
    if isinstance(fn, Compiled):
        compiled = fn
    elif isinstance(fn, Jitted):
        compiled = fn.compiled(*args, **kwargs)
    else:
        compiled = trace(fn, args, kwargs)
    return GraphPicture(compiled, getattr(fn, "__qualname__", type(fn).__name__))
