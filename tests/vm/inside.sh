#!/bin/bash
# inside.sh: runs in the machine, as root, after each boot; a line for each check, on standard output. Senders keep a ledger of
# what was acknowledged to them: what is in it must be in storage, and its series registered.
set -uo pipefail
PATIENCE=600 # seconds that anything may take, on a machine that is emulated
STAGES=(notifier writer@0 listener)
cd /root

say() { echo "vm-check: $*"; }

check() { # NAME COMMAND…
    local name=$1
    shift
    if "$@" >/root/said 2>&1; then
        say "passed: $name"
    else
        say "failed: $name"
        { tail -n 5 /root/said; journalctl -b -n 15 -o short -u 'oxidicom*'; } | sed 's/^/vm-check:   /'
    fi
}

await() { # COMMAND…: until it succeeds
    local end=$((SECONDS + PATIENCE))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 1
    done
}

for_each_stage() { # COMMAND…: with each stage at its end
    local stage
    for stage in "${STAGES[@]}"; do
        "$@" "$stage" || { echo "$stage: $*"; return 1; }
    done
}

# --- the ring ---------------------------------------------------------------------------------------------------

value() { systemctl show -p "$2" --value "oxidicom-$1"; }
tool() { runuser -u oxidicom -- oxidicom "$@"; }
is_active() { systemctl is-active --quiet "oxidicom-$1"; }
is_inactive() { [ "$(value "$1" ActiveState)" = inactive ]; }
is_ready() { for_each_stage is_active && tool status --stages >/dev/null; }
never_restarted() { [ "$(value "$1" NRestarts)" -eq 0 ]; }
ended_well() { [ "$(value "$1" Result)" = success ] && [ "$(value "$1" ExecMainStatus)" -eq 0 ]; }
is_exposed_little() { systemd-analyze security --no-pager --threshold=19 "oxidicom-$1"; }

# The configuration demands the sandbox, and the stage reports it.
says_its_sandbox() {
    journalctl -b -o cat "_PID=$(value "$1" MainPID)" | grep -E 'sandbox: files by Landlock \(ABI [0-9]+\), system calls by seccomp'
}

# What nothing but the stage's own sandbox refuses it: Landlock the first (EACCES), its filter the second (EPERM).
is_in_sandbox() {
    local process file=/var/lib/oxidicom/journal.sqlite3
    [ "$1" != notifier ] || file=$(a_stored_file)
    process=$(value "$1" MainPID)
    kill -USR2 "$process"
    await eval "journalctl -b -o cat _PID=$process | grep -q '^probe: end $process'"
    journalctl -b -o cat "_PID=$process" | grep -x "probe: read $file: 13" &&
        journalctl -b -o cat "_PID=$process" | grep -x "probe: truncate $file: 1"
}

a_stored_file() { find /srv/oxidicom/SERVICES -name '*.dcm' | sort | sed -n 1p; }

has_new_process() { # OLD STAGE
    local process
    process=$(value "$2" MainPID)
    [ "$process" -ne 0 ] && [ "$process" -ne "$1" ] && is_active "$2"
}

shows_writers() { # "0 1 …": these and no others, and all of them run
    [ "$(tool status | awk '$1 ~ /^writer-/ { sub("writer-", "", $1); print $1 ($2 == "runs" ? "" : "?") }' | sort -n | paste -sd' ')" = "$1" ]
}

# --- senders ----------------------------------------------------------------------------------------------------

send_series() { # LEDGER FOLDER: again until all of it is taken
    until storescu -v -aet VM 127.0.0.1 11111 "$2"/*.dcm 2>&1 |
        awk '/Sending file:/ { file = $NF } /Received Store Response \(Success\)/ { print file; fflush() }' >>"$1"; do
        sleep 1
    done
}

send() { # LEDGER FOLDER…: two senders, which end when all is taken
    local ledger=$1 folder sender
    shift
    for sender in 0 1; do
        for folder in "$@"; do
            [ $((folder % 2)) -ne $sender ] || send_series "$ledger" "/root/load/$folder"
        done &
    done
    wait
}

has_lines() { [ "$(wc -l <"$2")" -ge "$1" ]; } # COUNT FILE

in_index() { # LEDGER COLUMN
    sort -u "$1" | join - <(sort /root/load/index) | cut -d' ' -f"$2" | sort -u
}

is_stored() { # LEDGER: whole, for each object's pixels alone have 128 KiB
    local missing
    missing=$(comm -23 <(in_index "$1" 2) \
        <(find /srv/oxidicom/SERVICES -name '*.dcm' -size +128k -printf '%f\n' | sed 's/^[0-9]*-//; s/\.dcm$//' | sort -u))
    echo "missing: $missing"
    [ -s "$1" ] && [ -z "$missing" ]
}

is_registered() { # LEDGER
    tool series --all >/root/series || return 1
    local missing
    missing=$(comm -23 <(in_index "$1" 3) <(awk '/ registered / { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9.]*$/) print $i }' /root/series | sort -u))
    echo "missing: $missing"
    [ -s "$1" ] && [ -z "$missing" ] && ! grep -E ' (receiving|waiting) ' /root/series
}

# --- checks ------------------------------------------------------------------------------------------------------

starts() {
    dpkg -i /root/oxidicom.deb >/root/said 2>&1 || say "failed: the package is installed"
    sed -i -e 's|^#*OXIDICOM_AMQP_ADDRESS=.*|OXIDICOM_AMQP_ADDRESS=filesystem:///var/lib/oxidicom/queue|' \
        -e 's|^#*OXIDICOM_SANDBOX=.*|OXIDICOM_SANDBOX=true|' \
        -e 's|^#*OXIDICOM_ABORT_QUIET=.*|OXIDICOM_ABORT_QUIET=5s|' /etc/oxidicom/oxidicom.conf
    check "nothing runs before it is enabled" for_each_stage is_inactive
    check "the target is enabled and started" systemctl enable --now oxidicom.target
    check "all stages become ready" await is_ready
    check "the sandbox is in force in each of them" for_each_stage says_its_sandbox
    check "the exposure of each is below 2" for_each_stage is_exposed_little
    send first 10 11
    check "what is sent is stored" is_stored first
    check "and registered" await is_registered first
    check "no link to its folder is left" eval '[ -z "$(ls /srv/oxidicom/.oxidicom/series)" ]'
    check "and series can be locked" test -e /srv/oxidicom/.oxidicom/replicas/locks
    check "no stage was started again" for_each_stage never_restarted
}

dies() { # killed at these counts of acknowledged objects, at any time
    local stage old count=20
    : >killed
    send killed {12..35} &
    for stage in writer@0 notifier listener; do
        count=$((count + 40))
        await has_lines $count killed
        old=$(value "$stage" MainPID)
        kill -9 "$old"
        check "$stage comes back after kill -9 under load" await has_new_process "$old" "$stage"
    done
    wait
    check "nothing acknowledged was lost" is_stored killed
    check "and all of it is registered" await is_registered killed
}

hangs() {
    local stage file probes=
    declare -A old
    for file in /var/lib/oxidicom/journal.sqlite3 "$(a_stored_file)"; do
        probes+="${probes:+;}read $file;truncate $file"
    done
    for stage in notifier writer@ listener; do
        mkdir -p "/etc/systemd/system/oxidicom-$stage.service.d"
        cat >"/etc/systemd/system/oxidicom-$stage.service.d/check.conf" <<DROP_IN
[Service]
WatchdogSec=20s
Environment=LD_PRELOAD=/usr/local/lib/probe.so
Environment="OXIDICOM_TEST_PROBE=$probes"
DROP_IN
    done
    systemctl daemon-reload
    systemctl restart oxidicom.target
    check "all stages become ready with a shorter watchdog" await is_ready
    check "each is refused what nothing but its own sandbox refuses" for_each_stage is_in_sandbox
    for stage in "${STAGES[@]}"; do
        old[$stage]=$(value "$stage" MainPID)
        kill -STOP "${old[$stage]}"
    done
    for stage in "${STAGES[@]}"; do
        check "the watchdog starts $stage again, which was stopped by SIGSTOP" await has_new_process "${old[$stage]}" "$stage"
    done
    check "it was the watchdog" eval '[ "$(journalctl -b -o cat -u "oxidicom-*" | grep -c "Watchdog timeout")" -ge 3 ]'
    check "and the ring works again" await is_ready
}

scales() {
    systemctl enable --now --quiet oxidicom-writer@1 oxidicom-writer@2
    check "status has writers 1 and 2 when they are enabled" await shows_writers "0 1 2"
    systemctl disable --now --quiet oxidicom-writer@1 oxidicom-writer@2
    check "and does not when they are disabled" await shows_writers "0"
    : >scaled
    send scaled 36 37
    check "objects are stored by the one that is left" is_stored scaled
}

stops() {
    : >stopped
    send stopped {38..51} &
    await has_lines 40 stopped
    systemctl stop oxidicom.target
    check "a stop under load ends every stage" await for_each_stage is_inactive
    check "each of them well" for_each_stage ended_well
    cp stopped before
    check "nothing acknowledged until then is lost" is_stored before
    systemctl start oxidicom.target
    check "they start again" await is_ready
    wait
    check "the senders bring the rest, and nothing is lost" is_stored stopped
    check "and all of it is registered" await is_registered stopped
}

reboots() {
    rm -r /etc/systemd/system/oxidicom-*.service.d
    systemctl enable --now --quiet oxidicom-writer@1
    : >rebooted
    send rebooted {52..63} &
    await has_lines 20 rebooted
    echo purge >phase
    systemctl --no-block reboot
    sleep infinity
}

comes_back() {
    check "all stages are ready after a reboot under load, writer 1 among them" await eval 'is_ready && shows_writers "0 1"'
    check "all ended well before it" eval '[ "$(journalctl -b -1 -o cat -u "oxidicom-*" | grep " ends$" | sort -u | wc -l)" -ge 4 ] &&
        ! journalctl -b -1 -o cat -u "oxidicom-*" | tail -n 20 | grep "Failed with result"'
    check "the sandbox is in force in each of them" for_each_stage says_its_sandbox
    check "nothing acknowledged before it is lost" is_stored rebooted
    check "and all of it is registered" await is_registered rebooted
}

has_no_trace() {
    local links
    links=$(find /etc/systemd /run/systemd /usr/lib/systemd /var/lib/systemd \( -name '*oxidicom*' -o -xtype l -lname '*oxidicom*' \))
    echo "left: $links"
    [ -z "$links" ] && ! pgrep -u oxidicom -a && [ ! -e /etc/oxidicom ]
}

is_purged() {
    check "the package is purged" dpkg --purge oxidicom
    check "and leaves neither processes, nor units, nor links to them" has_no_trace
    check "but what was received" is_stored first
}

case $(cat phase 2>/dev/null) in
purge)
    comes_back
    is_purged
    say "the end"
    systemctl --no-block poweroff
    ;;
*)
    say "$(. /etc/os-release; echo "$PRETTY_NAME"), $(systemctl --version | head -n 1), Linux $(uname -r)"
    starts
    dies
    hangs
    scales
    stops
    reboots
    ;;
esac
