"""Text tables with box-drawing lines, laid out as `rich` lays them out with columns of given widths."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence


def cell_len(text: str) -> int:
    """The number of terminal cells of a text; wide characters take two, combining ones none."""
    total = 0
    for character in text:
        if unicodedata.combining(character):
            continue
        total += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return total


def _words(text: str) -> list[tuple[int, str]]:
    """Words with the spaces around them, and where each starts."""
    return [(m.start(), m.group()) for m in re.finditer(r"\s*\S+\s*", text)]


def _truncated(line: str, width: int) -> str:
    line = line.rstrip()
    if cell_len(line) <= width:
        return line
    while line and cell_len(line) > width - 1:
        line = line[:-1]
    return line + "…"


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, cut between words; a longer word ends in `…`.

    Example:
        >>> wrap("dense_1[0][0], dense_1[1][0]", 16)
        ['dense_1[0][0],', 'dense_1[1][0]']
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        starts: list[int] = []
        used = 0
        for start, word in _words(paragraph):
            if width - used >= cell_len(word.rstrip()):
                used += cell_len(word)
            else:
                if used and start:
                    starts.append(start)
                used = cell_len(word)
        bounds = [0, *starts, len(paragraph)]
        lines.extend(_truncated(paragraph[a:b], width) for a, b in itertools.pairwise(bounds))
    return lines or [""]


def column_widths(ends: Sequence[int], line_length: int) -> list[int]:
    """The widths of the columns, padding included, from where they end.

    The borders and paddings do not fit in: what is too much is taken from the columns evenly.
    """
    starts = [0, *ends[:-1]]
    widths = [max(end - start, 1) + 2 for start, end in zip(starts, ends, strict=True)]
    excess = sum(widths) - (line_length - len(widths) - 1)
    left = len(widths)
    for i, width in enumerate(widths):
        if excess <= 0:
            break
        taken = min(width - 3, round(excess / left))
        widths[i] -= taken
        excess -= taken
        left -= 1
    return widths


def _aligned(text: str, width: int, alignment: str) -> str:
    free = width - cell_len(text)
    if alignment == "right":
        return " " * free + text
    if alignment == "center":
        return " " * (free // 2) + text + " " * (free - free // 2)
    return text + " " * free


def _row(cells: Sequence[str], widths: Sequence[int], alignments: Sequence[str], bar: str, bottom: bool) -> list[str]:
    columns = [wrap(cell, width - 2) for cell, width in zip(cells, widths, strict=True)]
    height = max(len(column) for column in columns)
    for column in columns:
        empty = [""] * (height - len(column))
        column[:] = empty + column if bottom else column + empty
    lines = []
    for i in range(height):
        parts = [
            f" {_aligned(column[i], width - 2, alignment)} "
            for column, width, alignment in zip(columns, widths, alignments, strict=True)
        ]
        lines.append(bar + bar.join(parts) + bar)
    return lines


def render(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    alignments: Sequence[str],
    ends: Sequence[int],
    line_length: int,
) -> str:
    """A table with a heavy head and a line between all rows.

    Args:
        header: Titles of the columns.
        rows: Texts of the cells.
        alignments: `"left"`, `"right"` or `"center"` for each column.
        ends: Where the columns end, the borders not counted.
        line_length: Width of the whole.
    """
    widths = column_widths(ends, line_length)

    def rule(left: str, fill: str, middle: str, right: str) -> str:
        return left + middle.join(fill * width for width in widths) + right

    lines = [rule("┏", "━", "┳", "┓"), *_row(header, widths, alignments, "┃", True), rule("┡", "━", "╇", "┩")]
    for i, row in enumerate(rows):
        if i:
            lines.append(rule("├", "─", "┼", "┤"))
        lines.extend(_row(row, widths, alignments, "│", False))
    lines.append(rule("└", "─", "┴", "┘"))
    return "\n".join(lines)
