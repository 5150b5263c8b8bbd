"""Receivers started for one measurement, their use of the machine, and the sender."""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

TICKS = os.sysconf('SC_CLK_TCK')
START_SECONDS = 30
STOP_SECONDS = 60
SAMPLE_SECONDS = 0.02
BIN = 'build/bin'
BENCH = 'build/bench'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def await_port(port):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise TimeoutError(f'nobody listens on port {port}')


def await_writers(run_folder, count):
    """Until the listener has heard of them all: unknown ones get nothing to do."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        status = subprocess.run([f'{BIN}/oxidicom', 'status', '--json'], capture_output=True, text=True,
                                env={**os.environ, 'OXIDICOM_RUN_DIR': run_folder})
        stages = json.loads(status.stdout)['stages'] if status.stdout else []
        if sum(stage['id'].startswith('writer-') and stage['state'] == 'runs' for stage in stages) == count:
            return
        time.sleep(0.05)
    raise TimeoutError(f'the listener has not heard of {count} writers')


def processes(pid):
    """The process and all below it."""
    found = [pid]
    for parent in found:
        for children in glob.glob(f'/proc/{parent}/task/*/children'):
            try:
                with open(children) as file:
                    found += [int(child) for child in file.read().split()]
            except OSError:
                pass  # ended meanwhile
    return found


def cpu_seconds(pid):
    """User and system time of the tree, with its awaited children's."""
    total = 0
    for process in processes(pid):
        try:
            with open(f'/proc/{process}/stat') as file:
                total += sum(int(ticks) for ticks in file.read().rsplit(')', 1)[1].split()[11:15])
        except OSError:
            pass
    return total / TICKS


def anonymous_mb(pid):
    total = 0
    for process in processes(pid):
        try:
            with open(f'/proc/{process}/status') as file:
                found = re.search(r'RssAnon:\s+(\d+) kB', file.read())
            total += int(found[1]) if found else 0
        except OSError:
            pass
    return total * 1024 / 1e6


class Peer:
    """A receiver on a free port with a folder of its own: on tmpfs, or beside the build."""

    def __init__(self, argv, environment, folder, port, settings):
        self.folder, self.port, self.settings = folder, port, settings
        self.log = open(f'{folder}/log', 'w')
        self.process = subprocess.Popen(argv, env={**os.environ, **environment}, stdout=self.log, stderr=self.log)
        await_port(port)

    @classmethod
    def oxidicom(cls, settings, on_disk=False):
        folder, port = make_folder(on_disk), free_port()
        for name in ('files', 'run', 'state', 'queue'):
            os.mkdir(f'{folder}/{name}')
        environment = {'OXIDICOM_AMQP_ADDRESS': f'filesystem://{folder}/queue', 'OXIDICOM_FILES_ROOT': f'{folder}/files',
                       'OXIDICOM_RUN_DIR': f'{folder}/run', 'OXIDICOM_STATE_DIR': f'{folder}/state',
                       'OXIDICOM_LISTENER_PORT': str(port), 'RUST_LOG': 'warn',
                       'OXIDICOM_SERIES_QUIET': '0s', 'OXIDICOM_ABORT_QUIET': '0s', **settings}
        peer = cls([f'{BIN}/oxidicom'], environment, folder, port, settings)
        await_writers(f'{folder}/run', int(settings.get('OXIDICOM_WRITERS', 1)))
        return peer

    @classmethod
    def storescp(cls, bit_preserving=True, nodelay=True):
        folder, port = make_folder(False), free_port()
        os.mkdir(f'{folder}/files')
        argv = ['storescp', '--fork', '-aet', 'ChRIS', '-od', f'{folder}/files', '-pm', '+xa']
        argv += ['+B'] if bit_preserving else []
        return cls(argv + [str(port)], {'TCP_NODELAY': '1'} if nodelay else {}, folder, port, {})

    @classmethod
    def orthanc(cls):
        """As Debian packages it, with room for as many associations; it answers when a file was forced to the disk."""
        folder, port = make_folder(False), free_port()
        with open(f'{folder}/orthanc.json', 'w') as file:
            json.dump({'StorageDirectory': f'{folder}/files', 'IndexDirectory': f'{folder}/files', 'SyncStorageArea': True,
                       'DicomAet': 'ChRIS', 'DicomPort': port, 'DicomAlwaysAllowStore': True, 'DicomThreadsCount': 64,
                       'HttpServerEnabled': False, 'RemoteAccessAllowed': False, 'Plugins': []}, file)
        environment = {'LD_PRELOAD': os.path.abspath('build/loopback.so'), 'TCP_NODELAY': '1'}
        return cls(['Orthanc', f'{folder}/orthanc.json'], environment, folder, port, {})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        remove_folder(self.folder)


def make_folder(on_disk):
    return tempfile.mkdtemp(prefix='oxidicom-bench-', dir=os.path.abspath(BENCH) if on_disk else '/dev/shm')


STAYING = []


def remove_folder(folder):
    if STAYING:
        STAYING[-1].append(folder)
    else:
        shutil.rmtree(folder)


@contextlib.contextmanager
def folders_stay():
    """Nothing is removed within: for seconds after many files were removed, ext4 looks long for the place of each new one."""
    STAYING.append([])
    try:
        yield
    finally:
        for folder in STAYING.pop():
            shutil.rmtree(folder)


class Usage:
    """What the tree of a receiver uses between enter and exit: CPU seconds, and the most anonymous memory."""

    def __init__(self, peer):
        self.pid, self.cpu, self.memory_mb = peer.process.pid, 0, 0
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(SAMPLE_SECONDS):
            self.memory_mb = max(self.memory_mb, anonymous_mb(self.pid))

    def __enter__(self):
        self.begin = cpu_seconds(self.pid)
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.cpu = cpu_seconds(self.pid) - self.begin
        self.over.set()
        self.watcher.join()


def with_rates(figures, cpu):
    """What a sender has counted, and what that makes for a second and a GB."""
    figures['mb_s'] = figures['bytes'] / 1e6 / figures['seconds']
    figures['objects_s'] = figures['objects'] / figures['seconds']
    figures['cpu_gb'] = cpu / (figures['bytes'] / 1e9)
    return figures


def send(peer, associations, objects, size, window=1, pdu=16384):
    """Sends and returns the figures; raises where an object was not answered 0000."""
    with Usage(peer) as usage:
        run = subprocess.run([f'{BENCH}/sender'] + [str(n) for n in (peer.port, associations, objects, size, window, pdu)],
                             capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f'the sender failed: {run.stdout}{run.stderr}')
    figures = json.loads(run.stdout)
    if figures['ok'] != figures['objects']:
        with open(f'{peer.folder}/log') as log:
            raise RuntimeError(f'{figures["objects"] - figures["ok"]} objects were not stored by {peer.process.args[0]}: '
                               f'{log.read()[-4000:]}')
    figures['memory_mb'] = usage.memory_mb
    return with_rates(figures, usage.cpu)


class Tap:
    """A nats-server and a subscriber to everything: notes when each `done` arrives, on the sender's clock."""

    def __init__(self):
        self.port = free_port()
        self.server = subprocess.Popen(['nats-server', '-a', '127.0.0.1', '-p', str(self.port)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_port(self.port)
        self.dones = []
        self.heard = threading.Condition()
        self.socket = socket.create_connection(('127.0.0.1', self.port))
        self.socket.sendall(b'CONNECT {"verbose":false}\r\nSUB > 1\r\nPING\r\n')
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        lines = self.socket.makefile('rb')
        for line in lines:
            if line.startswith(b'PING'):
                self.socket.sendall(b'PONG\r\n')
            elif line.startswith(b'MSG'):
                payload = lines.read(int(line.split()[-1]) + 2)
                if payload[:-2] == b'\0':
                    with self.heard:
                        self.dones.append(time.monotonic())
                        self.heard.notify()

    def await_done(self):
        with self.heard:
            if not self.heard.wait_for(lambda: self.dones, 30):
                raise TimeoutError('no done on NATS')
            return self.dones.pop(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.server.terminate()
        self.server.wait()
