"""Work other than the sender's: an ordinary storescu, associations that only open, a loop of durable writes; and
collectors of traces and metrics."""
import contextlib
import glob
import json
import os
import socket
import struct
import subprocess
import tempfile
import time

from measure import BENCH, await_port, free_port, make_folder, remove_folder, send, with_rates

MR_STORAGE = b'1.2.840.10008.5.1.4.1.1.4'
EXPLICIT_LE = b'1.2.840.10008.1.2.1'


def storescu(peer, files):
    """All files over one association of an unchanged storescu."""
    begin = time.monotonic()
    subprocess.run(['storescu', '-aec', 'ChRIS', '127.0.0.1', str(peer.port)] + files, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {'mb_s': sum(os.path.getsize(file) for file in files) / 1e6 / (time.monotonic() - begin)}


def phantom(count):
    """Slices of the demo's phantom, made once."""
    folder = f'{BENCH}/phantom'
    if not os.path.isdir(folder):
        os.makedirs(folder)
        subprocess.run(['build/demo/phantom', folder, str(count)], check=True)
    return sorted(glob.glob(f'{folder}/*'))[:count]


# --- associations that only open ----------------------------------------------------------------------------

def item(kind, body):
    return struct.pack('>BBH', kind, 0, len(body)) + body


def associate_rq(calling):
    context = item(0x20, b'\1\0\0\0' + item(0x30, MR_STORAGE) + item(0x40, EXPLICIT_LE))
    user = item(0x50, item(0x51, struct.pack('>I', 16384)) + item(0x52, b'1.2.826.0.1.3680043.9.9999.1'))
    body = struct.pack('>HH', 1, 0) + b'ChRIS'.ljust(16) + calling.ljust(16) + bytes(32)
    body += item(0x10, b'1.2.840.10008.3.1.1.1') + context + user
    return struct.pack('>BBI', 1, 0, len(body)) + body


def read_pdu(connection):
    header = connection.recv(6, socket.MSG_WAITALL)
    if len(header) < 6:
        return 0
    kind, _, length = struct.unpack('>BBI', header)
    connection.recv(length, socket.MSG_WAITALL)
    return kind


def open_association(peer):
    connection = socket.create_connection(('127.0.0.1', peer.port))
    connection.sendall(associate_rq(b'IDLE'))
    return connection, read_pdu(connection) == 2


@contextlib.contextmanager
def idle_associations(peer, count):
    connections = []
    for _ in range(count):
        connection, accepted = open_association(peer)
        if not accepted:
            raise RuntimeError('an idle association was refused')
        connections.append(connection)
    yield
    for connection in connections:
        connection.close()


def open_associations(peer, per_second, seconds):
    """Opens and releases associations, at most so many per second. Returns how many, and how many were refused."""
    done = refused = 0
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        if done >= per_second * passed:
            time.sleep(done / per_second - passed)
        connection, accepted = open_association(peer)
        refused += not accepted
        connection.sendall(struct.pack('>BBII', 5, 0, 4, 0))
        read_pdu(connection)
        connection.close()
        done += 1
    return done, refused


# --- what the form costs ------------------------------------------------------------------------------------

class InFolder:
    """Something to be measured that needs nothing but a folder."""

    settings = {}

    def __init__(self, on_disk=False):
        self.on_disk = on_disk

    def __enter__(self):
        self.folder = make_folder(self.on_disk)
        return self

    def __exit__(self, *_):
        remove_folder(self.folder)


class BareRing(InFolder):
    """Three processes that pass objects on as oxidicom's do, and do nothing else: see bare_ring.c."""

    def send(self, associations, objects, size):
        run = subprocess.run([f'{BENCH}/bare_ring', self.folder] + [str(n) for n in (associations, objects, size)],
                             capture_output=True, text=True, check=True)
        figures = json.loads(run.stdout)
        return with_rates(figures, figures['cpu_seconds'])


def send_to(peer, associations, objects, size, **more):
    """The bare ring has senders of its own, which know no window."""
    return peer.send(associations, objects, size) if isinstance(peer, BareRing) else send(peer, associations, objects, size, **more)


# --- what a disk can do -------------------------------------------------------------------------------------

class Loop(InFolder):
    """As durable as oxidicom, and nothing else: write, fsync, rename, fsync of the folder."""

    def write(self, objects, size):
        noise, folder = os.urandom(size), os.open(self.folder, os.O_RDONLY)
        begin = time.monotonic()
        for i in range(objects):
            temporary, final = f'{self.folder}/.{i}', f'{self.folder}/{i}.dcm'
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o644)
            os.write(file, noise)
            os.fsync(file)
            os.close(file)
            os.rename(temporary, final)
            os.fsync(folder)
        os.close(folder)
        seconds = time.monotonic() - begin
        return {'mb_s': objects * size / 1e6 / seconds, 'objects_s': objects / seconds}


# --- collectors ---------------------------------------------------------------------------------------------

@contextlib.contextmanager
def collector(kind):
    """Yields the endpoint. `kind`: absent (nobody listens), or one of tests/support/collector.py."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix='oxidicom-bench-') as folder:
        process = None
        if kind != 'absent':
            process = subprocess.Popen(['/usr/bin/python3', 'tests/support/collector.py', kind, str(port), folder],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            await_port(port)
        try:
            yield f'http://127.0.0.1:{port}'
        finally:
            if process:
                process.terminate()
                process.wait()
