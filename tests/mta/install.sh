#!/bin/sh
# Installs what the tests, the demo and the bench need and this machine lacks, from Debian's packages. Says one line
# on each step, and nothing where nothing is missing.
#
# An admin's servers are left alone: a Postfix, rspamd, clamd or redis that is here is used for its programs only, one
# that this script installs is neither started nor enabled, and no package is ever removed (another mail server would
# be). Without the neighbours (rspamd, clamd, redis), miltertest, opendkim and python3-authres everything else still
# runs: what they are for is left out, and said.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
say() { printf 'install: %s\n' "$*" >&2; }
lacks() { ! command -v "$1" >/dev/null 2>&1; }

missing="" # nothing goes without these
wanted=""  # the tests and the demo do with less
units=""   # what Debian would start with them
if lacks postfix; then missing="$missing postfix"; units="$units postfix.service"; fi
if lacks swaks; then missing="$missing swaks"; fi
if lacks cc; then missing="$missing gcc libc6-dev"; fi
if lacks rspamd; then wanted="$wanted rspamd"; units="$units rspamd.service"; fi
if lacks redis-server; then wanted="$wanted redis-server"; units="$units redis-server.service"; fi
if lacks clamd; then
    wanted="$wanted clamav-daemon"
    units="$units clamav-daemon.service clamav-daemon.socket"
    # It comes along, and would fetch signatures that nobody here needs.
    if lacks freshclam; then units="$units clamav-freshclam.service"; fi
fi
for part in core imapd lmtpd sieve; do
    if [ ! -e "/usr/share/doc/dovecot-$part" ]; then wanted="$wanted dovecot-$part"; units="$units dovecot.service dovecot.socket"; fi
done
# Debian machines in namespaces, the package, the alert rules.
if lacks mmdebstrap; then wanted="$wanted mmdebstrap"; fi
if lacks dh; then wanted="$wanted debhelper"; fi
if lacks dpkg-buildpackage; then wanted="$wanted dpkg-dev"; fi
if lacks fakeroot; then wanted="$wanted fakeroot"; fi
if lacks man; then wanted="$wanted man-db"; fi
if lacks lintian; then wanted="$wanted lintian"; fi
if lacks promtool; then wanted="$wanted prometheus"; units="$units prometheus.service prometheus-node-exporter.service"; fi
if lacks miltertest; then wanted="$wanted miltertest"; fi
if lacks opendkim; then wanted="$wanted opendkim"; units="$units opendkim.service"; fi
if lacks opendkim-genkey; then wanted="$wanted opendkim-tools"; fi
if lacks openssl; then wanted="$wanted openssl"; fi
# A time of day that leaps, for one process alone.
if lacks faketime; then wanted="$wanted faketime"; fi
# Somebody else's reader of Authentication-Results.
if ! /usr/bin/python3 -c 'import authres' 2>/dev/null; then wanted="$wanted python3-authres"; fi

if lacks prometheus || lacks promtool; then wanted="$wanted prometheus"; units="$units prometheus.service"; fi

# Who may not install goes on without what is only wanted.
if [ -z "$missing" ] && [ -n "$wanted" ]; then
    if lacks apt-get || { [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; }; then
        say "not installed, what they are for is left out:$wanted; with them: run this script as root: $0"
        wanted=""
    fi
fi

if [ -n "$missing$wanted" ]; then
    if lacks apt-get; then
        say "missing:$missing; this script knows apt-get only, please install them by hand"
        exit 1
    fi
    root=""
    if [ "$(id -u)" -ne 0 ]; then
        root="sudo"
        if lacks sudo; then
            say "missing:$missing; run this script as root: $0"
            exit 1
        fi
    fi

    # Debian starts a service when its package is installed. policy-rc.d forbids that; one that stands there
    # already is the admin's and stays.
    policy=/usr/sbin/policy-rc.d
    if [ -n "$units" ] && [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
        $root chmod 755 "$policy"
        trap '$root rm -f "$policy"' EXIT INT TERM
    fi
    case "$units" in *postfix*)
        # Should it be started one day, then for this machine alone.
        echo "postfix postfix/main_mailer_type select Local only" | $root debconf-set-selections || true ;;
    esac

    fetch() {
        $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove "$@" >/dev/null
    }
    say "reading Debian's package lists"
    $root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
    if [ -n "$missing" ]; then
        say "installing$missing"
        # shellcheck disable=SC2086 # a list of words
        if ! fetch $missing; then
            say "apt-get failed. If another mail server is installed here, Postfix cannot stand beside it: use a container"
            exit 1
        fi
    fi
    # One by one: not every release of Debian has all of them.
    for package in $wanted; do
        say "installing $package"
        fetch "$package" || say "apt-get cannot install $package here: what it is for is left out"
    done
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
