# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

# The checkout's root; every script works from there.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
export GIT_TERMINAL_PROMPT=0
if [[ -n ${CI:-} ]]; then
    # Built once and thrown away: the incremental state costs more than it gives.
    export CARGO_INCREMENTAL=0
    export CARGO_TERM_PROGRESS_WHEN=never
fi

have() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# What was left out, and why; shown again at the end by `summary`.
skips=()
skip() {
    skips+=("$*")
    say "skipped: $*"
}

# step NAME COMMAND…: runs it, says how long it took, ends the script where it fails.
step() {
    local name=$1 began=$SECONDS
    shift
    say "== $name"
    "$@" || die "$name failed"
    say "== $name: ok, $((SECONDS - began)) s"
}

# package COMMAND PACKAGE: 0 where the command is there, or could be installed from the distribution.
# Only root installs, only by apt-get, and no failure here is the script's.
apt_updated=
package() {
    have "$1" && return 0
    have apt-get && [[ $(id -u) == 0 ]] || return 1
    if [[ -z $apt_updated ]]; then
        apt_updated=1
        timeout 120 apt-get update -qq </dev/null >/dev/null || true
    fi
    DEBIAN_FRONTEND=noninteractive timeout 300 \
        apt-get install -y -qq --no-install-recommends "$2" </dev/null >/dev/null || true
    have "$1"
}

# need COMMAND PACKAGE: the script cannot go on without it.
need() { package "$1" "$2" || die "$1 is missing; install it (Debian: apt-get install $2)"; }

# want COMMAND PACKAGE WHAT: what needs it is left out where it is missing.
want() { package "$1" "$2" || skip "$1 is not here: $3"; }

# component RUSTUP_COMPONENT CARGO_SUBCOMMAND: a part of the Rust toolchain.
component() {
    cargo "$2" --version >/dev/null 2>&1 && return 0
    if have rustup; then
        rustup component add "$1" </dev/null >&2 || true
    fi
    cargo "$2" --version >/dev/null 2>&1 || die "cargo $2 is missing; install it: rustup component add $1"
}

summary() {
    local left
    for left in ${skips[@]+"${skips[@]}"}; do
        say "skipped: $left"
    done
}
