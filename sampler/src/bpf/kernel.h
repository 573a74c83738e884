/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The few kernel types that the programs look into, with the few members that they read. The loader relocates
 * each access to where the running kernel keeps the member (CO-RE), so no generated vmlinux.h is needed.
 */
#ifndef TUNERD_KERNEL_H
#define TUNERD_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct gendisk {
	int major;
	int first_minor;
};

struct block_device {
	struct gendisk *bd_disk;
};

struct bvec_iter {
	__u64 bi_sector;
	__u32 bi_size;
};

struct bio {
	struct bio *bi_next;
	struct block_device *bi_bdev;
	__u32 bi_opf;
	struct bvec_iter bi_iter;
};

struct request {
	__u32 cmd_flags;
	__u32 rq_flags;
	struct bio *bio;
	struct block_device *part;
};

#pragma clang attribute pop

/* enum req_op; the operations below have had these numbers since Linux 4.8. */
#define OP_MASK 0xff
#define OP_READ 0
#define OP_WRITE 1
#define OP_FLUSH 2
#define OP_DISCARD 3
#define OP_SECURE_ERASE 5

/* Named so that the loader finds its like in the running kernel. */
enum req_flag_bits {
	__REQ_SYNC = 11,
};

/* Named since Linux 6.11; before, these were macros with the values of the OLD_ ones below. */
enum rqf_flags {
	__RQF_FLUSH_SEQ = 1,
	__RQF_IO_STAT = 8,
};
#define OLD_RQF_FLUSH_SEQ (1u << 4)
#define OLD_RQF_IO_STAT (1u << 13)

#endif
