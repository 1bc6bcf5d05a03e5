//! Where each tensor lives: a colour (a buffer) and an offset, from how long it is needed.

use super::emit::{Call, Operand, Tensor, TensorId};
use crate::kernel::Access;
use crate::layout::padded;
use std::ops::Range;

/// The tensors that a launch reads and those that it writes.
fn touched(call: &Call, access: Access) -> impl Iterator<Item = TensorId> + '_ {
    // A load is a read, whether from the buffer or from its mirror; a store is a write.
    let kind = |a: Access| match a {
        Access::Load => Access::Read,
        Access::Store => Access::Write,
        other => other,
    };
    let pairs = call.operands.iter().zip(call.kernel.entry().bindings);
    pairs.filter_map(move |(operand, binding)| match operand {
        Operand::Tensor(t) if kind(binding.2) == access => Some(*t),
        _ => None,
    })
}

/// First and last launch that touches each tensor.
fn lifetimes(calls: &[Call], tensors: usize) -> Vec<Range<usize>> {
    let never = Range { start: usize::MAX, end: 0 };
    let mut lives = vec![never; tensors];
    for (i, call) in calls.iter().enumerate() {
        for t in touched(call, Access::Read).chain(touched(call, Access::Write)) {
            lives[t.0].start = lives[t.0].start.min(i);
            lives[t.0].end = i + 1;
        }
    }
    lives
}

/// The lowest colour for each tensor such that no launch reads and writes one colour: WebGPU forbids it for a
/// buffer, even in disjoint ranges.
fn colours(calls: &[Call], tensors: usize) -> Vec<usize> {
    let mut rivals = vec![Vec::new(); tensors];
    for call in calls {
        for read in touched(call, Access::Read) {
            for write in touched(call, Access::Write) {
                rivals[read.0].push(write.0);
                rivals[write.0].push(read.0);
            }
        }
    }
    let mut colours = vec![usize::MAX; tensors];
    for t in 0..tensors {
        let taken: Vec<usize> = rivals[t].iter().map(|&r| colours[r]).collect();
        colours[t] = (0..).find(|c| !taken.contains(c)).unwrap_or(0);
    }
    colours
}

/// Puts every tensor somewhere: (colour, offset) of each, and the words that each colour needs. Tensors that are
/// never needed at the same time may share their place. Each starts at a multiple of `align` words.
pub(crate) fn place(
    calls: &[Call],
    tensors: &[Tensor],
    replicas: usize,
    align: usize,
) -> (Vec<(usize, usize)>, Vec<usize>) {
    let size = |t: &Tensor| (replicas * padded(t.len)).next_multiple_of(align);
    let lives = lifetimes(calls, tensors.len());
    let colours = colours(calls, tensors.len());
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(tensors.len());
    let mut sizes = vec![0; colours.iter().map(|c| c + 1).max().unwrap_or(0)];
    for (t, tensor) in tensors.iter().enumerate() {
        let words = size(tensor);
        // What is in the way: earlier tensors of this colour that live at the same time, by offset.
        let mut taken: Vec<Range<usize>> = (0..t)
            .filter(|&o| {
                colours[o] == colours[t] && lives[o].start < lives[t].end && lives[t].start < lives[o].end
            })
            .map(|o| places[o].1..places[o].1 + size(&tensors[o]))
            .collect();
        taken.sort_by_key(|r| r.start);
        let mut offset = 0;
        for range in taken {
            if offset + words <= range.start {
                break;
            }
            offset = offset.max(range.end);
        }
        places.push((colours[t], offset));
        sizes[colours[t]] = sizes[colours[t]].max(offset + words);
    }
    (places, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    fn chain(links: &[(usize, usize)]) -> Vec<Call> {
        let operand = |t| Operand::Tensor(TensorId(t));
        let call = |&(x, y): &(usize, usize)| Call {
            kernel: Kernel::Activation,
            act: 0,
            dims: vec![],
            operands: vec![operand(x), operand(y)],
            bases: vec![],
            groups: [1; 3],
            note: String::new(),
            flops: 0,
        };
        links.iter().map(call).collect()
    }

    #[test]
    fn a_chain_needs_two_colours_and_reuses_them() {
        let calls = chain(&[(0, 1), (1, 2), (2, 3), (3, 4)]);
        let tensors: Vec<_> = (0..5).map(|_| Tensor { len: 100, row: None }).collect();
        let (places, sizes) = place(&calls, &tensors, 1, 64);
        assert_eq!(places.iter().map(|p| p.0).collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
        // Tensor 0 is dead when 2 is written: one place serves both.
        assert_eq!(places[0].1, places[2].1);
        assert_eq!(sizes, [128, 128]);
    }

    proptest::proptest! {
        /// Whatever is launched: no two live tensors overlap, and no launch reads and writes one colour.
        #[test]
        fn places_never_clash(
            links in proptest::collection::vec((0usize..9, 0usize..9), 1..30),
            replicas in 1usize..4,
            align in proptest::sample::select(vec![64usize, 4096]),
        ) {
            let links: Vec<_> = links.into_iter().filter(|(x, y)| x != y).collect();
            let calls = chain(&links);
            let tensors: Vec<_> = (0..9).map(|i| Tensor { len: 50 + 37 * i, row: None }).collect();
            let (places, sizes) = place(&calls, &tensors, replicas, align);
            let lives = lifetimes(&calls, 9);
            let end = |t: usize| places[t].1 + replicas * padded(tensors[t].len);
            for (x, y) in links {
                proptest::prop_assert_ne!(places[x].0, places[y].0);
            }
            for a in 0..9 {
                proptest::prop_assert!(places[a].1 % align == 0 && end(a) <= sizes[places[a].0]);
                for b in 0..a {
                    let apart = places[a].0 != places[b].0 || end(a) <= places[b].1 || end(b) <= places[a].1;
                    let together = lives[a].start < lives[b].end && lives[b].start < lives[a].end;
                    proptest::prop_assert!(apart || !together, "{} and {}", a, b);
                }
            }
        }
    }
}
