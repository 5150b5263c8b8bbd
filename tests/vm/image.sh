#!/usr/bin/env bash
# image.sh FOLDER DEB: FOLDER/root.img, vmlinuz and initrd of a Debian 12 that boots, with what the package depends on but not
# itself. When it boots it runs inside.sh, whose words go to its serial line. It has no network. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1 deb=$2 root=$1/root
series=54 slices=10

rm -rf --one-file-system "$folder"
mkdir -p "$folder"
depends=$(dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/|[^,]*//g' | tr -d ' ')
mmdebstrap --quiet --variant=minbase --skip=cleanup/run \
    --include="linux-image-cloud-amd64,systemd-sysv,udev,kmod,procps,dcmtk,$depends" bookworm "$root"

# The serial line is the checks' own; nothing starts in the background that is not looked at.
systemctl --quiet --root="$root" set-default multi-user.target
systemctl --quiet --root="$root" mask serial-getty@ttyS0.service getty@tty1.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
echo vm >"$root/etc/hostname"
echo '127.0.0.1 localhost vm' >"$root/etc/hosts"
mkdir -p "$root/var/log/journal" # messages before a reboot stay
cp "$deb" "$root/root/oxidicom.deb"
install -m 755 tests/vm/inside.sh "$root/root/inside.sh"
install -m 644 build/probe.so "$root/usr/local/lib/probe.so"
cat >"$root/etc/systemd/system/vm-check.service" <<'UNIT'
[Unit]
Description=checks of oxidicom
FailureAction=poweroff
[Service]
Type=exec
ExecStart=/root/inside.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
[Install]
WantedBy=multi-user.target
UNIT
systemctl --quiet --root="$root" enable vm-check.service

# load/NN/: a series each; load/index: file, instance and series of each object.
for ((i = 10; i < 10 + series; i++)); do
    mkdir -p "$root/root/load/$i"
    build/demo/phantom "$root/root/load/$i" $slices
done
for file in "$root"/root/load/*/*.dcm; do
    echo "${file#"$root"} $(dcmdump -q +P SOPInstanceUID +P SeriesInstanceUID -s "$file" | sed 's/.*\[\(.*\)\].*/\1/' | paste -sd' ')"
done >"$root/root/load/index"

cp "$root"/boot/vmlinuz-* "$folder/vmlinuz"
cp "$root"/boot/initrd.img-* "$folder/initrd"
truncate -s 3G "$folder/root.img"
mkfs.ext4 -q -d "$root" "$folder/root.img"
rm -rf --one-file-system "$root"
