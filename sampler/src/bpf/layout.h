/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * What the kernel side and the user side share: `layout.rs` mirrors this file and a test holds the two together.
 * Everything that user space reads is an array of u64, so that there is no padding to agree on.
 */
#ifndef TUNERD_LAYOUT_H
#define TUNERD_LAYOUT_H

/* Disks that one source can watch. A power of two: indexes are masked. */
#define MAX_DISKS 64
/* Buckets of the table that finds a disk by its number; a power of two, and well above MAX_DISKS. */
#define DISK_BUCKETS 1024
#define DISK_BUCKET_BITS 10
/* Sampled bios that can be in flight at once, over all disks; a power of two. One half is for those that somebody
 * waits for and one for writeback, which comes by the thousand and would leave no room for others. */
#define SLOTS 4096
#define SLOT_BITS 12

#define SIZE_BUCKETS 16
#define GAP_BUCKETS 48
#define LATENCY_BUCKETS 464
/* Reads, synchronous writes, asynchronous writes; and what was submitted before the disk's mark. */
#define LATENCY_CLASSES 4
#define CARRIED 3
/* As diskstats groups them: read, write, discard. */
#define GROUPS 3

/* Counters of one disk on one CPU. */
enum {
	/* Submission of data bios. The pairs are indexed by direction: read, write. */
	C_BIOS = 0,
	C_SECTORS = 2,
	C_NEAR = 4,
	C_GAPS,
	C_GAP_SUM,
	C_DISTANCE_SUM,
	C_SYNC,
	/* Data bios to pass over before the next is followed to its completion. Not a count. */
	C_SKIP,
	C_SIZE_LOG2,
	C_GAP_LOG2 = C_SIZE_LOG2 + SIZE_BUCKETS,
	/* Submission of everything else. */
	C_FLUSHES = C_GAP_LOG2 + GAP_BUCKETS,
	C_DISCARDS,
	C_OTHERS,
	/* Data requests that ended with an error. */
	C_ERRORS,
	/* Exact accounting, continuous mode only. All but the groups leave discards out. */
	C_X_BIOS,
	C_X_SPLITS,
	C_X_REQUESTS,
	C_X_BIO_MERGES,
	C_X_RQ_MERGES,
	C_X_UNQUEUED,
	C_X_DONE,
	C_X_DONE_SECTORS = C_X_DONE + GROUPS,
	COUNTERS = C_X_DONE_SECTORS + GROUPS,
};

/* Latencies of one disk, all CPUs together. Counts and sums are of all data bios, estimated from the followed. */
enum {
	L_COUNTS = 0,
	L_SUM_NS = L_COUNTS + LATENCY_CLASSES * LATENCY_BUCKETS,
	/* Sampled bios that are in flight, less those that were lost sight of. */
	L_PENDING = L_SUM_NS + LATENCY_CLASSES,
	/* Bios that were to be sampled but found their slot taken. */
	L_COLLISIONS,
	/* Slots whose bio turned out to be another one, or ended without a request. */
	L_STALE,
	/* The tick of the latest data bio, in jiffies. */
	L_LAST_BIO_TICK,
	/* CLOCK_MONOTONIC of the first data bio in that tick, and of the first one after the last pause. */
	L_LAST_BIO_NS,
	L_FIRST_BIO_NS,
	LATENCIES,
};

/* A sampled bio in flight. A slot is free while `bio` is 0. */
enum {
	S_BIO = 0,
	S_QUEUED_NS,
	/* First sector after the bio: what neither a split nor a partial completion changes. */
	S_END,
	/* Weight << 32 | disk index << 8 | latency class. The weight is how many data bios this one stands for. */
	S_TAG,
	SLOT_WORDS,
};

#endif
