#!/bin/sh
# A Debian machine of its own in namespaces, on loopback alone: what a package does to a system, and what systemd does
# with a service, can be tried here without touching this machine's.
#
#   machine.sh root FOLDER PACKAGE…   makes a minimal Debian in FOLDER, once; later calls find it
#   machine.sh boot ROOT WORK         boots systemd on a copy-on-write view of ROOT; what is written goes to WORK
#   machine.sh run ROOT WORK COMMAND… runs one command there without systemd
#
# With SHARE_NET set, the network is that of the caller. boot and run end with this process: the kernel ends everything inside with it. Needs root.
set -eu
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
what=$1
shift

make_root() {
    folder=$1
    shift
    mkdir -p "$(dirname "$folder")"
    exec 9>"$folder.lock"
    flock 9
    if [ -e "$folder.made" ] && [ "$(cat "$folder.made")" = "$*" ]; then return; fi
    rm -rf "$folder" "$folder.made"
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    packages=$(echo "$*" | tr ' ' ',')
    # Where Debian comes from is what this machine says in its own apt sources.
    if ! mmdebstrap --quiet --variant=apt --include="$packages" "$release" "$folder" >"$folder.log" 2>&1; then
        tail -n 20 "$folder.log" >&2
        exit 1
    fi
    echo "$*" >"$folder.made"
}

# In new namespaces already: the folders of a running system.
inside() {
    root=$1
    work=$2
    mount --make-rprivate /
    mkdir -p "$work/upper" "$work/work" "$work/root"
    r=$work/root
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$r"
    mount -t proc proc "$r/proc"
    mount -t sysfs sysfs "$r/sys"
    mount -t tmpfs tmpfs "$r/sys/fs/cgroup"
    mkdir "$r/sys/fs/cgroup/unified" "$r/sys/fs/cgroup/systemd"
    # systemd needs no controllers, only a tree of its own: either kernel interface does.
    if ! mount -t cgroup -o none,name=systemd cgroup "$r/sys/fs/cgroup/systemd" 2>/dev/null; then
        umount "$r/sys/fs/cgroup"
        mount -t cgroup2 cgroup2 "$r/sys/fs/cgroup"
    else
        mount -t cgroup2 cgroup2 "$r/sys/fs/cgroup/unified"
    fi
    mount -t tmpfs -o mode=755 tmpfs "$r/run"
    mount -t tmpfs -o mode=1777 tmpfs "$r/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$r/dev"
    mkdir "$r/dev/pts" "$r/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$r/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$r/dev/shm"
    for device in null zero full random urandom tty; do
        : >"$r/dev/$device"
        mount --bind "/dev/$device" "$r/dev/$device"
    done
    ln -s pts/ptmx "$r/dev/ptmx"
    ln -s /proc/self/fd "$r/dev/fd"
    : >"$r/dev/console"
    ip link set lo up
    hostname mx
    mkdir -p "$r/host"
    # What the test puts there is seen inside as /host.
    mkdir -p "$work/host"
    mount --bind "$work/host" "$r/host"
    cd "$r"
    mkdir -p oldroot
    pivot_root . oldroot
}

case $what in
root) make_root "$@" ;;
boot | run)
    net=--net
    if [ -n "${SHARE_NET:-}" ]; then net=; fi
    # shellcheck disable=SC2086
    exec unshare --mount --pid --uts --ipc $net --cgroup --fork --kill-child "$0" "inside-$what" "$@"
    ;;
inside-boot)
    inside "$1" "$2"
    # Shared, as a container manager leaves it: credentials reach a service through that.
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /bin/sh -c \
        'umount -l /oldroot; mount --make-rshared /; cd /; exec /lib/systemd/systemd --system --log-target=journal --show-status=0'
    ;;
inside-run)
    inside "$1" "$2"
    shift 2
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive chroot . /bin/sh -c \
        'umount -l /oldroot; exec "$@"' sh "$@"
    ;;
*)
    echo "machine.sh: root, boot or run" >&2
    exit 2
    ;;
esac
