#!/usr/bin/env bash
# clang-tidy's bug checks over the sources; ends non-zero when there is a finding.
set -euo pipefail
cd "$(dirname "$0")/.."
flags=(-D_GNU_SOURCE -I. -isystem build/gen)
git ls-files '*.c' | grep -v '^tests/' | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -- -std=gnu11 "${flags[@]}" 2> >(grep -v 'warnings generated' >&2)
git ls-files '*.cc' | grep -v '^tests/' | xargs -r -n 1 clang-tidy --quiet -- -std=c++17 "${flags[@]}" 2> >(grep -v 'warnings generated' >&2)
echo "lint: nothing found"
