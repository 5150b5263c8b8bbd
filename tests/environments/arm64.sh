#!/usr/bin/env bash
# arm64.sh FOLDER: cross-builds the committed tree for arm64 in a Debian 13 of this machine's own architecture, with
# warnings as errors, and runs the demo and those suites there that an emulator can. Needs root, mmdebstrap, Debian's
# packages, and Linux 6.7 or newer, which lets a namespace have emulators of its own. FOLDER/root stays, and the next run
# starts from it. What seccomp and Landlock do on arm64 is not seen: the emulator has neither.
set -euo pipefail
folder=$1
root=$folder/root
# Function by function. Those left out start servers, which an emulator runs too slowly, or try what seccomp and Landlock
# refuse; of common, what opens paths, which is the emulator's openat2(2).
suites="proto listener writer common"

# ROOT < SCRIPT: every mount, process and emulator ends with the script.
run_in() {
    unshare --user --map-root-user --mount --propagation private --pid --fork --kill-child bash -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
        exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 bash -euo pipefail -s' \
        bash "$root"
}

if [ ! -e "$folder/made" ]; then
    rm -rf --one-file-system "$folder"
    mkdir -p "$folder"
    # Libraries are the target's, tools of the build are this machine's.
    ours="gcc,libc6-dev,make,pkgconf,git,procps,crossbuild-essential-arm64,protobuf-c-compiler,protobuf-compiler,qemu-user,dcmtk,nats-server,openssl"
    theirs=$(deploy/deps.sh --list build | grep -E '^lib.*-dev$|-dev$' | sed 's/$/:arm64/' | paste -sd,)
    mmdebstrap --quiet --variant=minbase --architectures="$(dpkg --print-architecture),arm64" \
        --include="$ours,$theirs,libcriterion-dev:arm64" trixie "$root"
    touch "$folder/made"
fi
rm -rf "$root/oxidicom/source"
mkdir -p "$root/oxidicom/source"
git archive HEAD | tar -x -C "$root/oxidicom/source"
chmod 755 "$root"

run_in <<SCRIPT
suites="$suites"
cd /oxidicom/source
. /etc/os-release
echo "== \$PRETTY_NAME, for arm64, \$(qemu-aarch64 --version | head -n 1)"
cross="CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ PKG_CONFIG=aarch64-linux-gnu-pkg-config WERROR=1"
SECONDS=0
make -s -j"\$(nproc)" \$cross all man build/demo/phantom build/demo/show_progress build/preload.so \
    \$(printf 'build/tests/%s ' \$suites) >build.log 2>&1 || { tail -n 30 build.log; exit 1; }
! grep -i warning build.log
file=\$(aarch64-linux-gnu-readelf -h build/bin/oxidicom | sed -n 's/ *Machine: *//p')
echo "built for \$file without a warning: \$SECONDS s"

mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
echo ":aarch64:M::\$magic:\$mask:/usr/bin/qemu-aarch64:F" >/proc/sys/fs/binfmt_misc/register
SECONDS=0
deploy/demo/demo.sh >demo.log 2>&1 || { tail -n 30 demo.log; exit 1; }
grep ' objects, ' demo.log
echo "the demo: \$SECONDS s"
for suite in \$suites; do
    SECONDS=0
    filter='*'
    [ \$suite != common ] || filter='@(open_beneath|settings|network)/*'
    build/tests/\$suite --filter "\$filter" >\$suite.log 2>&1 || { grep -A8 -E '^\[(----|FAIL)' \$suite.log; exit 1; }
    echo "\$suite: \$(grep -ao 'Tested: .*' \$suite.log), \$SECONDS s"
done
SCRIPT
