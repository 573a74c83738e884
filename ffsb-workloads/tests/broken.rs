//! What is wrong with a profile is said with the file, the line, what was found and what was expected.

use ffsb_workloads::profile::Profile;

/// A profile's text, and what is said about it.
struct Broken {
    text: &'static str,
    says: &'static str,
}

macro_rules! broken {
    ($($text:expr => $says:literal,)+) => { &[$(Broken { text: $text, says: $says },)+] };
}

const BROKEN: &[Broken] = broken! {
    ""
        => "broken.ffsb:1: found no `time` in the global part, expected `time = value`",
    "[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found no `time` in the global part, expected `time = value`",
    "time = 1\n"
        => "broken.ffsb:1: found no [filesystem], expected at least one",
    "time = 1\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found no [filesystem], expected at least one",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n"
        => "broken.ffsb:2: found no [threadgroup], expected at least one, or `time = 0` to make the files only",
    "time = soon\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `time = soon`, expected seconds, a whole number below 2^32",
    "time = -1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `time = -1`, expected seconds, a whole number below 2^32",
    "time = +1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `time = +1`, expected seconds, a whole number below 2^32",
    "time = 4294967296\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `time = 4294967296`, expected seconds, a whole number below 2^32",
    "time\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `time`, expected `time = value`",
    "time =\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `time` without a value, expected `time = value`",
    "time = # later\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `time` without a value, expected `time = value`",
    "time = 1\ntime = 2\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found `time` again, expected it once (the first is on line 1)",
    "tiem = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found `tiem`, expected a keyword of the global part (`time`?)",
    "= 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:1: found ``, expected a keyword of the global part",
    "time = 1\nnum_filesystems = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found `num_filesystems`, expected no such keyword: it is deprecated, the sections themselves are counted",
    "time = 1\nnum_threadgroups = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found `num_threadgroups`, expected no such keyword: it is deprecated, the sections themselves are counted",
    "time = 1\ndirectio = yes\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found `directio = yes`, expected 0 or 1",
    "time = 1\nnum_files = 3\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found `num_files`, expected it in [filesystem], not in the global part",
    "time = 1\n[filesytem]\n"
        => "broken.ffsb:2: found [filesytem], expected [filesystem], [threadgroup], [stats] or [end]",
    "time = 1\n[filesystem\nlocation = /x\n"
        => "broken.ffsb:2: found `[filesystem`, expected the name of a section in brackets, alone on its line",
    "time = 1\n[filesystem] location = /x\n"
        => "broken.ffsb:2: found `[filesystem] location = /x`, expected the name of a section in brackets, alone on its line",
    "time = 1\n[end]\n"
        => "broken.ffsb:2: found [end], expected it after the section that it closes",
    "time = 1\n[stats]\n[end]\n"
        => "broken.ffsb:2: found [stats], expected no [stats] outside of [threadgroup]",
    "time = 1\n[filesystem]\nlocation = /x\n"
        => "broken.ffsb:3: found the end of the file, expected [end] of the [filesystem] that line 2 opens",
    "time = 1\n[filesystem]\nlocation = /x\n[filesystem]\n"
        => "broken.ffsb:4: found [filesystem], expected no [filesystem] in [filesystem]: is the [end] of line 2 missing?",
    "time = 1\n[filesystem]\nlocation = /x\n[stats]\n"
        => "broken.ffsb:4: found [stats], expected no [stats] in [filesystem]: is the [end] of line 2 missing?",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\n[stats]\n[threadgroup]\n"
        => "broken.ffsb:11: found [threadgroup], expected no [threadgroup] in [stats]: is the [end] of line 10 missing?",
    "time = 1\n[filesystem]\nnum_files = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found no `location` in [filesystem], expected `location = value`",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found num_files above 0 without sizes, expected min_filesize and max_filesize, or size_weight",
    "time = 1\n[filesystem]\nlocation = /x\ninit_size = 1m\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found init_size or init_util without sizes, expected min_filesize and max_filesize, or size_weight",
    "time = 1\n[filesystem]\nlocation = /x\nmin_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `min_filesize = 1`, expected max_filesize beside it",
    "time = 1\n[filesystem]\nlocation = /x\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `max_filesize = 1`, expected min_filesize beside it",
    "time = 1\n[filesystem]\nlocation = /x\nmin_filesize = 2k\nmax_filesize = 1k\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:5: found `max_filesize = 1k`, expected at least the min_filesize of 2048 bytes",
    "time = 1\n[filesystem]\nlocation = /x\nmin_filesize = 1t\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `min_filesize = 1t`, expected bytes, or a number with K, KB, M, MB, G or GB",
    "time = 1\n[filesystem]\nlocation = /x\nmin_filesize = 99999999999999999999\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `min_filesize = 99999999999999999999`, expected at most 18446744073709551615 bytes",
    "time = 1\n[filesystem]\nlocation = /x\ncreate_blocksize = 4g\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `create_blocksize = 4g`, expected at most 4294967295 bytes",
    "time = 1\n[filesystem]\nlocation = /x\ncreate_blocksize = 0\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `create_blocksize = 0`, expected a size above 0",
    "time = 1\n[filesystem]\nlocation = /x\nsize_weight = 1k 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `size_weight =`, expected `size_weight SIZE WEIGHT` without `=`",
    "time = 1\n[filesystem]\nlocation = /x\nsize_weight 1k\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `size_weight 1k`, expected `size_weight SIZE WEIGHT`",
    "time = 1\n[filesystem]\nlocation = /x\nsize_weight 1k 1 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `size_weight 1k 1 1`, expected `size_weight SIZE WEIGHT`",
    "time = 1\n[filesystem]\nlocation = /x\nsize_weight 1k many\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `size_weight 1k many`, expected `size_weight SIZE WEIGHT`",
    "time = 1\n[filesystem]\nlocation = /x\nsize_weight one 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `size_weight one 1`, expected bytes, or a number with K, KB, M, MB, G or GB",
    "time = 1\n[filesystem]\nlocation = /x\nsize_weight 1k 0\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `size_weight 1k 0`, expected at least one size_weight above 0",
    "time = 1\n[filesystem]\nlocation = /x\nmin_filesize = 1\nmax_filesize = 1\ninit_size = 1m\ninit_util = 0.1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:7: found `init_util = 0.1`, expected either init_size or init_util",
    "time = 1\n[filesystem]\nlocation = /x\nmin_filesize = 0\nmax_filesize = 0\ninit_size = 1m\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found growth by files without bytes, expected a size above 0, or num_files",
    "time = 1\n[filesystem]\nlocation = /x\ninit_util = 10\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `init_util = 10`, expected a number above 0 and at most 1",
    "time = 1\n[filesystem]\nlocation = /x\ninit_util = 0\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `init_util = 0`, expected a number above 0 and at most 1",
    "time = 1\n[filesystem]\nlocation = /x\ninit_util = nan\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `init_util = nan`, expected a number above 0 and at most 1",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 4294967296\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `num_files = 4294967296`, expected a whole number below 2^32",
    "time = 1\n[filesystem]\nlocation = /x\nclone = /y\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `clone = /y`, expected the location of an earlier [filesystem]",
    "time = 1\n[filesystem]\nlocation = /x\nclone = /x\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `clone = /x`, expected the location of an earlier [filesystem]",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:9: found `location = /x`, expected a location that the [filesystem] of line 2 does not have",
    "time = 1\n[filesystem]\nlocation = /x\nagefs = 1\ndesired_util = 0.5\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `agefs = 1` without a nested [threadgroup], expected both [threadgroup] and desired_util",
    "time = 1\n[filesystem]\nlocation = /x\nagefs = 1\n[threadgroup]\nnum_threads = 1\ncreate_weight = 1\n[end]\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:4: found `agefs = 1` without desired_util, expected both [threadgroup] and desired_util",
    "time = 1\n[filesystem]\nlocation = /x\nagefs = 1\ndesired_util = 0.5\n[threadgroup]\nnum_threads = 1\ndelete_weight = 1\n[end]\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:6: found a [threadgroup] for aging that creates no files, expected create_weight or create_fsync_weight above 0",
    "time = 1\n[filesystem]\nlocation = /x\nagefs = 1\ndesired_util = 0.5\n[threadgroup]\nnum_threads = 1\ncreate_weight = 1\n[end]\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:2: found agefs without sizes, expected min_filesize and max_filesize, or size_weight",
    "time = 1\n[filesystem]\nlocation = /x\n[threadgroup]\nnum_threads = 1\ncreate_weight = 1\n[end]\n[threadgroup]\nnum_threads = 1\ncreate_weight = 1\n[end]\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:8: found a second [threadgroup], expected one, for aging",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nstat_weight = 1\n[end]\n"
        => "broken.ffsb:8: found no `num_threads` in [threadgroup], expected `num_threads = value`",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 0\nstat_weight = 1\n[end]\n"
        => "broken.ffsb:9: found `num_threads = 0`, expected a whole number above 0",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\n[end]\n"
        => "broken.ffsb:8: found a [threadgroup] without work, expected at least one weight above 0",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 0\n[end]\n"
        => "broken.ffsb:8: found a [threadgroup] without work, expected at least one weight above 0",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nread_weight = 1\n[end]\n"
        => "broken.ffsb:10: found `read_weight` without `read_size`, expected `read_size` in this [threadgroup]",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nread_weight = 1\nread_size = 1m\n[end]\n"
        => "broken.ffsb:10: found `read_weight` without `read_blocksize`, expected `read_blocksize` in this [threadgroup]",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\n[end]\n"
        => "broken.ffsb:10: found `readall_weight` without `read_blocksize`, expected `read_blocksize` in this [threadgroup]",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nwrite_weight = 1\nwrite_blocksize = 4k\n[end]\n"
        => "broken.ffsb:10: found `write_weight` without `write_size`, expected `write_size` in this [threadgroup]",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nappend_fsync_weight = 1\nwrite_size = 4k\n[end]\n"
        => "broken.ffsb:10: found `append_fsync_weight` without `write_blocksize`, expected `write_blocksize` in this [threadgroup]",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nread_weight = 1\nread_size = 0\nread_blocksize = 4k\n[end]\n"
        => "broken.ffsb:11: found `read_size = 0`, expected a size above 0",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\nread_random = 1\nread_skip = 1\nread_skipsize = 4k\n[end]\n"
        => "broken.ffsb:12: found `read_skip = 1`, expected either read_random or read_skip",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\nread_skip = 1\n[end]\n"
        => "broken.ffsb:11: found `read_skip = 1`, expected read_skipsize beside it",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\nbindfs = /y\n[end]\n"
        => "broken.ffsb:11: found `bindfs = /y`, expected the location of a [filesystem] of this profile",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\nop_delay = 1.5\n[end]\n"
        => "broken.ffsb:11: found `op_delay = 1.5`, expected milliseconds, a whole number below 2^32",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadal_weight = 1\n[end]\n"
        => "broken.ffsb:10: found `readal_weight`, expected a keyword of [threadgroup] (`readall_weight`?)",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\n[stats]\nignore = fsync\n[end]\n[end]\n"
        => "broken.ffsb:12: found `ignore = fsync`, expected one of open, read, write, create, lseek, unlink, close, stat",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\n[stats]\nmsec_range 1 1\n[end]\n[end]\n"
        => "broken.ffsb:12: found `msec_range 1 1`, expected a range that ends after it begins",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\n[stats]\nmsec_range 0 inf\n[end]\n[end]\n"
        => "broken.ffsb:12: found `msec_range 0 inf`, expected `msec_range FROM TO` in milliseconds",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\n[stats]\nmsec_range = 0 1\n[end]\n[end]\n"
        => "broken.ffsb:12: found `msec_range =`, expected `msec_range FROM TO` in milliseconds without `=`",
    "time = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nstat_weight = 1\n[stats]\n[end]\n[stats]\n[end]\n[end]\n"
        => "broken.ffsb:13: found a second [stats], expected one in a [threadgroup]",
    "time = 1\n[filesystem]\nlocation = /x\n[end]\n[threadgroup]\nnum_threads = 1\ncreate_weight = 1\n[end]\n"
        => "broken.ffsb:7: found `create_weight` on the [filesystem] of line 2, which has no sizes, expected min_filesize and max_filesize, or size_weight there",
    "time = 1\ndirectio = 1\n[filesystem]\nlocation = /x\nnum_files = 1\nmin_filesize = 1\nmax_filesize = 1\n[end]\n[threadgroup]\nnum_threads = 1\nreadall_weight = 1\nread_blocksize = 1000\n[end]\n"
        => "broken.ffsb:12: found `read_blocksize = 1000`, expected a multiple of 512, because of direct I/O (line 2)",
};

#[test]
fn every_broken_profile_says_where_and_what() {
    assert!(BROKEN.len() >= 25);
    for broken in BROKEN {
        let fault = Profile::parse(broken.text.as_bytes()).expect_err(broken.text);
        let message = fault.in_file("broken.ffsb").to_string();
        assert_eq!(message, broken.says, "of\n{}", broken.text);
    }
}

#[test]
fn bytes_that_are_no_text_have_a_line_too() {
    let fault = Profile::parse(b"time = 1\n[filesystem]\nlocation = /\xff\n[end]\n").unwrap_err();
    assert_eq!((fault.line, fault.expected.as_str()), (3, "text"));
}
