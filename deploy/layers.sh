#!/usr/bin/env bash
# The layers of the house, from the lowest to the highest: a file includes only its own folder and those before it, of
# its own process, proto/ and common/. And no two files need one another, neither by what they include nor by what they
# call (as the objects in build/obj say). And the journal's rows are decoded in one place. Ends non-zero, and names what
# is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."

folders=(common common/telemetry proto
    listener/custody listener/net listener/ul listener/dimse listener
    writer/dicom writer/storage writer
    notifier/cube notifier/progress notifier/replicas notifier/journal notifier/broker notifier/metrics notifier/operator notifier/http
    notifier
    deploy/tool deploy/launcher)

sources() {
    local folder
    for folder in "${folders[@]}"; do
        find "$folder" -maxdepth 1 \( -name '*.c' -o -name '*.h' -o -name '*.cc' \)
    done
}

# FILE INCLUDED, of our own headers, without generated ones.
includes() {
    sources | xargs grep -oE '^#include "[^"]+"' | sed -n 's/^\([^:]*\):#include "\(.*\)"$/\1 \2/p' | grep -v '\.pb-c\.h$'
}

upward() {
    includes | awk -v order="${folders[*]}" '
        function folder(path) { sub("/[^/]*$", "", path); return path }
        function process(path) { return path ~ /^deploy\// ? "deploy" : substr(path, 1, index(path "/", "/") - 1) }
        BEGIN { n = split(order, names, " "); for (i = 1; i <= n; i++) rank[names[i]] = i }
        {
            from = folder($1); to = folder($2); p = process(to)
            if (!(to in rank) || rank[to] > rank[from] || (p != process(from) && p != "common" && p != "proto"))
                print "layers: " $1 " includes " $2 ", which is above it or of another process"
        }'
}

# USER DEFINER, of the symbols that one object leaves open and another has.
calls() {
    find "${folders[@]/#/build/obj/}" -maxdepth 1 -name '*.o' ! -name '*.html.o' -print0 | xargs -0 nm -A -g |
        sed -E 's/^build\/obj\/([^:]*):[0-9a-f ]*([A-Za-z]) (.*)$/\1 \2 \3/' | awk '
        $2 == "U" { needs[$1 " " $3]; next }
        $2 ~ /[TDBRVW]/ { at[process($1) " " $3] = $1; if (process($1) ~ /common|proto/) at[$3] = $1 }
        function process(path) { return path ~ /^deploy\// ? "deploy" : substr(path, 1, index(path, "/") - 1) }
        END {
            for (pair in needs) {
                split(pair, part, " ")
                own = process(part[1]) " " part[2]
                to = own in at ? at[own] : part[2] in at ? at[part[2]] : ""
                if (to != "") print part[1], to
            }
        }'
}

circles() { # what ties them
    local said
    said=$(awk '$1 != $2' | sort -u | tsort 2>&1 >/dev/null) || sed -n "s/^tsort: \([a-z].*\/.*\)/layers: in a circle by $1: \1/p" <<<"$said"
}

columns() { # journal.c and journal_schema.c read pragmas and the schema
    sources | grep -vE '^notifier/journal/(rows|journal|journal_schema)\.c$' | xargs grep -l sqlite3_column_ |
        sed "s/$/ decodes rows, which notifier\/journal\/rows.c is for/; s/^/layers: /"
}

wrong=$(columns; upward; includes | circles includes; calls | circles calls)
[ -z "$wrong" ] || {
    echo "$wrong"
    exit 1
}
echo "layers: every include points downwards, and there is no circle"
