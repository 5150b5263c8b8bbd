#!/usr/bin/env bash
# documents.sh options|commands|charts FOLDER: the documents' commands. `options`: each command of oxidicom has the options
# that the table of commands names. `commands`: runs every command line of every document, against receivers that the
# documents' own lines have started; a line that `run` does not know fails. `charts`: runs those for a cluster, by what they
# would apply. Lines that can't be run here are named with the reason. Places, ports and names are replaced by some in FOLDER
# and on loopback; ports are those of OXIDICOM_LISTENER_PORT, TLS_PORT and NATS_PORT, other settings come from outside.
set -euo pipefail
mode=$1 folder=$2
bin=$(realpath "${BIN:-build/bin}")
documents=(README.md deploy/*.md proto/*.md tests/*.md tests/*/*.md)
receiver=

# --- command lines --------------------------------------------------------------------------------------------------

# Blocks without a word behind their fence, one command a line, without comments; the lines of a backslash are one.
blocks() {
    awk '/^ *```/ { inside = !inside; plain = inside && /```$/; next } plain' "${documents[@]}" |
        sed -e ':more' -e '/\\$/{N' -e 's/ *\\\n */ /' -e 'b more' -e '}' -e 's/ \+#.*//' -e '/^$/d'
}

# Code within the text that begins with a program's name and has an argument, or that has an option.
inline() {
    awk '/^ *```/ { inside = !inside; next } !inside' "${documents[@]}" | awk -v RS= '{
        gsub(/[ \n]+/, " ")
        while (match($0, /`[^`]+`/)) {
            print substr($0, RSTART + 1, RLENGTH - 2)
            $0 = substr($0, RSTART + RLENGTH)
        }
    }' | grep -E "^((sudo )?($PROGRAMS)|[a-z]+/[a-z0-9/._-]+) [^ ]|^[a-z][a-z0-9./_-]* ([^ ]+ )*--?[a-zA-Z]"
}
PROGRAMS='make|oxidicom[a-z-]*|docker|podman|buildah|kubectl|helm|sqlite3|system(ctl|d-[a-z]+)|journalctl|supervisor[a-z]+|s6-[a-z]+'
PROGRAMS+='|apt|apt-get|dpkg[a-z-]*|curl|storescu|echoscu|dcm[a-z]+|openssl|install|man|git|grep|nats|rabbitmqctl|redis-cli|valgrind'

lines() { { blocks && inline; } | sort -u; }

# The line as it is run here. A busy machine may need more than the two seconds that a person waits.
here() {
    sed -e "s|/etc/oxidicom/|$folder/|g; s|/srv/files|$folder/files|; s|/var/lib/oxidicom|$OXIDICOM_STATE_DIR|" \
        -e "s|amqp://queue:5672|filesystem://$folder/queue|; s|nats:4222|127.0.0.1:$NATS_PORT|; s|=2762|=$TLS_PORT|" \
        -e "s| receiver 2762| 127.0.0.1 $TLS_PORT|; s| receiver 11111| 127.0.0.1 $OXIDICOM_LISTENER_PORT|" \
        -e "s|FOLDER|$folder/sent|; s/\[UID.*\]/UID/; s/UID…*/$(series)/; s/--since\( SINCE\)*/--since 1d/" \
        -e 's/^kubectl exec .* -- //; s/^\(series\|audit\) /oxidicom &/' \
        -e 's/^oxidicom \(status\|series\|resend\|reconcile\|audit\|top\)\>/& --timeout 2m/' <<<"$1"
}

series() { oxidicom series --timeout 2m --json 2>/dev/null | sed -n 's/.*"SeriesInstanceUID": "\([0-9.]*\)".*/\1/p' | head -n 1; }

# --- how they are run -----------------------------------------------------------------------------------------------

left_out() { echo "not run here: $*"; }

# Another test runs it: FILE has this text, quotes and the ends of lines aside.
in_test() {
    tr -d '"\n' <"$1" | tr -s ' ' | grep -qF -- "$2" || { echo "$1 does not run it" && return 1; }
}

targets() {
    local word
    for word in $1; do
        case $word in
        '&&') break ;;
        make | *…*) ;;
        *=*) grep -qw -- "${word%%=*}" Makefile deploy/*.mk deploy/*/rules.mk tests/*/rules.mk ;;
        *) grep -qx -- "${word/sanitize\//}" "$folder/targets" ;;
        esac || { echo "make knows no $word" && return 1; }
    done
}

tool() { bash -c "$(here "$1")"; }

# What it names is there: files, arguments of the build, settings, folders and ports of the image.
engine() {
    local before= word
    for word in $1; do
        case $before in
        -f) [ -e "$word" ] || [ -e "deploy/compose/$word" ] || [ "$word" = docker-compose.yml ] ;;
        -t) [[ $word == oxidicom?(:$(sed -n 's/.*OXIDICOM_VERSION "\(.*\)"/\1/p' common/version.h)) ]] ;;
        -e) grep -qF "\`${word%%=*}\`" deploy/SETTINGS.md ;;
        -v) grep -qE "^for folder in .*\b${word#*:/}\b" deploy/image/finish.sh ;;
        -p) grep -qE "^EXPOSE.* ${word#*:}/tcp" deploy/image/Containerfile ;;
        --build-arg) grep -qE "^ARG ${word%%=*}\b" deploy/image/Containerfile ;;
        esac || { echo "$before $word" && return 1; }
        before=$word
    done
    left_out "no container engine; the same image is started by tests/environments"
}

installed() { # SYSTEM'S FILE
    [ -d "$folder/installed" ] || make -s SANITIZE= install PREFIX=/usr DESTDIR="$folder/installed" >/dev/null
    test -s "$folder/installed/$1"
}

unit() {
    local name=${1##* }
    installed "usr/lib/systemd/system/${name/@[0-9]*/@.service}"
    case $1 in
    'systemctl enable --now '*) systemctl --root="$folder/installed" enable "$name" ;;
    'systemctl edit '*) left_out "no systemd; make vm-check writes such files" ;;
    'systemctl restart '*) left_out "no systemd; make vm-check restarts all units" ;;
    *) return 1 ;;
    esac
}

# helm and kubectl.
cluster() {
    local object
    case $1 in
    helm\ upgrade\ chris\ *)
        left_out "the ChRIS chart is not at hand"
        grep -qF -- "${1##* }" deploy/helm/chris.yaml
        ;;
    helm\ install\ *)
        [ "$mode" = commands ] || bash -c "build/tools/${1/install/template} --kube-version 1.33.0" | grep '^kind: StatefulSet'
        ;;
    kubectl\ apply\ -k\ *)
        [ "$mode" = commands ] || build/tools/kustomize "${1##* }" | grep '^kind: StatefulSet'
        ;;
    kubectl\ exec\ * | kubectl\ scale\ *)
        object=$(sed -n '/^kind: StatefulSet/,/^spec/s/^  name: //p' deploy/kubernetes/base/statefulset.yaml)
        [[ $1 =~ \ (statefulset/$object|$object-[0-9])\  ]] || { echo "no such object" && return 1; }
        [ "$mode" = charts ] || [[ $1 != *' -- '* ]] || tool "$1"
        ;;
    *) return 1 ;;
    esac
}

run() {
    case $1 in
    make\ help) make -s help | grep 'make demo' ;;
    make\ demo) (unset "${!OXIDICOM_@}" && make -s demo) ;;
    make\ demo\ ROOTFS=*) targets "$1" && in_test tests/environments/image.c deploy/demo/demo.sh ;;
    make\ install* | make\ dist) targets "$1" && in_test tests/deploy/install.c 'make -s dist' ;;
    make\ deb) in_test tests/deploy/install.c "$1" ;;
    make\ rootfs) targets "$1" && in_test tests/environments/image.c 'make, rootfs' ;;
    make\ *--filter*) targets "$1" && [[ $1 =~ tests/([a-z]+)\ --filter\ \'([a-z_]+)/ ]] &&
        grep -rq "^Test(${BASH_REMATCH[2]}," "tests/${BASH_REMATCH[1]}" ;;
    make\ *) targets "$1" && left_out "it takes long, or needs a machine of its own" ;;
    OXIDICOM_*' oxidicom') grep -qF -- "$1" "$folder/served" ;;
    oxidicom\ top) { tool "$1" || true; } | grep -m 1 listener ;;
    oxidicom\ --stages*) in_test tests/launcher/options.c -- '--stages, listener' ;;
    oxidicom\ resend | oxidicom\ reconcile | oxidicom\ audit) $1 --help ;; # its name alone
    oxidicom* | series\ * | audit\ *) tool "$1" ;;
    storescu\ *) cd "$folder/tls" && bash -c "$(here "$1")" ;;
    sqlite3*) bash -c "$(here "${1/…/$OXIDICOM_STATE_DIR/journal.sqlite3}")" | grep -F "$(series)" ;;
    curl\ *) bash -c "$1" | grep '"writers"' ;;
    docker\ * | buildah\ * | podman\ *) engine "$1" ;;
    helm\ * | kubectl\ *) cluster "$1" ;;
    systemctl\ *) unit "$1" ;;
    systemd-analyze\ security) in_test tests/deploy/systemd.c "$1" ;;
    supervisorctl\ stop\ *) in_test tests/deploy/trees.c 'stop oxidicom-listener oxidicom-writer-0' ;;
    supervisord\ -n\ *) in_test tests/deploy/tree_kinds.c 'supervisord, -n, -c, conf' ;;
    s6-svscan\ *) in_test tests/deploy/tree_kinds.c 's6-svscan, scan' ;;
    share/oxidicom/s6/scale\ *) installed "usr/${1%% *}" && in_test tests/deploy/tree_kinds.c deploy/s6/scale ;;
    share/oxidicom/supervisord/scale\ *) installed "usr/${1%% *}" && in_test tests/deploy/tree_kinds.c ./scale ;;
    man\ *) installed usr/share/man/man1/oxidicom.1 && man -M "$folder/installed/usr/share/man" "${1#* }" | grep OXIDICOM_FILES_ROOT ;;
    install\ *) in_test tests/sandbox/users.c deploy/SECURITY.md ;;
    apt\ install\ *) left_out "make fresh does, in a machine without what it fetches" ;;
    epoch=* | grep\ -rn\ *) bash -c "$1" ;;
    deploy/deps.sh\ *) deploy/deps.sh --list "${1##* }" ;;
    deploy/image/run.sh\ *) in_test tests/environments/container.c '--volume, data' ;;
    tests/bench/* | build/bench/* | valgrind\ * | strace\ *) left_out "it measures, which needs a quiet machine" ;;
    ss\ * | kill\ * | gdb\ * | df\ * | umount\ * | rabbitmqctl\ *) left_out "the machine's own" ;;
    *) echo "no test runs it, and tests/deploy/documents.sh has no reason why not" && return 1 ;;
    esac
}

# Each in a process of its own, where the first failure ends it.
run_all() { # PATTERN
    local line failed=0 count=0
    while read -r line; do
        run "$line" >"$folder/said" 2>&1 </dev/null &
        wait $! || { failed=$((failed + 1)) && echo "FAILED: $line" && tail -n 20 "$folder/said"; }
        grep -h '^not run here' "$folder/said" | sed "s|^|$line: |" || true
        count=$((count + 1))
    done < <(lines | grep -E "$1")
    [ $failed -eq 0 ] && [ $count -ge "$2" ] || { echo "$failed of $count lines failed" && return 1; }
}

# --- receivers ------------------------------------------------------------------------------------------------------

end_receiver() { [ -z "$receiver" ] || { kill "$receiver" && wait "$receiver"; }; }

# `…` in a line stands for what the README's has.
serve() {
    local line=${1/…/$(sed -n 's/^\(OXIDICOM_FILES_ROOT=.*\) oxidicom$/\1/p' README.md)}
    end_receiver
    : >"$folder/receiver.log"
    bash -c "exec env $(here "$line")" >"$folder/receiver.log" 2>&1 &
    receiver=$!
    until grep -q 'all stages are ready' "$folder/receiver.log"; do
        kill -0 $receiver || { cat "$folder/receiver.log" && return 1; }
        read -rt 0.05 <> <(:) || true
    done
    echo "$1" >>"$folder/served"
    bash -c "$(here "$(grep -hE '^storescu .* receiver 11111 FOLDER$' README.md)")"
    [ "$(find "$folder/files/SERVICES/PACS/PACS" -name '*.dcm' | wc -l)" -eq 3 ]
}

commands() {
    local line
    export PATH=$bin:$PATH OXIDICOM_FILES_ROOT=$folder/files no_proxy='*'
    mkdir -p "$folder/files" "$folder/sent" "$folder/tls"
    build/demo/phantom "$folder/sent" 3
    cp "$folder"/sent/*.dcm "$folder"/*.crt "$folder"/*.key "$folder/tls"
    { make -pRrq SANITIZE= TSAN= : 2>/dev/null || true; } | grep -oE '^[a-zA-Z0-9/_.-]+:' | tr -d : >"$folder/targets"
    trap end_receiver EXIT
    while read -r line; do
        serve "$line"
    done < <(lines | grep -E '^OXIDICOM_.* oxidicom$' | sort)
    run_all . 80
}

charts() { run_all '^(helm|kubectl) ' 5; }

# --- options --------------------------------------------------------------------------------------------------------

options() {
    local line text command known option count=0
    while IFS='|' read -r _ line text _; do
        command=$(grep -oE 'oxidicom [a-z]+' <<<"$line" | head -n 1)
        known=$("$bin"/$command --help)
        for option in $(grep -oE -- '`--[a-z-]+' <<<"$text" | tr -d '`'); do
            grep -q -- "$option" <<<"$known" || { echo "$command has no $option" && return 1; }
            count=$((count + 1))
        done
    done < <(sed 's/\\|/ /g' deploy/OPERATING.md | grep -E '^\| `oxidicom [a-z]+')
    [ $count -ge 5 ] || { echo "$count options only" && return 1; }
}

"$mode"
