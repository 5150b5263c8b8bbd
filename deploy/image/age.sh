#!/usr/bin/env bash
# age.sh ROOT: nothing in it is younger than the source (SOURCE_DATE_EPOCH). What is mounted into it while it is made is no
# part of it.
set -euo pipefail
root=$1
[ -n "${SOURCE_DATE_EPOCH:-}" ] || exit 0
find "$root" -xdev \( -path "${root%/}/proc" -o -path "${root%/}/sys" -o -path "${root%/}/dev" \) -prune \
    -o -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
