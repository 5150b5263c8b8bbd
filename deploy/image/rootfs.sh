#!/usr/bin/env bash
# rootfs.sh TARGET DESTDIR: the image's root file system without a container engine, of this machine's release of
# Debian. DESTDIR holds the installed executables (make install DESTDIR=…). Needs root and mmdebstrap.
set -euo pipefail
umask 022
target=$1
destdir=$2
here=$(cd "$(dirname "$0")" && pwd)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
packages=$({ grep -v '^#' "$here/packages" && "$here/libraries.sh" "$destdir/usr/bin"; } | sort -u | paste -sd,)

[ "$(id -u)" -eq 0 ] || { echo "rootfs.sh: needs root" >&2 && exit 77; }
command -v mmdebstrap >/dev/null || { echo "rootfs.sh: needs mmdebstrap" >&2 && exit 77; }
rm -rf "$target"
mmdebstrap --quiet --variant=essential --skip=cleanup/run --include="$packages" \
    --customize-hook="cp -a --no-preserve=ownership '$destdir'/. \"\$1\"" \
    --customize-hook="'$here/finish.sh' \"\$1\"" "$suite" "$target"

# A container gets devices of its own at its start; and mmdebstrap has taken away what it needed itself.
find "$target/dev" -xdev -mindepth 1 -delete
touch -d "@${SOURCE_DATE_EPOCH:-0}" "$target/dev"
"$here/age.sh" "$target"
