//! A shell script.

use super::subject::Subject;
use super::{Freeze, file, printable};
use std::fmt::Write;

/// What the script does, whatever the settings are. It saves every knob that a write of it can move, before the first
/// write and once; restoring goes in the same order, the scheduler first, because a switch resets the others.
const BODY: &str = r#"
SYS=${TUNERD_SYSFS:-/sys}
SAVED_IN=${TUNERD_SAVED:-/run/tunerd-export}

fail() { echo "$0: $*" >&2; exit 1; }

# The disk's directory in sysfs: by what tells it from others, else by its name.
find_disk() {
    if [ -n "$MARK_FILE" ]; then
        for dir in "$SYS"/block/*; do
            [ -r "$dir/$MARK_FILE" ] || continue
            found=$(cat "$dir/$MARK_FILE" 2>/dev/null) || continue
            # Padding at the end does not count.
            while [ "${found% }" != "$found" ]; do found=${found% }; done
            if [ "$found" = "$MARK" ]; then echo "$dir"; return 0; fi
        done
        return 1
    fi
    [ -d "$SYS/block/$NAME/queue" ] && echo "$SYS/block/$NAME"
}

# A knob's file; kernels after 6.18 have async_depth beside the scheduler's own directory.
place() {
    if [ ! -e "$DISK/$1" ] && [ "$1" = queue/iosched/async_depth ]; then
        echo "$DISK/queue/async_depth"
    else
        echo "$DISK/$1"
    fi
}

# What a file says; of a menu such as "none [mq-deadline]" the choice.
now() {
    text=$(cat "$1" 2>/dev/null) || return 1
    case $text in
    *\[*\]*) text=${text#*\[}; text=${text%%\]*} ;;
    esac
    echo "$text"
}

# Writes what is not there yet: a write of what is there already can drain the queue for nothing.
put() {
    is=$(now "$1") || { echo "$0: $1: cannot be read" >&2; return 1; }
    [ "$is" = "$2" ] && return 0
    echo "$2" > "$1" || { echo "$0: $1: $2 is refused" >&2; return 1; }
}

save() {
    [ -e "$SAVED" ] && return 0
    mkdir -p "$SAVED_IN" || fail "$SAVED_IN: cannot be made"
    : > "$SAVED.new" || fail "$SAVED.new: cannot be written"
    for knob in queue/scheduler queue/nr_requests queue/async_depth; do save_one "$knob"; done
    for path in "$DISK"/queue/iosched/*; do
        [ -f "$path" ] && save_one "queue/iosched/${path##*/}"
    done
    for knob in queue/max_sectors_kb queue/wbt_lat_usec $KNOBS queue/read_ahead_kb; do save_one "$knob"; done
    mv "$SAVED.new" "$SAVED" || fail "$SAVED: cannot be written"
}

save_one() {
    [ -w "$DISK/$1" ] || return 0
    grep -q "^$1 " "$SAVED.new" && return 0
    value=$(now "$DISK/$1") || return 0
    case $value in ''|*' '*) return 0 ;; esac
    echo "$1 $value" >> "$SAVED.new" || fail "$SAVED.new: cannot be written"
}

apply() {
    save
    failed=0
    while read -r knob value; do
        [ -n "$knob" ] || continue
        put "$(place "$knob")" "$value" || failed=1
    done <<END
$SETTINGS
END
    return $failed
}

restore() {
    [ -e "$SAVED" ] || { echo "nothing to restore: nothing was applied"; return 0; }
    failed=0
    while read -r knob value; do
        [ -e "$DISK/$knob" ] || continue
        put "$DISK/$knob" "$value" || failed=1
    done < "$SAVED"
    [ $failed = 0 ] && rm -f "$SAVED"
    return $failed
}

status() {
    differs=0
    while read -r knob value; do
        [ -n "$knob" ] || continue
        is=$(now "$(place "$knob")") || is="not there"
        if [ "$is" = "$value" ]; then
            echo "$knob is $is"
        else
            echo "$knob is $is, not $value"
            differs=1
        fi
    done <<END
$SETTINGS
END
    if [ $differs = 0 ]; then echo "applied"; else echo "not applied"; fi
    return $differs
}

DISK=$(find_disk) || fail "the disk is not here"
SAVED=$SAVED_IN/${DISK##*/}
case ${1:-} in
apply | restore | status) "$1" ;;
*) echo "usage: $0 apply|restore|status" >&2; exit 2 ;;
esac
"#;

/// The script.
pub(super) fn script(freeze: &Freeze<'_>, subject: &Subject) -> String {
    let mut text = String::from("#!/bin/sh\n");
    text += &freeze.comments();
    if let Some(warning) = subject.warning() {
        let _ = writeln!(text, "# Note: {}.", printable(&warning));
    }
    text += "#\n# apply: puts the settings in force; the originals are saved before the first write. Again: changes nothing.\n";
    text += "# restore: puts the originals back. status: says what is in force, and exits with 0 where all of it is.\n";
    text += "set -u\n";
    let (file_of_mark, mark) = subject.attribute().unwrap_or(("", ""));
    let _ = writeln!(text, "NAME='{}'\nMARK_FILE='{file_of_mark}'\nMARK='{mark}'", printable(&subject.name));
    let knobs: Vec<String> = freeze.steps.iter().map(|step| file(step.knob)).collect();
    let _ = writeln!(text, "KNOBS='{}'", knobs.join(" "));
    let settings = freeze.steps.iter().map(|step| format!("{} {}", file(step.knob), step.value));
    let _ = write!(text, "SETTINGS='{}'", settings.collect::<Vec<_>>().join("\n"));
    text += "\n";
    text += BODY;
    text
}
