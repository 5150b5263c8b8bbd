#!/usr/bin/env bash
# documents.sh targets|options|start FOLDER: the documents' commands. `targets`: make has each target that they name.
# `options`: each command of oxidicom has the options that they name. `start`: the README's lines start a receiver on a
# host and send to it; places are replaced by some in FOLDER and on loopback.
set -euo pipefail
folder=$2
bin=${BIN:-build/bin}
documents=(README.md deploy/*.md proto/*.md tests/*.md tests/*/*.md)

# Code between backquotes, and the lines of blocks.
code() {
    grep -ohE '`[^`]+`' "${documents[@]}" | tr -d '`'
    awk '/^```/ { fenced = !fenced; next } fenced' "${documents[@]}"
}

targets() {
    { make -pRrq SANITIZE= TSAN= : 2>/dev/null || true; } | grep -oE '^[a-zA-Z0-9/_.-]+:' | tr -d : | sort -u >"$folder/targets"
    # Words before the comment or the next command, without variables.
    code | sed -nE 's/^make +([^#&]*).*/\1/p' | tr ' ' '\n' | grep -vE '=|^-|^$|…|^build/sanitize' | sort -u >"$folder/named"
    [ "$(wc -l <"$folder/named")" -ge 20 ]
    comm -23 "$folder/named" "$folder/targets" | sed 's/^/no target: /' | tee "$folder/missing"
    [ ! -s "$folder/missing" ]
}

options() {
    local line command option known count=0
    while read -r line; do
        command=$(grep -oE '^oxidicom (status|top|series|resend|reconcile|audit)' <<<"$line" || echo oxidicom)
        known=$($bin/$command --help)
        for option in $(grep -oE -- '--[a-z-]+' <<<"$line"); do
            grep -q -- "$option" <<<"$known" || { echo "$command has no $option" && return 1; }
            count=$((count + 1))
        done
    done < <(code | tr -d '\\' | grep -E '^(kubectl exec .* )?oxidicom( [a-z]+)?( .*)? --' | sed 's/.* -- oxidicom/oxidicom/')
    # The table of commands has options beside their command.
    while IFS='|' read -r _ line text _; do
        command=$(grep -oE 'oxidicom [a-z]+' <<<"$line" | head -n 1)
        known=$($bin/$command --help)
        for option in $(grep -oE -- '`--[a-z-]+' <<<"$text" | tr -d '`'); do
            grep -q -- "$option" <<<"$known" || { echo "$command has no $option" && return 1; }
            count=$((count + 1))
        done
    done < <(sed 's/\\|/ /g' deploy/OPERATING.md | grep -E '^\| `oxidicom [a-z]+')
    [ $count -ge 10 ] || { echo "$count options only" && return 1; }
}

start() {
    local line port=$OXIDICOM_LISTENER_PORT
    mkdir -p "$folder/files" "$folder/sent"
    build/demo/phantom "$folder/sent" 3
    line=$(grep -E '^OXIDICOM_FILES_ROOT=.* oxidicom$' README.md)
    line=${line//\/srv\/files/$folder/files}
    line=${line//amqp:\/\/queue:5672/filesystem://$folder/queue}
    line=${line//nats:4222/127.0.0.1:1}
    PATH=$(realpath "$bin"):$PATH bash -c "exec env $line" >"$folder/receiver.log" 2>&1 &
    local receiver=$!
    # shellcheck disable=SC2064
    trap "kill $receiver; wait $receiver || true" EXIT
    until grep -q 'all stages are ready' "$folder/receiver.log"; do
        kill -0 $receiver || { cat "$folder/receiver.log" && return 1; }
        read -rt 0.05 <> <(:) || true
    done
    line=$(grep -E '^storescu .* receiver 11111 FOLDER$' README.md)
    line=${line/ receiver 11111/ 127.0.0.1 $port}
    bash -c "${line/FOLDER/$folder/sent}"
    [ "$(find "$folder/files/SERVICES/PACS/PACS" -name '*.dcm' | wc -l)" -eq 3 ]
    "$bin/oxidicom" series --json | grep -q '"files": 3\|"ndicom": 3'
}

"$1"
