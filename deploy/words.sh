#!/usr/bin/env bash
# words.sh [FILE…]: how often prose says by a clause ("what is …", "… of which") what a noun would say. Counts documents
# without their code, and the comments of sources; names each file above one in a thousand words, and ends non-zero.
# Without files: all of them. -v prints every clause that counts.
set -euo pipefail
cd "$(dirname "$0")/.."

verbose=0
if [ "${1:-}" = -v ]; then
    verbose=1
    shift
fi
if [ $# -eq 0 ]; then
    mapfile -t files < <(git ls-files '*.md' '*.c' '*.h' '*.cc')
    set -- "${files[@]}"
fi

exec awk -v verbose=$verbose '
function mark(phrase, line) {
    found++
    if (verbose)
        print FILENAME ":" line ": " phrase
}

# Ends a part of a sentence, so that no phrase reaches over it.
function pause() { before = earlier = "" }

function take(word, line) {
    words++
    if (word in alone)
        mark(word, line)
    else if ((before " " word) in phrases)
        mark(before " " word, line)
    else if ((earlier " " before " " word) in phrases)
        mark(earlier " " before " " word, line)
    earlier = before
    before = word
}

function prose(text,    word) {
    text = tolower(text)
    while (match(text, /[a-z][a-z'"'"'-]*/)) {
        if (RSTART > 1 && substr(text, 1, RSTART - 1) !~ /^[ \t*_]*$/)
            pause()
        word = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        take(word, FNR)
    }
    if (text !~ /^[ \t]*$/)
        pause()
}

function document(text) {
    if (text ~ /^[ \t]*```/) {
        fenced = !fenced
        return
    }
    if (fenced || text ~ /^    /)
        return
    gsub(/`[^`]*`/, ".", text)
    gsub(/\]\([^)]*\)/, "]", text)
    prose(text)
}

# Strings are cut out first, because of their slashes; then all code.
function source(text,    at) {
    if (!inside)
        gsub(/"(\\.|[^"\\])*"/, "", text)
    while (text != "") {
        if (inside) {
            at = index(text, "*/")
            prose(at ? substr(text, 1, at - 1) : text)
            if (!at)
                return
            inside = 0
            pause()
            text = substr(text, at + 2)
        } else if (match(text, /\/[*\/]/)) {
            if (substr(text, RSTART, 2) == "//") {
                prose(substr(text, RSTART + 2))
                return
            }
            inside = 1
            text = substr(text, RSTART + 2)
        } else
            return
    }
}

function finish() {
    # A short file may have one.
    if (found > 1 && found * 1000 > words) {
        printf "%s: %d clauses in %d words, %.1f in a thousand\n", name, found, words, found * 1000 / words
        bad = 1
    }
    found = words = fenced = inside = 0
    pause()
}

BEGIN {
    count = split("whose whoever whatever whichever", list, " ")
    for (i = 1; i <= count; i++)
        alone[list[i]]
    count = split("is was are were has have had can may must it they he came comes became lies happened nobody there " \
        "its else of one waits cannot can'"'"'t follows will would should did does", list, " ")
    for (i = 1; i <= count; i++)
        phrases["what " list[i]]
    count = split("of which,to whom,from whom,with which,in which,by which,of whom,that of,those that,those of," \
        "one that,where it is,as it is,as it came,as it comes", list, ",")
    for (i = 1; i <= count; i++)
        phrases[list[i]]
}

FNR == 1 && NR > 1 { finish() }
{ name = FILENAME }
FILENAME ~ /\.md$/ { document($0); next }
{ source($0) }

END {
    finish()
    exit bad
}' "$@"
