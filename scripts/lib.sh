# Shared by the scripts beside it; sourced, never run.
#
# Who does what: building is always an ordinary user's act. Called by a user, everything is built as that user and
# only finished programs are elevated; called through sudo, building drops back to the user behind SUDO_USER; a real
# root (a container, CI) does everything as root.

set -u
set -o pipefail

top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$top" || exit 1

say() { printf '%s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# The user who builds, and the home in which rustup put the toolchain.
if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ] && [ "${SUDO_USER}" != root ]; then
    builder=$SUDO_USER
else
    builder=$(id -un)
fi
builder_home=$(getent passwd "$builder" 2>/dev/null | cut -d: -f6)
[ -n "$builder_home" ] || builder_home=${HOME:-/}

build_path=$PATH
[ -d "${CARGO_HOME:-$builder_home/.cargo}/bin" ] && build_path="${CARGO_HOME:-$builder_home/.cargo}/bin:$build_path"

# Runs a command as the user who builds.
as_builder() {
    if [ "$builder" = "$(id -un)" ]; then
        PATH=$build_path "$@"
    else
        # `env` keeps what steers a build; everything else of root's environment stays behind.
        local keep=() name
        for name in CARGO_TARGET_DIR CARGO_HOME RUSTUP_HOME RUSTUP_TOOLCHAIN RUSTFLAGS CARGO_BUILD_JOBS \
            CARGO_TERM_COLOR TUNERD_ROOT_TESTS TUNERD_ROOT_RUNS TERM LANG; do
            [ -n "${!name:-}" ] && keep+=("$name=${!name}")
        done
        runuser -u "$builder" -- env HOME="$builder_home" PATH="$build_path" "${keep[@]}" "$@"
    fi
}

# Whether a finished program can be run as root without asking anybody.
can_be_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null
}

# Runs a finished program as root; only after `can_be_root`.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n -- "$@"
    fi
}

need_cargo() {
    PATH=$build_path command -v cargo >/dev/null 2>&1 ||
        die "cargo is not installed for $builder: install Rust from https://rustup.rs, then try again"
}

# Where cargo puts what it builds.
target_dir() {
    as_builder cargo metadata --no-deps --format-version 1 --offline 2>/dev/null |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# Builds the optimised programs, as the ordinary user.
build_programs() {
    as_builder cargo build --release -p tunerd -p tunerd-lab -p emulated-disk -p ffsb-workloads --bins </dev/null
}

# Linux builds every room; elsewhere those that need no kernel.
packages() {
    if [ "$(uname -s)" = Linux ]; then
        echo --workspace
    else
        echo -p block-types -p fingerprint -p genetic -p kernfs -p schedulers -p disk-model -p replay -p ffsb-workloads \
            -p results -p trials -p blktrace-parser
    fi
}
