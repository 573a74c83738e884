/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The table of recent stream ends: fingerprint::StreamTable, bit for bit (a test feeds both the same bios).
 *
 * One table a disk, shared by all CPUs and unlocked: a lost update costs one false gap, while a table a CPU would
 * lose every writer that migrates. Every store is of one aligned word, so a race leaves an older or a newer
 * state and never a broken one.
 */
#ifndef TUNERD_STREAMS_H
#define TUNERD_STREAMS_H

#include "arith.h"

#define STREAM_ENDS 16
/* The end of a stream that is not there: farther from any sector than any other. Distances must leave six bits of a
 * word free, for the index and for comparing by subtraction. */
#define NO_END (1ULL << 57)
/* All sixteen indexes, the least recently moved in the highest nibble: 0 is filled first. */
#define FIRST_ORDER 0x0123456789abcdefULL

struct streams {
	tunerd_u64 end[STREAM_ENDS];
	/* Indexes of `end`, a nibble each: the most recently moved in the lowest, the next victim in the highest. */
	tunerd_u64 order;
	/* Start of the previous data bio. */
	tunerd_u64 previous;
	/* The on-phase that all this belongs to; 0 before the first. */
	tunerd_u64 epoch;
} __attribute__((aligned(64)));

struct gap {
	tunerd_u64 nearest;
	tunerd_u64 distance;
	int known;
};

/*
 * Absolute difference and minimum without a branch: for random I/O each of sixteen comparisons would be a coin that
 * no branch predictor calls, and that cost more than all the rest. The compiler must not see what these are, or it
 * makes branches of them. Valid below 2^62.
 */
ALWAYS_INLINE tunerd_u64 sign_of(tunerd_u64 difference)
{
	tunerd_s64 sign = (tunerd_s64)difference >> 63;

	asm volatile("" : "+r"(sign));
	return (tunerd_u64)sign;
}

ALWAYS_INLINE tunerd_u64 distance(tunerd_u64 a, tunerd_u64 b)
{
	tunerd_u64 difference = a - b, sign = sign_of(difference);

	return (difference ^ sign) - sign;
}

ALWAYS_INLINE tunerd_u64 smaller(tunerd_u64 a, tunerd_u64 b)
{
	tunerd_u64 difference = a - b;

	return b + (difference & sign_of(difference));
}

ALWAYS_INLINE void streams_restart(struct streams *table, tunerd_u64 epoch)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < STREAM_ENDS; i++)
		table->end[i] = NO_END;
	table->order = FIRST_ORDER;
	table->epoch = epoch;
}

/* Moves index `i` to the lowest nibble of `order`; those that were below it move up by one. */
ALWAYS_INLINE tunerd_u64 most_recent(tunerd_u64 order, tunerd_u64 i)
{
	/* The nibble that equals `i` becomes 0, and the lowest zero nibble is found without a loop. */
	tunerd_u64 match = order ^ (i * 0x1111111111111111ULL);
	tunerd_u64 zero = (match - 0x1111111111111111ULL) & ~match & 0x8888888888888888ULL;
	tunerd_u64 below = zero ^ (zero - 1);

	return (order & ~below) | (((order << 4) | i) & below);
}

ALWAYS_INLINE void streams_observe(struct streams *table, tunerd_u64 sector, tunerd_u64 sectors,
				   tunerd_u64 near, tunerd_u64 epoch, struct gap *gap)
{
	/* Distance << 4 | index: the least of them is the nearest end, and the first of equals. */
	tunerd_u64 best = ~0ULL >> 2, order, i;

	gap->known = table->epoch == epoch;
	if (!gap->known)
		streams_restart(table, epoch);
#pragma clang loop unroll(full)
	for (int k = 0; k < STREAM_ENDS; k++) {
		best = smaller(best, distance(sector, table->end[k]) << 4 | k);
	}
	gap->nearest = best >> 4;
	gap->distance = distance(sector, table->previous);
	table->previous = sector;
	order = table->order;
	if (gap->nearest <= near) {
		i = best & 15;
		if (i != (order & 15))
			table->order = most_recent(order, i);
	} else {
		i = order >> 60;
		table->order = order << 4 | i;
	}
	table->end[i] = sector + sectors;
}

#endif
