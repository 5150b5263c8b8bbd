#!/bin/bash
# inside.sh: init of the machine. Its root is the surrounding machine's, read-only, so writable places are on tmpfs:
# /mnt/export on a disk of its own is what the server has, /mnt/nfs is where checks.py mounts it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
for folder in /run /tmp /var/lib/nfs /mnt; do mount -t tmpfs tmpfs $folder; done
mkdir -p /dev/shm /mnt/export /mnt/nfs /mnt/tree /mnt/out /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/v4recovery /run/lib
mount -t tmpfs tmpfs /dev/shm
# Folders that this machine's tmpfs hides.
mount -r -t hostfs -o "$NFS_TREE" none /mnt/tree
mount -t hostfs -o "$NFS_FOLDER" none /mnt/out
hostname nfs-check
ip link set lo up

# The kernel's modules lie where no kernel looks for them.
ln -s /usr/lib/uml/modules /run/lib/modules
printf '#!/bin/sh\nexec modprobe -C /run/modprobe.conf -d /run "$@"\n' >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
echo "options lockd nlm_timeout=3 nlm_grace_period=3" >/run/modprobe.conf # nobody holds locks that it would have to wait for
for module in nfsd nfs nfsv3 nfsv4 sch_prio sch_netem cls_u32; do /run/modprobe $module || echo "no module $module"; done

mkfs.ext4 -q -F -m 0 /dev/ubda && mount /dev/ubda /mnt/export
mkdir -p /var/lib/nfs/rpc_pipefs && mount -t rpc_pipefs rpc /var/lib/nfs/rpc_pipefs
mount -t nfsd nfsd /proc/fs/nfsd
echo 10 >/proc/fs/nfsd/nfsv4gracetime
echo 10 >/proc/fs/nfsd/nfsv4leasetime
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
{ rpcbind -w && rpc.statd --no-notify && rpc.mountd && rpc.nfsd 8; } 2>&1
echo Y >/proc/fs/nfsd/v4_end_grace # nobody was there before

cd /mnt/tree || echo "no tree"
mapfile -t wanted </mnt/out/wanted
python3 tests/nfs/checks.py ${wanted[@]} && echo "nfs-check: the end"
echo o >/proc/sysrq-trigger
sleep 60
