//! Offsets of temporaries in one arena: blocks whose lifetimes do not meet share memory.

/// A temporary: its size and the steps from that which writes it to the last that reads it.
#[derive(Debug, Clone)]
pub struct Block {
    /// Size in bytes.
    pub bytes: usize,
    /// The step that writes it first.
    pub first: usize,
    /// The last step that reads it.
    pub last: usize,
}

const ALIGN: usize = 64;

/// Offsets of the blocks and the size of the arena.
///
/// The largest block first, each into the smallest gap that fits among those already placed whose
/// lifetimes overlap its own (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural
/// Net Inference": greedy by size).
pub fn assign(blocks: &[Block]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(blocks[i].bytes), blocks[i].first));
    let mut offsets = vec![0; blocks.len()];
    let mut placed: Vec<usize> = Vec::new(); // by offset
    let mut total = 0;
    for &i in &order {
        let block = &blocks[i];
        let size = block.bytes.div_ceil(ALIGN).max(1) * ALIGN;
        let mut best: Option<(usize, usize)> = None;
        let mut end = 0;
        for &j in &placed {
            if blocks[j].last < block.first || block.last < blocks[j].first {
                continue;
            }
            let start = offsets[j];
            if start >= end + size && best.is_none_or(|(gap, _)| start - end < gap) {
                best = Some((start - end, end));
            }
            end = end.max(start + blocks[j].bytes.div_ceil(ALIGN).max(1) * ALIGN);
        }
        let offset = best.map_or(end, |b| b.1);
        offsets[i] = offset;
        total = total.max(offset + size);
        let at = placed.partition_point(|&j| offsets[j] <= offset);
        placed.insert(at, i);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_live_at_once_never_overlap_and_memory_is_shared() {
        // A chain: each block lives for two steps, so three slots of the largest size are plenty.
        let blocks: Vec<Block> = (0..100)
            .map(|i| Block {
                bytes: 100 + (i * 37) % 300,
                first: i,
                last: i + 1,
            })
            .collect();
        let (offsets, total) = assign(&blocks);
        for i in 0..blocks.len() {
            for j in 0..i {
                let alive = blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
                let apart = offsets[i] + blocks[i].bytes <= offsets[j]
                    || offsets[j] + blocks[j].bytes <= offsets[i];
                assert!(!alive || apart, "blocks {i} and {j} overlap");
            }
        }
        assert!(total <= 3 * 448, "{total}");
        assert!(offsets.iter().all(|o| o % ALIGN == 0));
    }
}
