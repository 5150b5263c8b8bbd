#!/usr/bin/env bash
# finish.sh ROOT: makes the image out of a Debian root file system into which the executables were installed. Used by
# the Containerfile and by rootfs.sh, so that both make the same.
set -euo pipefail
umask 022
root=$1
user=1001

# /etc/passwd names it for people; the image is started by number, and any other number does as well.
grep -q '^oxidicom:' "$root/etc/passwd" ||
    echo "oxidicom:x:$user:0:oxidicom:/nonexistent:/usr/sbin/nologin" >>"$root/etc/passwd"

# The only folders that a process may write to, of group 0 since some clusters give containers a user of their choice
# in that group. /var/lib/oxidicom is not among them, on purpose: where a site has given it no volume, the journal must
# not lie in a layer that vanishes with the container, but below the files root. A site that has a volume for it mounts
# that at /state and says so in OXIDICOM_STATE_DIR.
for folder in data state run/oxidicom; do
    install -d -m 2775 "$root/$folder"
    chown "$user:0" "$root/$folder"
done

# Files that nobody reads in a container, or that differ between two builds of the same packages.
rm -rf "$root"/var/cache/* "$root"/var/log/* "$root"/var/lib/apt/lists/* "$root"/tmp/* "$root"/usr/share/man/* \
    "$root"/usr/share/locale/* "$root"/usr/share/info/* "$root"/etc/machine-id \
    "$root"/var/lib/dpkg/*-old "$root"/etc/*-
find "$root/usr/share/doc" -mindepth 1 ! -name copyright ! -path '*/doc/oxidicom*' -type f -delete

# Nothing in it may gain rights.
find "$root" -xdev -type f -perm /6000 -exec chmod u-s,g-s {} +

# The packages and their versions.
dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Package} ${Version}\n' >"$root/usr/share/doc/oxidicom/packages"

"$(dirname "$0")/age.sh" "$root"
