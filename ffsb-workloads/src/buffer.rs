//! Memory that direct I/O takes, filled with what no disk can compress.

use crate::profile::ALIGNMENT;
use rand::RngCore;

const PAGE: usize = ALIGNMENT as usize;

/// Bytes that begin at a multiple of [`ALIGNMENT`].
#[derive(Debug)]
pub(crate) struct Buffer {
    // Longer than asked for, so that an aligned part of the wanted length is in it. It never grows, so it never moves.
    bytes: Vec<u8>,
    begin: usize,
    len: usize,
    stamp: u64,
}

impl Buffer {
    /// Of this length, with random content.
    #[must_use]
    pub(crate) fn random(len: usize, random: &mut impl RngCore) -> Self {
        let mut bytes = vec![0; len + PAGE];
        let begin = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        random.fill_bytes(&mut bytes);
        Self { bytes, begin, len, stamp: random.next_u64() }
    }

    /// The first `len` bytes, to be overwritten by a read.
    pub(crate) fn room_to_read(&mut self, len: usize) -> &mut [u8] {
        let end = self.begin + len.min(self.len);
        &mut self.bytes[self.begin..end]
    }

    /// The first `len` bytes, to be written. Every page of them differs from all that were given before, so that storage
    /// which stores equal pages once gains nothing.
    pub(crate) fn data_to_write(&mut self, len: usize) -> &[u8] {
        let stamp = &mut self.stamp;
        let slice = &mut self.bytes[self.begin..self.begin + len.min(self.len)];
        for page in slice.chunks_mut(PAGE) {
            // An odd step visits every value before one returns.
            *stamp = stamp.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let written = page.len().min(8);
            page[..written].copy_from_slice(&stamp.to_le_bytes()[..written]);
        }
        slice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::HashSet;

    #[test]
    fn it_is_aligned_and_no_page_comes_twice() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for len in [1, 512, 4096, 12_288, 100_000] {
            let mut buffer = Buffer::random(len, &mut random);
            assert_eq!(buffer.room_to_read(len).as_ptr().addr() % PAGE, 0);
            assert_eq!(buffer.room_to_read(len).len(), len);
        }
        let mut buffer = Buffer::random(4 * PAGE, &mut random);
        let mut seen = HashSet::new();
        for _ in 0..100 {
            for page in buffer.data_to_write(4 * PAGE).chunks(PAGE) {
                assert!(seen.insert(page.to_vec()), "a page came twice");
                assert!(page.iter().filter(|byte| **byte == 0).count() < PAGE / 16, "a page of zeroes");
            }
        }
    }
}
