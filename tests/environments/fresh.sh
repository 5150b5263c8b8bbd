#!/usr/bin/env bash
# fresh.sh FOLDER SUITE: in a minimal Debian of that release, what a new site does first: `make demo` and `make deb` of the
# committed tree; and, in another, `apt install` of that package, whose units are verified and whose s6 tree receives a
# series. Prints the time and the fetched packages of each. Takes minutes, needs root, mmdebstrap and Debian's packages, and
# leaves the two root file systems in FOLDER.
set -euo pipefail
folder=$1 suite=$2 slices=20

# ROOT < SCRIPT: mounts and processes end with the script.
run_in() {
    unshare --mount --propagation private --pid --fork --kill-child bash -c '
        mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && mount -t tmpfs -o mode=755 tmpfs "$1/run"
        exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive bash -euo pipefail -s' bash "$1"
}

rm -rf --one-file-system "$folder"
mkdir -p "$folder"
mmdebstrap --quiet --variant=minbase "$suite" "$folder/minimal.tar"
for root in demo deb; do
    mkdir "$folder/$root"
    tar -xf "$folder/minimal.tar" -C "$folder/$root"
    cp /etc/resolv.conf "$folder/$root/etc/"
    rm -f "$folder/$root/etc/apt/apt.conf.d/docker-clean"
    echo 'APT::Keep-Downloaded-Packages "true";' >"$folder/$root/etc/apt/apt.conf.d/99keep"
    cat >"$folder/$root/root/common" <<'COMMON'
get() { apt-get install -y -qq --no-install-recommends "$@" >>/root/apt.log 2>&1 || { tail -n 20 /root/apt.log; exit 1; }; }
fetched() {
    echo "$(cat /var/cache/apt/archives/*.deb | wc -c | numfmt --to=si) in $(ls /var/cache/apt/archives/*.deb | wc -l) packages"
}
COMMON
done

git archive --prefix=oxidicom/ HEAD | tar -x -C "$folder/demo/root"
run_in "$folder/demo" <<'SCRIPT'
. /root/common
apt-get update -qq
get make git ca-certificates
apt-get clean
. /etc/os-release
echo "== $PRETTY_NAME"
SECONDS=0
make -C /root/oxidicom demo >/root/demo.log 2>&1 || { tail -n 30 /root/demo.log; exit 1; }
grep ' objects, ' /root/demo.log
echo "make demo: $SECONDS s, $(fetched)"
SECONDS=0
make -C /root/oxidicom deb >/root/deb.log 2>&1 || { tail -n 30 /root/deb.log; exit 1; }
lintian --fail-on error,warning --allow-root /root/oxidicom/build/deb/*.changes
echo "make deb: $SECONDS s, and lintian says nothing"
SCRIPT

cp "$folder"/demo/root/oxidicom/build/deb/oxidicom_*.deb "$folder/deb/root/oxidicom.deb"
build/demo/phantom "$folder/deb/root/" $slices
run_in "$folder/deb" <<'SCRIPT'
. /root/common
apt-get update -qq
SECONDS=0
get /root/oxidicom.deb
echo "apt install: $SECONDS s, $(fetched)"
get s6 dcmtk systemd
systemd-analyze verify --man=no /usr/lib/systemd/system/oxidicom*
echo "The units are verified."

port=$(shuf -i 20000-32000 -n 1)
sed -i -e 's|^#*OXIDICOM_AMQP_ADDRESS=.*|OXIDICOM_AMQP_ADDRESS=filesystem:///var/lib/oxidicom/queue|' \
    -e "s|^#*OXIDICOM_LISTENER_PORT=.*|OXIDICOM_LISTENER_PORT=$port|" /etc/oxidicom/oxidicom.conf
cp -r /usr/share/oxidicom/s6/scan /var/lib/oxidicom-scan
s6-svscan /var/lib/oxidicom-scan >/root/svscan.log 2>&1 &
await() { # COMMAND…: until it succeeds, half a minute at most
    for _ in $(seq 300); do
        "$@" >/root/said 2>&1 && return
        sleep 0.1
    done
    cat /root/said /var/log/oxidicom/*/current
    return 1
}
await oxidicom status --stages
storescu -aet FRESH 127.0.0.1 "$port" /root/*.dcm
await compgen -G '/var/lib/oxidicom/queue/*.msg'
[ "$(find /srv/oxidicom -name '*.dcm' | wc -l)" -eq "$(ls /root/*.dcm | wc -l)" ]
/usr/share/oxidicom/s6/scale /var/lib/oxidicom-scan 2
await eval 'oxidicom status --stages | grep writer-1'
s6-svscanctl -t /var/lib/oxidicom-scan
wait
echo "The s6 tree has received a series, has had a writer more, and has ended."
SCRIPT
