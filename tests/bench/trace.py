#!/usr/bin/env python3
"""make trace: how often the work for one object passes from one file of our code to another, stage by stage.

The stages are built with -finstrument-functions and tracer.c. Each count is the least of several runs of an association,
and what further objects add is divided by their number, so that beats are left out. Functions of headers belong to the
file that they are inlined into. -v lists the passages.
"""
import collections
import glob
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time

import measure
from measure import Peer

RUNS = 7
FURTHER = 20
SIZES = (20000, 500000)
CALL = struct.Struct('QQQ')
STAGES = ('listener', 'writer', 'notifier')


class Stage:
    """The counters of a stage that runs."""

    def __init__(self, path):
        self.program = os.path.realpath(f'/proc/{path.rsplit(".", 1)[1]}/exe')
        self.name = os.path.basename(self.program).removeprefix('oxidicom-')
        with open(path, 'rb') as file:
            self.table = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def counts(self):
        return {(caller, callee): times for caller, callee, times in CALL.iter_unpack(self.table[:]) if times}


def stages(prefix):
    found = [Stage(path) for path in glob.glob(f'{prefix}.*')]
    return sorted((s for s in found if s.name in STAGES), key=lambda s: STAGES.index(s.name))


def settled(traced):
    """The counters once the association is registered and nothing but beats goes on."""
    time.sleep(0.5)
    return [stage.counts() for stage in traced]


def calls_of(peer, traced, objects, size):
    """The least of each call that so many objects of one association need."""
    least = [None] * len(traced)
    for _ in range(RUNS):
        before = settled(traced)
        measure.send(peer, 1, objects, size)
        for i, after in enumerate(settled(traced)):
            run = {call: times - before[i].get(call, 0) for call, times in after.items()}
            least[i] = run if least[i] is None else {call: min(run.get(call, 0), least[i].get(call, 0)) for call in run}
    return least


def places(program, addresses):
    """(file, function) of each."""
    told = subprocess.run(['addr2line', '-f', '-e', program, *map(hex, addresses)], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    return {address: (os.path.relpath(told[2 * i + 1].rsplit(':', 1)[0]), told[2 * i])
            for i, address in enumerate(addresses)}


def passages(program, one, many):
    """Of one object: (from file: function, to file: function) and how often."""
    calls = {call: round((times - one.get(call, 0)) / FURTHER) for call, times in many.items()}
    calls = {call: times for call, times in calls.items() if times > 0}
    where = places(program, sorted({address for call in calls for address in call}))
    found = collections.Counter()
    for (caller, callee), times in calls.items():
        if where[caller][0] != where[callee][0]:
            found[where[caller] if caller else ('', 'a loop'), where[callee]] += times
    return found, calls, where


def main():
    verbose = '-v' in sys.argv
    measure.BIN, measure.BENCH = 'build/trace/bin', 'build/trace/bench'
    prefix = os.path.join(tempfile.mkdtemp(prefix='trace-'), 'calls')
    with Peer.oxidicom({'OXIDICOM_TEST_TRACE': prefix, 'OXIDICOM_SANDBOX': 'false'}) as peer:
        traced = stages(prefix)
        for size in SIZES:
            one, many = (calls_of(peer, traced, objects, size) for objects in (1, 1 + FURTHER))
            totals = []
            for stage, a, b in zip(traced, one, many):
                found, calls, where = passages(stage.program, a, b)
                functions = {callee for _, callee in calls}
                totals.append(f'{stage.name} {sum(found.values())} ({len(functions)} functions, '
                              f'{len({where[f][0] for f in functions})} files, {sum(calls.values())} calls)')
                for (source, target), times in found.most_common() if verbose else ():
                    print(f'  {times:4} {source[0]}:{source[1]} -> {target[0]}:{target[1]}')
            print(f'{size} bytes: {", ".join(totals)}', flush=True)


main()
