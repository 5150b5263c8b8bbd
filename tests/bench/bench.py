#!/usr/bin/env python3
"""make bench: oxidicom and storescp side by side, the same sender against both, interleaved, in one run.

Every figure is the median of several runs, and what counts is its ratio to storescp's in the same run. A table goes to
build/bench/results.md, all runs to results.json, a plot to results.svg. QUICK=1 takes about two minutes.
"""
import argparse
import contextlib
import json
import os
import shutil
import statistics

import work
from measure import BENCH, Peer, Tap, folders_stay, free_port, send
from plot import plot

CT = 524288
SMALL = 20000
UNITS = {'mb_s': 'MB/s', 'objects_s': 'objects/s', 'cpu_gb': 'CPU-s per GB', 'memory_mb': 'MB of memory',
         'opened_s': 'opened a second', 'ms': 'ms'}
LOWER_IS_BETTER = ('cpu_gb', 'memory_mb', 'ms')
HEAD = '| work | unit | oxidicom: median (range) | beside it: median (range) | ratio | wanted |\n|---|---|---|---|---|---|'


class Row:
    """One figure of one work: of oxidicom, of what stands beside it, and the ratio of their medians."""

    def __init__(self, name, figure, wanted, ours, theirs=(), theirs_name='storescp +B'):
        self.name, self.unit, self.wanted, self.theirs_name = name, UNITS[figure], wanted, theirs_name
        self.lower_is_better = figure in LOWER_IS_BETTER
        self.ours = [run[figure] for run in ours]
        self.theirs = [run[figure] for run in theirs]

    def ratio(self):
        return statistics.median(self.ours) / statistics.median(self.theirs)

    def text(self):
        def figures(values):
            return f'{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})'
        beside, ratio = '', ''
        if self.theirs:
            beside, ratio = f'{self.theirs_name}: {figures(self.theirs)}', f'{self.ratio():.2f}'
        return f'| {self.name} | {self.unit} | {figures(self.ours)} | {beside} | {ratio} | {self.wanted} |'


def compare(runs, contestants, task):
    """Does `task` with each contestant in turn, `runs` times; the figures of each by name."""
    figures = {name: [] for name in contestants}
    for _ in range(runs):
        for name, make in contestants.items():
            with make() as peer:
                figures[name].append(task(peer))
    return figures


def ours(**settings):
    return lambda: Peer.oxidicom(settings)


# --- beside storescp ----------------------------------------------------------------------------------------

def throughput(label, associations, objects, size, wanted, rate='mb_s', cpu_wanted='', bare_wanted='', orthanc_wanted=''):
    """The same objects to all: their rate, the CPU time and the memory of the whole receiver."""
    def rows(runs):
        contestants = {'oxidicom': ours(), 'storescp': Peer.storescp, 'bare two-hop ring': work.BareRing}
        if shutil.which('Orthanc'):
            contestants['Orthanc'] = Peer.orthanc
        figures = compare(runs, contestants,
                          lambda peer: work.send_to(peer, associations, objects, size))
        name = f'{label}, {associations} association{"s" if associations > 1 else ""}'
        for figure, target in ((rate, wanted), ('cpu_gb', cpu_wanted), ('memory_mb', '')):
            yield Row(name, figure, target, figures['oxidicom'], figures['storescp'])
        for other, target in (('bare two-hop ring', bare_wanted), ('Orthanc', orthanc_wanted)):
            for figure in (rate, 'cpu_gb') if other in figures else ():
                yield Row(name, figure, target if figure == rate else '', figures['oxidicom'], figures[other], other)
    return rows


def default_storescu(count):
    """storescu as packaged keeps Nagle's algorithm on."""
    def rows(runs):
        files = work.phantom(count)
        figures = compare(runs, {'oxidicom': ours(), 'storescp': lambda: Peer.storescp(bit_preserving=False, nodelay=False)},
                          lambda peer: work.storescu(peer, files))
        yield Row('phantom slices, default storescu', 'mb_s', 'at least 30', figures['oxidicom'], figures['storescp'], 'storescp')
    return rows


def durable(name, objects, size, window, figure, wanted):
    """On a disk, the journal too, beside a loop that only writes, fsyncs and renames the same bytes, and without a window beside the
    bare ring, which has none."""
    def rows(runs):
        contestants = {'oxidicom': lambda: Peer.oxidicom({'OXIDICOM_FSYNC': 'true'}, on_disk=True), 'loop': lambda: work.Loop(on_disk=True)}
        if window == 1:
            contestants['bare ring'] = lambda: work.BareRing(on_disk=True)
        with folders_stay():
            figures = compare(runs, contestants,
                              lambda peer: peer.write(objects, size) if isinstance(peer, work.Loop)
                              else work.send_to(peer, 1, objects, size, window=window))
        yield Row(name, figure, wanted, figures['oxidicom'], figures['loop'], 'write, fsync, rename')
        if 'bare ring' in figures:
            yield Row(name, figure, '', figures['oxidicom'], figures['bare ring'], 'bare two-hop ring')
            yield Row(f'{name}: the bare two-hop ring', figure, '', figures['bare ring'], figures['loop'], 'write, fsync, rename')
    return rows


# --- beside itself ------------------------------------------------------------------------------------------

def slow_storage(milliseconds, objects, wanted='', once=False):
    """Every operation of the writers on storage waits first: sixteen writers beside one."""
    def rows(runs):
        runs = 1 if once else runs
        faults = os.path.abspath(f'{BENCH}/delays')
        with open(faults, 'w') as file:
            file.writelines(f'writer {call} stall={milliseconds}\n' for call in ('open', 'write', 'fsync', 'rename'))
        slow = {'LD_PRELOAD': os.path.abspath('build/preload.so'), 'OXIDICOM_TEST_FAULTS': faults}
        figures = compare(runs, {'sixteen': ours(OXIDICOM_WRITERS='16', **slow), 'one': ours(OXIDICOM_WRITERS='1', **slow)},
                          lambda peer: send(peer, 8, objects, SMALL, window=16))
        yield Row(f'{milliseconds} ms per operation, 8 associations, window 16', 'objects_s', wanted,
                  figures['sixteen'], figures['one'], 'one writer, not sixteen')
    return rows


def window(objects):
    """One association to four writers on slow storage, with and without asynchronous operations."""
    def rows(runs):
        faults = os.path.abspath(f'{BENCH}/delays')
        with open(faults, 'w') as file:
            file.write('writer write stall=10\n')
        slow = ours(OXIDICOM_WRITERS='4', LD_PRELOAD=os.path.abspath('build/preload.so'), OXIDICOM_TEST_FAULTS=faults)
        figures = {'with': [], 'without': []}
        for _ in range(runs):
            for name, size in (('with', 16), ('without', 1)):
                with slow() as peer:
                    figures[name].append(send(peer, 1, objects, SMALL, window=size))
        yield Row('10 ms a write, 4 writers, window 16', 'objects_s', 'at least 8', figures['with'], figures['without'], 'no window')
    return rows


def idle(count, objects):
    def rows(runs):
        def busy(peer):
            with work.idle_associations(peer, count if 'BENCH_IDLE' in peer.settings else 0):
                return send(peer, 8, objects, SMALL)
        many = {'OXIDICOM_LISTENER_THREADS': str(count + 16)}
        figures = compare(runs, {'idle': ours(BENCH_IDLE='1', **many), 'alone': ours(**many)}, busy)
        yield Row(f'8 busy associations and {count} idle ones', 'objects_s', 'at least 0.9', figures['idle'],
                  figures['alone'], '8 busy alone')
    return rows


def opened(per_second, seconds):
    def rows(_):
        with Peer.oxidicom({}) as peer:
            done, refused = work.open_associations(peer, per_second, seconds)
        yield Row(f'{per_second} associations a second for {seconds} s, {refused} refused', 'opened_s', 'at least 1.0',
                  [{'opened_s': done / seconds}], [{'opened_s': per_second}], 'asked for')
    return rows


def huge(size, at_once):
    """On a disk: they would fill the memory that tmpfs has."""
    def rows(_):
        with Peer.oxidicom({}, on_disk=True) as peer:
            yield Row(f'{at_once} of {size / 1e9:.0f} GB at once', 'memory_mb', 'at most 64', [send(peer, at_once, 1, size)])
    return rows


def last_word(count):
    """From the last C-STORE response to `done` on NATS, without the time that is left to CUBE in between. The first
    registration in a folder that is new to CUBE holds up those that follow (notifier/broker/order.h): it is not measured."""
    def rows(_):
        waits = []
        with Tap() as tap, Peer.oxidicom({'OXIDICOM_NATS_ADDRESS': f'127.0.0.1:{tap.port}', 'OXIDICOM_DONE_DELAY': '0s'}) as peer:
            for _ in range(2 + count):
                end = send(peer, 1, 20, SMALL)['end']
                waits.append((tap.await_done() - end) * 1e3)
        p99 = sorted(waits[2:])[count * 99 // 100]
        yield Row(f'last response to done, p99 of {count}', 'ms', 'at most 20', [{'ms': p99}])
    return rows


COLLECTORS = {'absent': 'absent', 'absorbing': 'discard', 'hanging': 'silent', 'resetting': 'reset'}


def observed(associations, objects, size, label, figure, wanted, kinds):
    """All traces and metrics on, with one collector after the other, beside neither."""
    def rows(runs):
        with contextlib.ExitStack() as stack:
            contestants = {'off': ours()}
            for name in kinds:
                contestants[name] = ours(OTEL_EXPORTER_OTLP_ENDPOINT=stack.enter_context(work.collector(COLLECTORS[name])),
                                         OTEL_METRIC_EXPORT_INTERVAL='1000', OXIDICOM_HTTP_PORT=str(free_port()),
                                         no_proxy='127.0.0.1')
            figures = compare(runs, contestants, lambda peer: send(peer, associations, objects, size))
        for name in kinds:
            yield Row(f'{label}, traced and measured, collector {name}', figure, wanted, figures[name], figures['off'],
                      'neither')
    return rows


# --- the run ------------------------------------------------------------------------------------------------

def works(quick):
    ct, small = (200, 500) if quick else (1000, 2000)
    for associations, wanted in ((1, 'at least 0.8'), (4, 'at least 0.65')):
        yield throughput(f'{ct} CT of 525 KB', associations, ct, CT, wanted, cpu_wanted='at most 1.5')
    for associations, wanted, cpu, orthanc in ((1, '', '', 'at least 3'), (4, 'at least 0.34', 'at most 2.9', ''),
                                               (8, 'at least 0.27', 'at most 3.0', '')):
        yield throughput(f'{small} objects of 20 KB', associations, small, SMALL, wanted, 'objects_s', cpu, 'at least 0.7', orthanc)
    yield throughput('an object of 512 MB', 1, 1, 512 * 1024 * 1024, 'at least 1.0')
    yield default_storescu(50)
    yield window(50 if quick else 200)
    yield slow_storage(10, 100 if quick else 300, 'at least 12', once=quick)
    if not quick:
        yield slow_storage(1, 500)
        yield slow_storage(100, 20)
    yield idle(500, 100 if quick else 1000)
    yield opened(2000, 2 if quick else 10)
    yield last_word(50 if quick else 200)
    yield durable('durable objects of 20 KB on a disk, one association', 100 if quick else 1000, SMALL, 1, 'objects_s', 'at least 0.9')
    yield durable('durable CT on a disk, one writer', 50 if quick else 500, CT, 16, 'mb_s', 'at least 0.8')
    kinds = ['absorbing'] if quick else list(COLLECTORS)
    yield observed(4, ct, CT, f'{ct} CT of 525 KB', 'cpu_gb', 'at most 1.05', kinds)
    yield observed(8, small, SMALL, f'{small} objects of 20 KB', 'objects_s', 'at least 0.95', kinds)
    if not quick:
        yield huge(4 * 1000**3, 1)
        yield huge(4 * 1000**3, 8)


def main():
    arguments = argparse.ArgumentParser(description='oxidicom and storescp side by side')
    arguments.add_argument('--quick', action='store_true', help='fewer objects and runs: about two minutes')
    arguments.add_argument('--only', default='', help='numbers of the works to run, counted from 1, such as 1,3')
    options = arguments.parse_args()
    only = {int(number) for number in options.only.split(',') if number}
    runs = 3 if options.quick else 5
    table = []
    print(HEAD, flush=True)
    for number, rows in enumerate(works(options.quick), 1):
        for row in rows(runs) if not only or number in only else []:
            table.append(row)
            print(row.text(), flush=True)
    with open(f'{BENCH}/results.md', 'w') as file:
        file.write('\n'.join([HEAD] + [row.text() for row in table]) + '\n')
    with open(f'{BENCH}/results.json', 'w') as file:
        json.dump([vars(row) for row in table], file, indent=1)
    plot([row for row in table if row.theirs], f'{BENCH}/results.svg')


if __name__ == '__main__':
    main()
