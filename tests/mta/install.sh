#!/bin/sh
# Installs what the tests, the demo and the bench need and this machine lacks, from Debian's packages. Says one line
# on each step, and nothing where nothing is missing.
#
# An admin's servers are left alone: a Postfix or clamd that is here is used for its programs only, one that this
# script installs is neither started nor enabled, and no package is ever removed (another mail server would be).
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
say() { printf 'install: %s\n' "$*" >&2; }

missing=""
units=""
command -v postfix >/dev/null 2>&1 || { missing="$missing postfix"; units="$units postfix.service"; }
command -v rspamd >/dev/null 2>&1 || { missing="$missing rspamd"; units="$units rspamd.service"; }
command -v redis-server >/dev/null 2>&1 || { missing="$missing redis-server"; units="$units redis-server.service"; }
command -v swaks >/dev/null 2>&1 || missing="$missing swaks"
command -v clamd >/dev/null 2>&1 || {
    missing="$missing clamav-daemon"
    units="$units clamav-daemon.service clamav-daemon.socket"
    # It comes along, and would fetch signatures that nobody here needs.
    command -v freshclam >/dev/null 2>&1 || units="$units clamav-freshclam.service"
}
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        say "missing:$missing; this script knows apt-get only, please install them by hand"
        exit 1
    fi
    root=""
    if [ "$(id -u)" -ne 0 ]; then
        root="sudo"
        if ! command -v sudo >/dev/null 2>&1; then
            say "missing:$missing; run this script as root: $0"
            exit 1
        fi
    fi

    # Debian starts a service when its package is installed. policy-rc.d forbids that; one that stands there
    # already is the admin's and stays.
    policy=/usr/sbin/policy-rc.d
    if [ -n "$units" ]; then
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
            $root chmod 755 "$policy"
            trap '$root rm -f "$policy"' EXIT INT TERM
        fi
        # Should it be started one day, then for this machine alone.
        case "$units" in *postfix*)
            echo "postfix postfix/main_mailer_type select Local only" | $root debconf-set-selections || true ;;
        esac
    fi

    say "reading Debian's package lists"
    $root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
    say "installing$missing"
    # shellcheck disable=SC2086 # a list of words
    if ! $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove \
        $missing >/dev/null; then
        say "apt-get failed. If another mail server is installed here, Postfix cannot stand beside it: use a container"
        exit 1
    fi
    if [ -d /run/systemd/system ]; then
        for unit in $units; do
            $root systemctl disable --now "$unit" >/dev/null 2>&1 || true
        done
    fi
fi

if ! command -v cargo >/dev/null 2>&1; then
    say "cargo is missing: install Rust from https://rustup.rs"
    exit 1
fi
# The toolchain that rust-toolchain.toml names, with rustfmt and clippy. rustup fetches it at the first call.
if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    if command -v rustup >/dev/null 2>&1; then
        say "fetching rustfmt and clippy"
        rustup component add rustfmt clippy >/dev/null
    else
        say "rustfmt and clippy are missing"
        exit 1
    fi
fi
