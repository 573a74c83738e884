//! Tags: how many requests there may be.
//!
//! The kernel keeps tags in a bitmap. It tries the tag that was freed last first, and asynchronous requests may only
//! have one of the first so many, so that which tags are taken matters and not just how many: the bitmap is modelled.

/// A bitmap of tags.
#[derive(Clone, Debug)]
pub(crate) struct Tags {
    /// One bit to a tag; 1 is free.
    free: Vec<u64>,
    depth: u32,
    hint: u32,
    taken: u32,
}

impl Tags {
    pub(crate) fn new(depth: u32) -> Self {
        let words = depth.div_ceil(64) as usize;
        let mut free = vec![u64::MAX; words];
        if let Some(last) = free.last_mut()
            && !depth.is_multiple_of(64)
        {
            *last = (1 << (depth % 64)) - 1;
        }
        Self { free, depth, hint: 0, taken: 0 }
    }

    pub(crate) const fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether one of the first `limit` is free.
    pub(crate) fn has_free(&self, limit: u32) -> bool {
        self.taken < self.depth && self.first_free(0, limit.min(self.depth)).is_some()
    }

    /// A tag among the first `limit`, if one is free.
    pub(crate) fn take(&mut self, limit: u32) -> Option<u32> {
        if self.taken == self.depth {
            return None;
        }
        let limit = limit.min(self.depth);
        let hint = if self.hint < limit { self.hint } else { 0 };
        let tag = self.first_free(hint, limit).or_else(|| self.first_free(0, hint))?;
        self.free[(tag / 64) as usize] &= !(1 << (tag % 64));
        self.taken += 1;
        if tag == hint {
            self.hint = if tag + 1 >= self.depth { 0 } else { tag + 1 };
        }
        Some(tag)
    }

    fn first_free(&self, from: u32, to: u32) -> Option<u32> {
        let mut at = from;
        while at < to {
            let word = self.free[(at / 64) as usize] >> (at % 64);
            if word != 0 {
                let found = at + word.trailing_zeros();
                return (found < to).then_some(found);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    pub(crate) fn give_back(&mut self, tag: u32) {
        self.free[(tag / 64) as usize] |= 1 << (tag % 64);
        self.taken -= 1;
        self.hint = tag;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_the_depth_and_the_last_freed_comes_first() {
        for depth in [1, 2, 63, 64, 65, 130, 2_048] {
            let mut tags = Tags::new(depth);
            let all: Vec<u32> = std::iter::from_fn(|| tags.take(u32::MAX)).collect();
            assert_eq!(all, (0..depth).collect::<Vec<_>>());
            tags.give_back(depth / 2);
            assert_eq!(tags.take(u32::MAX), Some(depth / 2));
            assert_eq!(tags.take(u32::MAX), None);
        }
    }

    #[test]
    fn a_limit_keeps_to_the_first_tags() {
        let mut tags = Tags::new(100);
        let few: Vec<u32> = std::iter::from_fn(|| tags.take(70)).collect();
        assert_eq!(few.len(), 70);
        assert_eq!(tags.take(100), Some(70));
        tags.give_back(70);
        assert_eq!(tags.take(70), None, "tag 70 is not one of the first 70");
    }
}
