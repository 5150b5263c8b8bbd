#!/usr/bin/env bash
# deps.sh SET…: installs from Debian the missing packages of the named sets, and no others. Does nothing, and
# needs no network, when all is there. No service that comes with a package is started.
# deps.sh --ask SET…: asks first, and installs nothing unless the answer is yes.
# deps.sh --list SET…: only prints their names.
set -euo pipefail

build="gcc g++ make pkg-config libc6-dev libdcmtk-dev libzmq3-dev libczmq-dev libprotobuf-c-dev protobuf-c-compiler
    protobuf-compiler libsqlite3-dev libmicrohttpd-dev libjansson-dev librabbitmq-dev libnats-dev libhiredis-dev
    libssl-dev libseccomp-dev libcap-dev libcurl4-openssl-dev uuid-dev zlib1g-dev"
test="git procps libcriterion-dev dcmtk openssl nats-server rabbitmq-server redis-server
    python3-celery python3-redis python3-venv orthanc curl sqlite3
    prometheus s6 supervisor systemd groff-base man-db bsdextrautils
    mmdebstrap python3-grpcio python3-protobuf"
package="build-essential debhelper fakeroot lintian"
# For the tests of the live page, which are skipped without it.
browser="chromium chromium-driver"
demo="dcmtk nats-server"
# For `make pictures`, with the set browser.
pictures="pngquant"
lint="git clang-format clang-tidy codespell"
vm="qemu-system-x86 mmdebstrap dcmtk e2fsprogs systemd"
nfs="user-mode-linux nfs-kernel-server nfs-common rpcbind iproute2 kmod e2fsprogs python3 dcmtk"
fuzz="clang libclang-rt-dev llvm"

list=false ask=false
case ${1:-} in
--list) list=true ;;
--ask) ask=true ;;
esac
[[ ${1:-} != --* ]] || shift
wanted=
for set in "$@"; do
    case $set in
    build | test | browser | demo | pictures | lint | fuzz | package | vm | nfs) wanted+=" ${!set}" ;;
    *)
        echo "deps.sh: unknown set \"$set\"; allowed are build, test, browser, demo, pictures, lint, fuzz, package, vm and nfs" >&2
        exit 64
        ;;
    esac
done

if $list; then
    printf '%s\n' $wanted
    exit 0
fi

missing=()
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if $ask; then
    read -r -p "Install from Debian: ${missing[*]}? [y/N] " answer || answer=
    [[ $answer == [yY]* ]] || {
        echo "deps.sh: not installed; \`make check\` tests without installing anything" >&2
        exit 77
    }
fi
echo "Installing from Debian: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps.sh: these packages are missing, and installing them needs root or sudo: ${missing[*]}" >&2
        exit 77
    }
    as_root=(sudo)
fi

# 101 is invoke-rc.d's "not allowed": packages that bring a service are installed without starting it.
policy=/usr/sbin/policy-rc.d
saved=
restore() {
    if [ -n "$saved" ]; then
        "${as_root[@]}" mv "$saved" "$policy"
    else
        "${as_root[@]}" rm -f "$policy"
    fi
}
if [ -e "$policy" ]; then
    saved=$policy.before-oxidicom
    "${as_root[@]}" mv "$policy" "$saved"
fi
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
"${as_root[@]}" chmod 755 "$policy"

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 "$@"
}
apt update -qq
apt install -y -qq --no-install-recommends "${missing[@]}"
