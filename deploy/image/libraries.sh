#!/usr/bin/env bash
# libraries.sh FOLDER: which of Debian's packages hold the libraries that the executables in FOLDER are linked with, one a
# line. Their names differ from release to release, so they are asked for where the executables were built.
set -euo pipefail
for library in $(ldd "$1"/oxidicom* | awk '$2 == "=>" { print $3 }' | sort -u); do
    file=$(realpath "$library")
    # Debian 12 knows some of them by their names below /lib.
    dpkg-query -S "$file" 2>/dev/null || dpkg-query -S "${file#/usr}"
done | cut -d: -f1 | sort -u
