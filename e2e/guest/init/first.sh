#!/bin/busybox sh
# The first program of the guest, from the initramfs: brings the host's files in and hands over to second.sh, which runs on them.
# Debian's busybox finds its own programs (mount, modprobe, ...) without a PATH, by /proc/self/exe.

fail() {
  echo "guest: $*" >/dev/console
  reboot -f
}

/bin/busybox mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys

modprobe -a virtio_pci virtio_console 9pnet_virtio 9p || fail "no drivers for the host's files"

# What is read once is kept (cache=loose): the host's files may change meanwhile, and a run does not mind that it does not see it.
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host || fail "no files of the host"
mount -t tmpfs -o mode=755 run /host/run || fail "the host has no /run"

# The initramfs goes with switch_root; busybox and the modules are wanted later as well.
mkdir -p /host/run/fairlead-guest/job
cp -a /bin /etc /lib /second.sh /host/run/fairlead-guest/
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none job /host/run/fairlead-guest/job ||
  fail "no folder of the job"

for folder in dev sys proc; do mount --move /$folder /host/$folder || fail "the host has no /$folder"; done
# Its own /proc is gone from its place, and with it busybox' own programs.
exec /bin/busybox switch_root -c /dev/console /host /run/fairlead-guest/bin/busybox sh /run/fairlead-guest/second.sh
