# The guest's process 1 once the host's files are its root: makes room to write, loads the modules, runs the job and ends the machine.
# The job is a folder of the host with the lists `modules` and `folders`, and the shell script `command`.

guest=/run/fairlead-guest
job=$guest/job

port() {
  for each in /sys/class/virtio-ports/*; do
    if [ "$(cat "$each/name")" = "$1" ]; then echo "/dev/${each##*/}"; fi
  done
}

# A port can be opened once only.
exec 3<>"$(port control)"
# The port ends when the process that started qemu does: a machine that nobody waits for ends as well.
(cat <&3 >/dev/null; reboot -f) &

# Where the command runs below one of the folders that begin empty, its own folder is put back.
kept=$(cat $job/kept)
if [ -n "$kept" ]; then
  mkdir $guest/kept
  mount -o bind "$kept" $guest/kept
fi
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777 tmp /var/tmp
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts -o ptmxmode=666,newinstance pts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
if [ -n "$kept" ]; then
  mkdir -p "$kept"
  mount -o bind $guest/kept "$kept"
fi
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr

# What the kernel asks for later (a type of link, an expression of nf_tables) it finds in the initramfs' own copy of the modules.
printf '#!%s/bin/busybox sh\nexec chroot %s /bin/busybox modprobe "$@"\n' $guest $guest >$guest/modprobe
chmod +x $guest/modprobe
echo $guest/modprobe >/proc/sys/kernel/modprobe
$guest/modprobe -a $(cat $job/modules) || echo "guest: not all modules could be loaded"

ip link set lo up
hostname guest

# Folders of the host that the command may write to, each at its own place.
while read -r tag folder; do
  mkdir -p "$folder" 2>/dev/null
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none "$tag" "$folder"
done <$job/folders

mkfifo $guest/stdout $guest/stderr
cat <$guest/stdout >"$(port stdout)" &
out=$!
cat <$guest/stderr >"$(port stderr)" &
err=$!

echo up >&3
# With a path: without one it would be busybox' own shell, which prefers its own programs to the host's.
setsid /bin/sh $job/command </dev/null >$guest/stdout 2>$guest/stderr 3>&-
code=$?

# What still holds the pipes may have them for a moment; whoever started it has ended.
for turn in 1 2 3 4 5 6 7 8 9 10; do
  kill -0 $out 2>/dev/null || kill -0 $err 2>/dev/null || break
  sleep 0.1
done
echo "exit $code" >&3
sync
reboot -f
