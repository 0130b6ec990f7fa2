/**
 * The guest's process 1, run by busybox `sh`. What it reads, all written by the host: `/modules/order`, `/etc/busbar/mounts`
 * (lines `serial target type options`), `/etc/busbar/entry` (the script Node runs).
 *
 * Two virtio ports come from the host: the bus, which only the agent opens, and the power port, on which one line `stop` asks
 * for an orderly end. When the agent ends, for whatever reason, the machine powers off.
 */
export const INIT_SCRIPT: string = `#!/bin/busybox sh
export PATH=/bin:/usr/bin
export HOME=/root
export NO_COLOR=1
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid dev /dev
mount -t tmpfs -o nosuid,nodev,mode=755 run /run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /tmp
ln -sf /proc/self/fd /dev/fd

say() { echo "busbar: $*"; }
stop_machine() { sync; poweroff -f; }

while read -r module; do
  insmod "/modules/$module" || say "module $module does not load"
done < /modules/order

mkdir -p /run/busbar /dev/virtio-ports /home/program
chown 1000:1000 /home/program

# Devices appear, and get their names, a moment after their driver is loaded: 10 s for a busy machine.
try() {
  attempt=0
  until "$@"; do
    attempt=$((attempt + 1))
    [ "$attempt" -lt 500 ] || return 1
    usleep 20000
  done
}

link_ports() {
  for directory in /sys/class/virtio-ports/*; do
    name=
    { read -r name < "$directory/name"; } 2> /dev/null
    [ -n "$name" ] && ln -sf "../\${directory##*/}" "/dev/virtio-ports/$name"
  done
  [ -e /dev/virtio-ports/org.busbar.0 ] && [ -e /dev/virtio-ports/org.busbar.power ]
}
try link_ports || { say "the ports of the bus do not appear"; stop_machine; }

find_disk() {
  for block in /sys/block/vd*; do
    serial=
    { read -r serial < "$block/serial"; } 2> /dev/null
    device="/dev/\${block##*/}"
    [ "$serial" = "$1" ] && [ -e "$device" ] && return 0
  done
  return 1
}

mount_disk() {
  try find_disk "$1" || { say "no disk $1"; return 1; }
  mkdir -p "$2"
  mount -t "$3" -o "$4" "$device" "$2"
}

mount_disk busbar-base /usr ext4 ro,nodev,nosuid || stop_machine
while read -r serial target type options; do
  mount_disk "$serial" "$target" "$type" "$options" || { say "cannot mount $target"; stop_machine; }
done < /etc/busbar/mounts

read -r hostname < /etc/hostname && hostname "$hostname"
read -r entry < /etc/busbar/entry
read -r up rest < /proc/uptime
say "starting $entry at $up s"
node "$entry" < /dev/null &
agent=$!

(
  while :; do
    # Reads end at once while nobody is connected at the host's side.
    read -r command < /dev/virtio-ports/org.busbar.power && [ "$command" = stop ] && break
    sleep 1
  done
  say "asked to stop"
  kill -TERM "$agent"
  sleep 3
  # A read of a port that blocks in a thread keeps even an exiting Node alive.
  say "the agent does not end by itself"
  kill -KILL "$agent"
) &

wait "$agent"
status=$?
say "agent ended with $status"
stop_machine
`
