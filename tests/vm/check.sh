#!/usr/bin/env bash
# check.sh FOLDER: boots what image.sh has made, shows what its checks say, and ends with "N passed, M failed"; non-zero where one
# has failed or the machine has not come to the end. FOLDER/console has everything.
#   VM_ACCEL    tcg (unless told otherwise: a machine that is itself a guest may offer a KVM that never comes out of the kernel's
#               decompressor) or kvm
#   VM_SECONDS  how long the machine may run, 7200
set -euo pipefail
folder=$1
cpu=max
[ "${VM_ACCEL:=tcg}" = tcg ] || cpu=host
: >"$folder/console"

timeout "${VM_SECONDS:-7200}" qemu-system-x86_64 -machine "q35,accel=$VM_ACCEL" -cpu $cpu -smp 2 -m 1536 -nodefaults -display none \
    -kernel "$folder/vmlinuz" -initrd "$folder/initrd" \
    -append "root=/dev/vda rw console=ttyS0 quiet loglevel=3 systemd.show_status=false" \
    -drive "file=$folder/root.img,format=raw,if=virtio,cache=unsafe" -device virtio-rng-pci \
    -nic none -serial "file:$folder/console" &
tail --pid=$! -n +1 -s 0.5 -f "$folder/console" | grep -a --line-buffered '^vm-check: ' || :
wait $! || echo "the machine did not end by itself"

count() { grep -ac "^vm-check: $1" "$folder/console" || :; }
passed=$(count 'passed: ') failed=$(count 'failed: ')
if [ "$(count 'the end')" -eq 0 ]; then
    failed=$((failed + 1))
    echo "the checks did not come to their end; the last that the machine said:"
    tail -n 20 "$folder/console"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
