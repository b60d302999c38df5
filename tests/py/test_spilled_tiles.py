"""The tool that finds matrix products whose sums are not kept in registers (`make lint` runs it on the wheel)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import spilled_tiles

# Six sums, of which two go to the stack.
SPILLED = """
  100:\tvbroadcastss (%rdi,%rax,4),%ymm0
  106:\tvfmadd231ps (%rsi),%ymm0,%ymm1
  10b:\tvmovups 0x20(%rsp),%ymm2
  111:\tvfmadd231ps 0x20(%rsi),%ymm0,%ymm2
  117:\tvmovups %ymm2,0x20(%rsp)
  11d:\tvfmadd231ps 0x40(%rsi),%ymm0,%ymm3
  123:\tvfmadd231ps 0x60(%rsi),%ymm0,%ymm4
  129:\tvfmadd231ps 0x80(%rsi),%ymm0,%ymm5
  132:\tvfmadd231ps 0xa0(%rsi),%ymm0,%ymm6
  13b:\tvmovups %ymm6,0x40(%rsp)
  141:\tcmp    %rdx,%rax
  144:\tjne    100 <f+0x100>
"""


def _read(text):
    return [
        spilled_tiles.Instruction(int(m[1], 16), m[2], m[3])
        for m in map(spilled_tiles._LINE.match, text.splitlines())
        if m
    ]


def test_a_spilled_tile_is_found():
    (tile,) = spilled_tiles.spilled_tiles(_read(SPILLED))
    assert (tile.address, tile.products, tile.stores) == (0x100, 6, 2)
    kept = "\n".join(line for line in SPILLED.splitlines() if "(%rsp)" not in line)
    assert not spilled_tiles.spilled_tiles(_read(kept))
