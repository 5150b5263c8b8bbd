"""What runs in the machine: the NFS server and its mount, receivers on it, senders to them."""
import base64
import collections
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

EXPORT, MOUNT, HOME, PORT = '/mnt/export', '/mnt/nfs', '/dev/shm/home', 11113
PATIENCE_S = 300


def sh(command, check=True):
    return subprocess.run(command, shell=True, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def expect(condition, what):
    if not condition:
        raise RuntimeError(what)


def await_that(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f'{what}: not within {PATIENCE_S} s')
        time.sleep(0.05)


# --- the server and the mount ---

def export(options='rw'):
    sh(f'exportfs -i -o {options},sync,no_root_squash,no_subtree_check,fsid=0 127.0.0.1:{EXPORT}')


def serve(threads=8):
    """With 0 the server is away: connections to it are refused."""
    sh(f'rpc.nfsd {threads}')


def mount(version, options='hard', at=MOUNT, server='127.0.0.1'):
    source = f'{server}:/' if version.startswith('4') else f'{server}:{EXPORT}'
    sh(f'mkdir -p {at}; mount -t nfs -o vers={version},proto=tcp,{options} {source} {at}')


def another_host(number):
    """What a receiver there has for itself."""
    return {'mount': f'/mnt/host-{number}', 'home': f'/dev/shm/host-{number}', 'port': PORT + number}


def mount_as_another_host(version, number, options='hard'):
    """One host's mounts of NFS 4 share a delegation, and with it their locks, unless the server takes them for those of two. Locks of
    NFS 3 are told apart by numbers that a host gives for each address of the server."""
    name, server = '/sys/module/nfs/parameters/nfs4_unique_id', f'127.0.0.{number if version.startswith("4") else 1}'
    sh(f'echo host-{number} >{name}')
    mount(version, f'{options},nosharecache', another_host(number)['mount'], server)
    sh(f'echo >{name}')


def unmount(at=MOUNT):
    sh(f'umount -f {at}')


def delay(round_trip_ms):
    """Of what goes to and comes from the server's port, and nothing else."""
    sh('tc qdisc del dev lo root', check=False)
    if round_trip_ms:
        sh('tc qdisc add dev lo root handle 1: prio bands 4 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0')
        sh(f'tc qdisc add dev lo parent 1:4 handle 40: netem delay {round_trip_ms / 2}ms limit 100000')
        for side in ('dport', 'sport'):
            sh(f'tc filter add dev lo protocol ip parent 1:0 prio 1 u32 match ip {side} 2049 0xffff flowid 1:4')


def operations():
    """Of the mount, since it was made: operation -> count."""
    found, here = collections.Counter(), False
    with open('/proc/self/mountstats') as file:
        for line in file:
            if line.startswith('device '):
                here = f' mounted on {MOUNT} ' in line
            elif here and (match := re.match(r'\s+([A-Z_0-9]+): (\d+) ', line)):
                found[match[1]] = int(match[2])
    return found


class Counted:
    """with Counted() as counted: what the mount was asked for meanwhile."""

    def __enter__(self):
        self.before, self.begin = operations(), time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.begin
        self.each = self.now()

    def now(self):
        return operations() - self.before

    @property
    def all(self):
        return sum(self.each.values())


# --- receivers ---

def await_port(process, port=PORT):
    def answers():
        if process.poll() is not None:
            raise RuntimeError(f'the receiver has ended with {process.returncode}')
        with contextlib.suppress(OSError):
            socket.create_connection(('127.0.0.1', port), 1).close()
            return True
        return False
    await_that(answers, 'the receiver listens')


class Receiver:
    port = PORT

    def __enter__(self):
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(self.argv, env={**os.environ, **self.environment}, stdout=log, stderr=subprocess.STDOUT)
        await_port(self.process, self.port)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)


class Storescp(Receiver):
    log, environment = '/run/storescp.log', {'TCP_NODELAY': '1'}

    def __init__(self):
        root = f'{MOUNT}/storescp'
        sh(f'rm -rf {root}; mkdir {root}')
        self.argv = ['storescp', '--fork', '-aet', 'ChRIS', '-od', root, '-pm', '+xa', '+B', '-pdu', '131072', str(PORT)]


class Oxidicom(Receiver):
    argv = ['build/bin/oxidicom']

    def __init__(self, root='files', mount=MOUNT, home=HOME, port=PORT, **more):
        self.root, self.home, self.port, self.log = f'{EXPORT}/{root}', home, port, f'/run/oxidicom-{port}.log'
        sh(f'rm -rf {home}; mkdir {home} && mkdir {home}/run {home}/state; mkdir -p {HOME}/queue')
        if home == HOME:
            sh(f'rm -rf {self.root}; mkdir {self.root}')
        self.environment = {'OXIDICOM_AMQP_ADDRESS': f'filesystem://{HOME}/queue', 'OXIDICOM_FILES_ROOT': f'{mount}/{root}',
                            'OXIDICOM_RUN_DIR': f'{home}/run', 'OXIDICOM_STATE_DIR': f'{home}/state', 'NO_COLOR': '1',
                            'RUST_LOG': 'info', 'OXIDICOM_LISTENER_PORT': str(port), 'OXIDICOM_WRITERS': '1', **more}

    def __enter__(self):
        super().__enter__()
        # Its first look below the files root is not an object's.
        await_that(lambda: '"writer-' in self.ask('status', '--json'), 'a writer is there')
        return self

    def ask(self, *words):
        # Without the files root, which the tool would wait for where the server is away.
        return subprocess.run(['timeout', '-s', 'KILL', '10', *self.argv, *words], stdout=subprocess.PIPE, text=True,
                              env={**os.environ, 'OXIDICOM_RUN_DIR': f'{self.home}/run'}).stdout

    def logged(self, text):
        """How often."""
        with open(self.log) as log:
            return log.read().count(text)

    def temporary_files(self):
        return sh(f'find {self.root}/.oxidicom/tmp -type f').split()


# --- senders ---

def send(associations, objects, size=20000, window=1):
    """Each association has its own AE title and series. Returns objects a second."""
    argv = ['build/bench/sender'] + [str(number) for number in (PORT, associations, objects, size, window, 131072)]
    told = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout)
    if told['ok'] != associations * objects:
        raise RuntimeError(f'of {associations * objects} objects {told["ok"]} were taken')
    return told['ok'] / told['seconds']


def data_set(path):
    """Behind the header of a Part 10 file (PS3.10 7.1)."""
    with open(path, 'rb') as file:
        content = file.read()
    return content[144 + int.from_bytes(content[140:144], 'little'):]


class Sender:
    """storescu with files of /mnt/out/load; its answers, in order: [(file, status)]."""

    def __init__(self, *files, title='NFS', port=PORT, options=()):
        self.process = subprocess.Popen(['storescu', '-v', '--no-halt', '-aet', title, *options, '127.0.0.1', str(port), *files],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def answers(self):
        """`first` is the time of the first."""
        found, file, self.first = [], None, None
        timer = threading.Timer(PATIENCE_S, self.process.kill)
        timer.start()
        with self.process:
            for line in self.process.stdout:
                if match := re.search(r'Sending file: (.*)', line):
                    file = match[1]
                elif match := re.search(r'Received Store Response \((.*)\)', line):
                    self.first = self.first or time.monotonic()
                    found.append((file, match[1]))
        timer.cancel()
        return found

    def taken(self):
        return [file for file, status in self.answers() if status == 'Success']


def registrations():
    """Series -> the number of files in each of its tasks in the queue, kombu's filesystem transport, in order."""
    found = collections.defaultdict(list)
    for entry in sorted(os.scandir(f'{HOME}/queue'), key=lambda entry: entry.stat().st_mtime_ns):
        if entry.is_file() and entry.name.endswith('.msg'):
            with open(entry) as file:
                task = json.loads(base64.b64decode(json.load(file)['body']))[1]
            found[task['SeriesInstanceUID']].append(task['ndicom'])
    return found


def series(first, count, slices):
    """Files of so many series, the first slices of each."""
    return [f'/mnt/out/load/{number}/{at:04}.dcm' for number in range(first, first + count) for at in range(1, slices + 1)]


def series_uid(path):
    """Of (0020,000E), Explicit VR Little Endian."""
    with open(path, 'rb') as file:
        content = file.read()
    at = content.index(b'\x20\x00\x0e\x00UI') + 8
    return content[at:at + int.from_bytes(content[at - 2:at], 'little')].decode().rstrip('\0')


def missing(receiver, files):
    """Which of them do not lie on the server as they were sent."""
    stored = {}
    for path in sh(f'find {receiver.root}/SERVICES -name "*.dcm"', check=False).split('\n'):
        if path.endswith('.dcm'):
            stored[data_set(path)] = path
    return [file for file in files if data_set(file) not in stored]


def keeps(receiver, taken):
    lost = missing(receiver, taken)
    expect(not lost, f'{len(lost)} of {len(taken)} acknowledged objects are not there')
