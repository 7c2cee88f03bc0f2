#!/bin/sh
# Installs what `make bench-peers` measures mailward beside, from Debian's packages: amavis, mimedefang, opendmarc,
# clamav-milter. Neither started nor enabled, no package removed, nothing recommended along with them (amavis without
# SpamAssassin is amavis that asks clamd). What cannot be installed is a row that says so; the others are measured.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
say() { printf 'install: %s\n' "$*" >&2; }
lacks() { ! command -v "$1" >/dev/null 2>&1; }

wanted=""
units=""
if lacks amavisd && lacks amavisd-new; then wanted="$wanted amavisd-new"; units="$units amavis.service amavisd-snmp-subagent.service"; fi
if lacks mimedefang; then wanted="$wanted mimedefang"; units="$units mimedefang.service"; fi
# Its database of reports is nothing that is measured here.
if lacks opendmarc; then wanted="$wanted dbconfig-no-thanks,opendmarc"; units="$units opendmarc.service"; fi
if lacks clamav-milter; then wanted="$wanted clamav-milter"; units="$units clamav-milter.service"; fi
[ -n "$wanted" ] || exit 0

root=""
[ "$(id -u)" -eq 0 ] || root="sudo"
if lacks apt-get || { [ -n "$root" ] && ! sudo -n true 2>/dev/null; }; then
    say "not installed, their rows are left out:$wanted; with them: run this script as root: $0"
    exit 0
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
    trap '$root rm -f "$policy"' EXIT INT TERM
fi
say "reading Debian's package lists"
$root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null || say "apt-get update failed"
for packages in $wanted; do
    packages=$(echo "$packages" | tr ',' ' ')
    say "installing $packages"
    # shellcheck disable=SC2086 # a list of words
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove $packages >/dev/null ||
        say "apt-get cannot install $packages here: its row is left out"
done
if [ -d /run/systemd/system ]; then
    for unit in $units; do
        $root systemctl disable --now "$unit" >/dev/null 2>&1 || true
    done
fi
