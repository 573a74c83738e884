/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Arithmetic that a user-side type defines and the kernel side repeats. Plain C without the kernel's types:
 * tests compile it for the host and compare it with the Rust it repeats.
 */
#ifndef TUNERD_ARITH_H
#define TUNERD_ARITH_H

#include "layout.h"

typedef unsigned long long tunerd_u64;
typedef long long tunerd_s64;
typedef unsigned int tunerd_u32;

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* floor(log2(value)), 0 for 0. BPF has no instruction that counts leading zeroes. */
ALWAYS_INLINE tunerd_u64 log2_floor(tunerd_u64 value)
{
	tunerd_u64 result = 0;

	if (value >> 32) {
		result += 32;
		value >>= 32;
	}
	if (value >> 16) {
		result += 16;
		value >>= 16;
	}
	if (value >> 8) {
		result += 8;
		value >>= 8;
	}
	if (value >> 4) {
		result += 4;
		value >>= 4;
	}
	/* The logs of 0..15, a nibble each. */
	return result + ((0x3333333322221100ULL >> (value << 2)) & 15);
}

/* fingerprint::Snapshot::size_bucket. */
ALWAYS_INLINE tunerd_u64 size_bucket(tunerd_u64 sectors)
{
	tunerd_u64 bits = log2_floor(sectors);

	return bits < SIZE_BUCKETS ? bits : SIZE_BUCKETS - 1;
}

/* fingerprint::Snapshot::gap_bucket. */
ALWAYS_INLINE tunerd_u64 gap_bucket(tunerd_u64 gap)
{
	tunerd_u64 bits;

	if (!gap)
		return 0;
	bits = log2_floor(gap) + 1;
	return bits < GAP_BUCKETS ? bits : GAP_BUCKETS - 1;
}

/* block_types::LatencyHistogram::index. */
ALWAYS_INLINE tunerd_u64 latency_bucket(tunerd_u64 ns)
{
	tunerd_u64 units = ns >> 8, octave, index;

	if (units < 16)
		return units;
	octave = log2_floor(units) - 4;
	index = ((octave + 1) << 4) + ((units >> octave) & 15);
	return index < LATENCY_BUCKETS ? index : LATENCY_BUCKETS - 1;
}

#endif
