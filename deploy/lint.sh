#!/usr/bin/env bash
# clang-tidy's bug checks over the sources, plain words and spelling; ends non-zero when there is a finding.
set -euo pipefail
cd "$(dirname "$0")/.."
flags=(-D_GNU_SOURCE -I. -isystem build/gen)

tidy() { # standard; names of files come on standard input
    xargs -P "$(nproc)" -I{} clang-tidy --quiet {} -- "-std=$1" "${flags[@]}" 2> >(grep -v 'warnings\? generated' >&2)
}

deploy/words.sh
# SQLite's iif, HTTP's TE, the end of a word after a bracket.
git ls-files -z ':!*.png' ':!tests/fuzz/corpus' | xargs -0 codespell --ignore-words-list iif,te,ontainers

git ls-files '*.c' | grep -v '^tests/' | tidy gnu11
git ls-files '*.cc' | grep -v '^tests/' | tidy c++17
echo "lint: nothing found"
