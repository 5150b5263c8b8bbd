"""Several receivers on one export, each on a mount that the server takes for another host's: checks.py's `replicas`."""
import contextlib
import os
import queue
import random
import signal
import threading
import time

from machine import Oxidicom, Sender, another_host, await_that, expect, keeps, mount, mount_as_another_host, registrations, serve, series, series_uid, sh, unmount

SLICES = 6
QUIET_S = 15  # a server that is restarted answers after 11 s
SLOW_S = 12
WAITING = {'OXIDICOM_SERIES_QUIET': f'{QUIET_S}s', 'OXIDICOM_ABORT_QUIET': f'{QUIET_S}s'}
SENDERS = 6


@contextlib.contextmanager
def receivers(version, count, options='hard'):
    """The first has the mount that is there already."""
    with contextlib.ExitStack() as stack:
        for number in range(2, count + 1):
            mount_as_another_host(version, number, options)
            stack.callback(unmount, another_host(number)['mount'])
        yield [stack.enter_context(Oxidicom(**(another_host(number) if number > 1 else {}), **WAITING)) for number in range(1, count + 1)]


class Split:
    """A series whose parts come at random over receivers and associations, some of which abort."""

    def __init__(self, number):
        self.files = series(number, 1, SLICES)
        self.uid = series_uid(self.files[0])
        self.receivers = set()
        self.slow = False  # the wait may have been over between two of its associations

    def send(self, among, dice):
        left, ended = self.files, None
        while left:
            part, receiver = left[:dice.randint(1, 3)], dice.choice(among)
            sender = Sender(*part, port=receiver.port, options=['--abort'] if dice.random() < 0.25 else [])
            taken = sender.taken()
            self.slow |= bool(ended and sender.first and sender.first - ended > SLOW_S)
            if taken:
                ended = time.monotonic()
                self.receivers.add(receiver)
            left = [file for file in left if file not in taken]

    def is_over(self):
        """None of its receivers has anything of it that waits."""
        return all(receiver.logged(f'series {self.uid} is registered: ') or receiver.logged(f'series {self.uid} was registered by another')
                   for receiver in self.receivers)


def send_all(all_series, among, meanwhile):
    """`meanwhile` is called when half of them are sent."""
    waiting, sent = queue.SimpleQueue(), queue.SimpleQueue()
    for one in all_series:
        waiting.put(one)

    def work(dice):
        with contextlib.suppress(queue.Empty):
            while True:
                one = waiting.get_nowait()
                one.send(among, dice)
                sent.put(one)
    seed = int.from_bytes(os.urandom(4), 'big')
    threads = [threading.Thread(target=work, args=(random.Random(seed + number),)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    await_that(lambda: sent.qsize() >= len(all_series) / 2, 'half of the series are sent')
    meanwhile()
    for thread in threads:
        thread.join()
    expect(sent.qsize() == len(all_series), f'of {len(all_series)} series {sent.qsize()} were sent')


def registered(all_series):
    """Each whole, in the end. Returns how often, by series."""
    tasks = registrations()
    return {one: len(tasks[one.uid]) for one in all_series if tasks[one.uid] and tasks[one.uid][-1] == SLICES}


def all_are_whole(all_series, among):
    keeps(among[0], [file for one in all_series for file in one.files])
    await_that(lambda: len(registered(all_series)) == len(all_series), 'each series is registered with all its files')


def told(all_series):
    split = sum(len(one.receivers) > 1 for one in all_series)
    tasks = sum(len(counts) for counts in registrations().values())
    slow = sum(one.slow for one in all_series)
    return f'{len(all_series)} series, {split} of them at several receivers, {tasks} registrations, {slow} sent slowly'


def restart_server(version):
    serve(0)
    time.sleep(1)
    serve(8)
    if version == '3':
        sh('sm-notify -f', check=False)


def replicas_register_many_series_once_though_the_server_is_restarted(version):
    all_series = [Split(at) for at in range(1, 21)]
    with receivers(version, 3) as among:
        send_all(all_series, among, lambda: restart_server(version))
        all_are_whole(all_series, among)
        await_that(lambda: all(one.is_over() for one in all_series), 'each receiver knows of each series')
        again = [one for one, times in registered(all_series).items() if times > 1 and not one.slow]
        expect(not again, f'{len(again)} series are registered more than once; {told(all_series)}')
        expect(sum(len(one.receivers) > 1 and not one.slow for one in all_series) > len(all_series) / 4, told(all_series))
    return told(all_series)


def kill_notifier(receiver):
    """The launcher starts another."""
    tree = f'/proc/{receiver.process.pid}/task/{receiver.process.pid}/children'
    with open(tree) as file:
        for pid in file.read().split():
            with open(f'/proc/{pid}/cmdline') as line:
                if 'oxidicom-notifier' in line.read():
                    os.kill(int(pid), signal.SIGKILL)


def replicas_register_series_whole_though_notifiers_are_killed(version):
    all_series = [Split(at) for at in range(1, 9)]
    with receivers(version, 2) as among:
        send_all(all_series, among, lambda: [kill_notifier(receiver) for receiver in among])
        all_are_whole(all_series, among)
    return told(all_series)


def replicas_whose_locks_are_their_hosts_warn_and_lose_nothing(version):
    if version != '3':
        return 'there is no such mount'
    unmount()
    mount(version, 'hard,nolock')
    all_series = [Split(at) for at in range(1, 5)]
    with receivers(version, 2, 'hard,nolock') as among:
        send_all(all_series, among, lambda: None)
        all_are_whole(all_series, among)
        for receiver in among:
            warned = receiver.logged('has no locks that other replicas could see')
            expect(warned == 1 and receiver.logged('(it is mounted with: nolock)'), f'{warned} warnings')
            expect('nolock' in receiver.ask('status'), 'status does not say it')
    return told(all_series)


CHECKS = (replicas_register_many_series_once_though_the_server_is_restarted, replicas_register_series_whole_though_notifiers_are_killed,
          replicas_whose_locks_are_their_hosts_warn_and_lose_nothing)
