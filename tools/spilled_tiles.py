"""Finds loops of matrix products in a built extension that keep their sums in memory instead of registers.

A tile of sums has room in the registers only as long as the compiler sees it so; what is inlined around it, and that
differs between a development build and the linked wheel, can push some of them onto the stack, at twice the time or
worse. A loop counts as a product where at least every third instruction multiplies and adds whole vectors, and as
spilled where it stores a vector to the stack for every fourth of these. x86-64 only; needs `objdump`.

    python tools/spilled_tiles.py [path/to/_rustdl.abi3.so]      (default: the installed one)
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Instructions from the jump back to the start of a loop; those of tiles are far shorter.
LONGEST = 400
LEAST_PRODUCTS = 6

_LINE = re.compile(r"^\s+([0-9a-f]+):\s+(\S+)\s*(.*)$")
_PRODUCT = re.compile(r"^v(fn?m(add|sub)\w+p[sd]|dpbf16ps)$")
_VECTOR = re.compile(r"%[yz]mm\d+")
_STORE_TO_STACK = re.compile(r"%[yz]mm\d+,-?(0x[0-9a-f]+)?\(%rsp\)")


class Instruction(NamedTuple):
    """One line of the disassembly."""

    address: int
    name: str
    operands: str


class SpilledTile(NamedTuple):
    """A loop of products with sums on the stack."""

    address: int
    products: int
    stores: int
    instructions: int


def disassemble(path: str) -> Iterator[Instruction]:
    """The instructions of a shared object, in order."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := _LINE.match(line):
                yield Instruction(int(found[1], 16), found[2], found[3])


def _loops(instructions: Iterable[Instruction]) -> Iterator[list[Instruction]]:
    """From the target of each short jump backwards to the jump."""
    recent: list[Instruction] = []
    for instruction in instructions:
        recent.append(instruction)
        if len(recent) > 2 * LONGEST:
            del recent[:LONGEST]
        if not instruction.name.startswith("j"):
            continue
        target = re.match(r"[0-9a-f]+", instruction.operands)
        if target is None:
            continue
        start = int(target[0], 16)
        if not recent[0].address <= start <= instruction.address:
            continue
        body = [i for i in recent[-LONGEST:] if i.address >= start]
        if body[0].address == start:
            yield body


def spilled_tiles(instructions: Iterable[Instruction]) -> list[SpilledTile]:
    """The spilled loops, each once for every jump to its start."""
    found = []
    for body in _loops(instructions):
        products = sum(bool(_PRODUCT.match(i.name) and _VECTOR.search(i.operands)) for i in body)
        stores = sum(i.name.startswith("vmov") and bool(_STORE_TO_STACK.search(i.operands)) for i in body)
        if products >= LEAST_PRODUCTS and 3 * products >= len(body) and 4 * stores >= products:
            found.append(SpilledTile(body[0].address, products, stores, len(body)))
    return found


def main() -> None:
    """Prints what was found; the exit status is 1 where anything was."""
    if shutil.which("objdump") is None or platform.machine() not in ("x86_64", "AMD64"):
        print("not checked: this reads x86-64 code with objdump")
        return
    found = spilled_tiles(disassemble(sys.argv[1] if len(sys.argv) > 1 else _installed()))
    for tile in found:
        print(
            f"{tile.address:x}: {tile.products} products and {tile.stores} stores of sums in "
            f"{tile.instructions} instructions"
        )
    print(f"{len(found)} spilled tiles")
    sys.exit(bool(found))


def _installed() -> str:
    from rustdl import _rustdl

    return _rustdl.__file__


if __name__ == "__main__":
    main()
