//! Merging among requests that are sorted by sector, as the schedulers that sort do it.
//!
//! The kernel finds what a bio can be put behind in a hash of ends, and what it can be put before in the sorted tree.
//! Both are neighbours in the sorted order, unless requests overlap; then this finds fewer merges than the kernel.

use super::Sorted;
use crate::request::{Bio, Pool};

/// Where a bio can join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind this request.
    Back(u32),
    /// Before it.
    Front(u32),
}

/// Where a bio can join one of the sorted requests; behind one before in front of one.
pub(crate) fn place_for(
    sorted: &Sorted,
    pool: &Pool,
    bio: &Bio,
    max_sectors: u64,
    front: bool,
) -> Option<Place> {
    let position = sorted.position_from(bio.sector);
    let room = |id: u32| {
        let request = pool.request(id);
        request.is_like(bio) && request.sectors() + u64::from(bio.sectors) <= max_sectors
    };
    if let Some(before) = position.checked_sub(1).and_then(|before| sorted.at(before))
        && pool.request(before).end == bio.sector
        && room(before)
    {
        return Some(Place::Back(before));
    }
    let after = sorted.at(position).filter(|_| front)?;
    (pool.request(after).sector == bio.end() && room(after)).then_some(Place::Front(after))
}

/// Whether `second` can be put behind `first`.
pub(crate) fn can_join(pool: &Pool, first: u32, second: u32, max_sectors: u64) -> bool {
    let (first, second) = (pool.request(first), pool.request(second));
    first.end == second.sector
        && first.kind == second.kind
        && first.kind.merges()
        && first.priority == second.priority
        && first.sectors() + second.sectors() <= max_sectors
}
