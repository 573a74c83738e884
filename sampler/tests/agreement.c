/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The kernel side's arithmetic on the host, for agreement.rs: a line of input, a line of output. */
#include <stdio.h>
#include "streams.h"

int main(void)
{
	static struct streams table;
	unsigned long long a, b, epoch = 0;
	struct gap gap;
	char what;

	while (scanf(" %c %llu %llu", &what, &a, &b) == 3) {
		switch (what) {
		case 'b': /* buckets of a value */
			printf("%llu %llu %llu\n", size_bucket(a), gap_bucket(a), latency_bucket(a));
			break;
		case 'r': /* an on-phase begins */
			epoch++;
			break;
		case 's': /* a bio of b sectors at a */
			streams_observe(&table, a, b, 25, epoch, &gap);
			if (gap.known)
				printf("%llu %llu\n", gap.nearest, gap.distance);
			else
				printf("unknown\n");
			break;
		default:
			return 1;
		}
	}
	return 0;
}
