/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Counts block I/O in the kernel, per disk. Nothing goes to user space for an I/O: it reads the maps when it
 * wants to know.
 *
 * The order of work in every program is that of cost: the switch, then which disk, then counters of this CPU,
 * then what CPUs share. With the switch off a program is two loads and a return.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "streams.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* How long a disk must have been without data bios for the next one to count as the first of new work. Longer
 * than the off-phase of a duty cycle. */
#define PAUSE_NS 250000000ULL
/* A sampled bio that old has been lost sight of, and its slot may be used again. */
#define EXPIRED_NS 120000000000ULL
/* Bios of one request that are looked up: beyond a request's largest number of segments on usual hardware. */
#define MAX_CHAIN 512

/* Set before loading; constants to the verifier, which drops what they rule out. */
const volatile struct {
	__u64 near_sectors;
	/* Spreads the watched device numbers over the table without a collision. */
	__u32 disk_multiplier;
	/* Whether requests and completions are accounted for as well. */
	__u32 exact;
	struct {
		__u32 dev;
		__u32 disk;
	} disk_table[DISK_BUCKETS];
} config SEC(".rodata.config");

/* Written by user space only, so that the line stays shared by all CPUs. */
struct control {
	/* Whether any disk is watched right now. */
	__u32 any_on;
	__u32 unused;
	struct {
		__u32 on;
		/* Goes up with each on-phase; never 0 while on. */
		__u32 epoch;
		/* One in so many data bios is followed to its completion; 0 for none. */
		__u32 every;
		__u32 unused;
		/* CLOCK_MONOTONIC. A bio that was queued before is another's, and counted apart; 0 for no mark. */
		__u64 mark;
	} disk[MAX_DISKS];
} control SEC(".data.control");

/* Sampled bios in flight, all disks: whether a completion needs to look any further. */
struct {
	__u64 count;
} in_flight __attribute__((aligned(64))) SEC(".data.in_flight");

struct streams streams[MAX_DISKS] SEC(".bss.streams");

__u64 slots[SLOTS][SLOT_WORDS] __attribute__((aligned(64))) SEC(".bss.slots");

struct counters {
	__u64 at[COUNTERS];
};

struct latencies {
	__u64 at[LATENCIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_DISKS);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_DISKS);
	__type(key, __u32);
	__type(value, struct latencies);
} latencies SEC(".maps");

/*
 * Shows the verifier what the compiler knows already: that an index is at most `mask`. Verifiers before Linux 6.3 lose
 * sight of bounds on their way through 32-bit halves and copies.
 */
#define BOUND(index, mask) asm volatile("%0 &= " #mask : "+r"(index))

/* The index of the disk behind a device or partition, or -1 for one that is not watched. */
static __always_inline int disk_of(struct block_device *bdev)
{
	struct gendisk *disk = bdev->bd_disk;
	__u32 dev = (__u32)disk->major << 20 | (__u32)disk->first_minor;
	__u32 bucket = (dev * config.disk_multiplier) >> (32 - DISK_BUCKET_BITS);

	if (config.disk_table[bucket].dev != dev)
		return -1;
	return config.disk_table[bucket].disk & (MAX_DISKS - 1);
}

/* REQ_SYNC, as a flag. */
static __always_inline __u32 sync_flag(void)
{
	return 1u << bpf_core_enum_value(enum req_flag_bits, __REQ_SYNC);
}

/* The lowest bit of an id says which half of the table it belongs to. */
#define WRITEBACK 1

/* A bio's address as a number, and whether it is writeback; never 0. The verifier allows no arithmetic on an address
 * but to subtract another; a bio's is even. */
static __always_inline __u64 id_of(struct bio *bio, __u32 flags)
{
	__u64 id = (__u64)bio - (__u64)slots;

	barrier_var(id);
	return (flags & (1 | sync_flag())) == OP_WRITE ? id | WRITEBACK : id;
}

static __always_inline __u64 *slot_of(__u64 id)
{
	__u64 index = ((id >> 4) * 0x9e3779b97f4a7c15ULL) >> (65 - SLOT_BITS);

	index |= (id & WRITEBACK) << (SLOT_BITS - 1);
	BOUND(index, 4095);
	return slots[index];
}

static __always_inline __u64 end_of(struct bio *bio)
{
	return bio->bi_iter.bi_sector + (bio->bi_iter.bi_size >> 9);
}

static __always_inline void release(__u64 *slot, struct latencies *shared)
{
	slot[S_BIO] = 0;
	__sync_fetch_and_add(&in_flight.count, -1ULL);
	__sync_fetch_and_add(&shared->at[L_PENDING], -1ULL);
}

/* Begins to follow a data bio to its completion. */
static __always_inline void follow(__u64 id, __u32 disk, struct latencies *shared, __u32 class,
				   __u64 end, __u32 every)
{
	__u64 *slot = slot_of(id);
	__u64 now = bpf_ktime_get_ns(), old = slot[S_BIO];

	if (old) {
		/* The same pointer again: its last use ended unseen. */
		if (old != id && now - slot[S_QUEUED_NS] < EXPIRED_NS) {
			__sync_fetch_and_add(&shared->at[L_COLLISIONS], 1);
			return;
		}
		__sync_fetch_and_add(&shared->at[L_STALE], 1);
	}
	if (__sync_val_compare_and_swap(&slot[S_BIO], old, id) != old)
		return;
	slot[S_QUEUED_NS] = now;
	slot[S_END] = end;
	slot[S_TAG] = (__u64)every << 32 | disk << 8 | class;
	if (!old) {
		__sync_fetch_and_add(&in_flight.count, 1);
		__sync_fetch_and_add(&shared->at[L_PENDING], 1);
	}
}

/*
 * Ends the following of a bio whose slot has its id. `end` is the sector after it, or NO_END for one that was lost
 * sight of. A global function, which the verifier checks once and not for each way to a call.
 */
__attribute__((noinline)) int unfollow(__u64 id, __u64 end)
{
	__u64 *slot = slot_of(id), tag = slot[S_TAG], ns, index;
	__u32 every = tag >> 32, disk = (__u32)tag >> 8, class = tag & 0xff;
	struct latencies *shared = bpf_map_lookup_elem(&latencies, &disk);
	__u64 at = disk;

	if (!shared)
		return 0;
	BOUND(at, 63);
	if (slot[S_QUEUED_NS] < control.disk[at].mark)
		class = CARRIED;
	if (slot[S_END] != end) {
		__sync_fetch_and_add(&shared->at[L_STALE], 1);
	} else if (class < LATENCY_CLASSES) {
		/* Weighted, so that a change of the sampling rate does not favour the period of the finer one. */
		ns = bpf_ktime_get_ns() - slot[S_QUEUED_NS];
		index = class * LATENCY_BUCKETS + latency_bucket(ns);
		if (index < LATENCY_CLASSES * LATENCY_BUCKETS)
			__sync_fetch_and_add(&shared->at[L_COUNTS + index], every);
		__sync_fetch_and_add(&shared->at[L_SUM_NS + class], ns * every);
	}
	release(slot, shared);
	return 0;
}

/* Whether this bio is followed. */
static __always_inline int followed(__u64 id)
{
	return slot_of(id)[S_BIO] == id;
}

static __always_inline int op_of(__u32 flags)
{
	return flags & OP_MASK;
}

/* A data bio arrived. */
static __always_inline void count_data(struct bio *bio, __u32 disk, struct counters *mine, __u32 flags,
				       __u32 bytes)
{
	__u64 write = flags & 1, sectors = bytes >> 9, sector = bio->bi_iter.bi_sector, now, bucket;
	__u32 sync = !write || (flags & sync_flag());
	__u64 index = disk, epoch;
	struct latencies *shared;
	struct gap gap;
	__u32 every;

	BOUND(write, 1);
	mine->at[C_BIOS + write]++;
	mine->at[C_SECTORS + write] += sectors;
	mine->at[C_SYNC] += !!sync;
	bucket = size_bucket(sectors);
	BOUND(bucket, 15);
	mine->at[C_SIZE_LOG2 + bucket]++;

	/* The key of a map lookup lies on the stack, and comes back from there without bounds. */
	BOUND(index, 63);
	every = control.disk[index].every;
	epoch = control.disk[index].epoch;
	streams_observe(&streams[index], sector, sectors, config.near_sectors, epoch, &gap);
	if (gap.known) {
		mine->at[C_GAPS]++;
		if (gap.nearest <= config.near_sectors)
			mine->at[C_NEAR]++;
		mine->at[C_GAP_SUM] += gap.nearest;
		mine->at[C_DISTANCE_SUM] += gap.distance;
		bucket = gap_bucket(gap.nearest);
		/* Above the last bucket, and still among the counters. */
		BOUND(bucket, 63);
		mine->at[C_GAP_LOG2 + bucket]++;
	}

	shared = bpf_map_lookup_elem(&latencies, &disk);
	if (!shared)
		return;
	/* The clock is read once a tick; the tick itself is one load. */
	now = bpf_jiffies64();
	if (now != shared->at[L_LAST_BIO_TICK]) {
		shared->at[L_LAST_BIO_TICK] = now;
		now = bpf_ktime_get_ns();
		if (now - shared->at[L_LAST_BIO_NS] > PAUSE_NS)
			shared->at[L_FIRST_BIO_NS] = now;
		shared->at[L_LAST_BIO_NS] = now;
	}
	if (!every)
		return;
	if (mine->at[C_SKIP]) {
		mine->at[C_SKIP]--;
		return;
	}
	/* A random stride with the right mean: a fixed one would beat with the workload's own rhythm. */
	if (every > 1)
		mine->at[C_SKIP] = bpf_get_prandom_u32() % (2 * every - 1);
	follow(id_of(bio, flags), disk, shared, write ? 2 - !!sync : 0, sector + sectors, every);
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(bio_queue, struct bio *bio)
{
	struct counters *mine;
	__u32 flags, bytes, disk;
	int found, op;

	if (!control.any_on)
		return 0;
	found = disk_of(bio->bi_bdev);
	if (found < 0)
		return 0;
	disk = found;
	if (!control.disk[disk].on)
		return 0;
	mine = bpf_map_lookup_elem(&counters, &disk);
	if (!mine)
		return 0;
	flags = bio->bi_opf;
	bytes = bio->bi_iter.bi_size;
	op = op_of(flags);
	if (config.exact && op != OP_DISCARD)
		mine->at[C_X_BIOS]++;
	if (op <= OP_WRITE && bytes)
		count_data(bio, disk, mine, flags, bytes);
	else if (op == OP_WRITE || op == OP_FLUSH)
		mine->at[C_FLUSHES]++;
	else if (op == OP_DISCARD || op == OP_SECURE_ERASE)
		mine->at[C_DISCARDS]++;
	else
		mine->at[C_OTHERS]++;
	return 0;
}

static __always_inline struct counters *counters_of(struct block_device *bdev)
{
	__u32 disk;
	int found;

	if (!control.any_on)
		return 0;
	found = disk_of(bdev);
	if (found < 0)
		return 0;
	disk = found;
	if (!control.disk[disk].on)
		return 0;
	return bpf_map_lookup_elem(&counters, &disk);
}

/* What diskstats accounts: RQF_IO_STAT. */
static __always_inline __u32 io_stat_flag(void)
{
	if (bpf_core_enum_value_exists(enum rqf_flags, __RQF_IO_STAT))
		return 1u << bpf_core_enum_value(enum rqf_flags, __RQF_IO_STAT);
	return OLD_RQF_IO_STAT;
}

/* The flush machine's own passage of a request, which diskstats does not count: RQF_FLUSH_SEQ. */
static __always_inline __u32 flush_seq_flag(void)
{
	if (bpf_core_enum_value_exists(enum rqf_flags, __RQF_FLUSH_SEQ))
		return 1u << bpf_core_enum_value(enum rqf_flags, __RQF_FLUSH_SEQ);
	return OLD_RQF_FLUSH_SEQ;
}

/* op_stat_group(). */
static __always_inline __u32 group_of(__u32 flags)
{
	int op = op_of(flags);

	return op == OP_DISCARD ? 2 : op & 1;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(rq_complete, struct request *rq, __u32 error, __u32 bytes)
{
	struct counters *mine;
	struct bio *bio;

	/* The error is an int or a blk_status_t of 8 bits; both are 0 for none. */
	if (config.exact || (__u8)error) {
		struct block_device *part = rq->part;

		if (part && rq->bio && (rq->rq_flags & io_stat_flag())) {
			mine = counters_of(part);
			if (mine) {
				if (config.exact)
					mine->at[C_X_DONE_SECTORS + group_of(rq->cmd_flags)] += bytes >> 9;
				if ((__u8)error && op_of(rq->cmd_flags) <= OP_WRITE)
					mine->at[C_ERRORS]++;
			}
		}
	}
	if (!in_flight.count)
		return 0;
	bio = rq->bio;
	for (int i = 0; i < MAX_CHAIN && bio; i++) {
		__u32 size = bio->bi_iter.bi_size;
		__u64 id = id_of(bio, bio->bi_opf);

		/* Completed in part: this bio is not yet done. */
		if (size > bytes)
			break;
		bytes -= size;
		if (followed(id))
			unfollow(id, end_of(bio));
		bio = bio->bi_next;
	}
	return 0;
}

/* Fires for a bio that ends without ever having been in a request, such as one that must not wait (REQ_NOWAIT)
 * and found no tag; and for those of bio-based drivers. */
SEC("tp_btf/block_bio_complete")
int BPF_PROG(bio_complete, void *queue, struct bio *bio)
{
	if (in_flight.count) {
		__u64 id = id_of(bio, bio->bi_opf);

		if (followed(id))
			unfollow(id, NO_END);
	}
	if (config.exact && op_of(bio->bi_opf) != OP_DISCARD) {
		struct counters *mine = counters_of(bio->bi_bdev);

		if (mine)
			mine->at[C_X_UNQUEUED]++;
	}
	return 0;
}

/* From here on: continuous mode with exact accounting only. */

static __always_inline int count_bio(struct bio *bio, __u32 counter)
{
	struct counters *mine;

	if (op_of(bio->bi_opf) == OP_DISCARD)
		return 0;
	mine = counters_of(bio->bi_bdev);
	if (mine)
		mine->at[counter]++;
	return 0;
}

SEC("tp_btf/block_io_done")
int BPF_PROG(io_done, struct request *rq)
{
	struct block_device *part = rq->part;
	__u32 flags = rq->rq_flags;
	struct counters *mine;

	if (!part || !(flags & io_stat_flag()) || (flags & flush_seq_flag()))
		return 0;
	mine = counters_of(part);
	if (mine)
		mine->at[C_X_DONE + group_of(rq->cmd_flags)]++;
	return 0;
}

SEC("tp_btf/block_getrq")
int BPF_PROG(getrq, struct bio *bio)
{
	return count_bio(bio, C_X_REQUESTS);
}

SEC("tp_btf/block_split")
int BPF_PROG(split, struct bio *bio)
{
	return count_bio(bio, C_X_SPLITS);
}

SEC("tp_btf/block_bio_backmerge")
int BPF_PROG(bio_backmerge, struct bio *bio)
{
	return count_bio(bio, C_X_BIO_MERGES);
}

SEC("tp_btf/block_bio_frontmerge")
int BPF_PROG(bio_frontmerge, struct bio *bio)
{
	return count_bio(bio, C_X_BIO_MERGES);
}

SEC("tp_btf/block_rq_merge")
int BPF_PROG(rq_merge, struct request *rq)
{
	struct block_device *part = rq->part;
	struct counters *mine;

	if (!part || op_of(rq->cmd_flags) == OP_DISCARD)
		return 0;
	mine = counters_of(part);
	if (mine)
		mine->at[C_X_RQ_MERGES]++;
	return 0;
}
