#!/usr/bin/env python3
"""cost.py [BUILD]: system calls, context switches and processor time of each stage for one object, for proto/PROTOCOL.md. Needs
perf, and the right to count (root, or kernel.perf_event_paranoid). BUILD: the folder of another tree's executables."""
import subprocess
import sys
import time

import measure
from measure import Peer, processes, send

EVENTS = {'raw_syscalls:sys_enter': 'system calls', 'context-switches': 'context switches', 'task-clock': 'us'}
WORKS = (('20 KB', 1, 1000, 20000), ('20 KB', 8, 500, 20000), ('CT', 1, 300, 524288), ('CT', 4, 200, 524288))


def stages(peer):
    for process in processes(peer.process.pid):
        with open(f'/proc/{process}/cmdline') as file:
            name = file.read().split('\0')[0].rsplit('/', 1)[-1]
        if name != 'oxidicom':
            yield name, process


def counted(process, objects):
    figures = {}
    for line in process.communicate()[1].splitlines():
        count, _, event = line.split(',')[:3]
        if event in EVENTS:
            figures[EVENTS[event]] = float(count) * (1000 if event == 'task-clock' else 1) / objects
    return ', '.join(f'{figure:.1f} {name}' for name, figure in figures.items())


def main():
    if len(sys.argv) > 1:
        measure.BIN = sys.argv[1]
    for name, associations, objects, size in WORKS:
        with Peer.oxidicom({}) as peer:
            send(peer, associations, 100, size)
            counters = [(stage, subprocess.Popen(['perf', 'stat', '-x,', '-e', ','.join(EVENTS), '-p', str(pid)],
                                                 stderr=subprocess.PIPE, text=True)) for stage, pid in stages(peer)]
            time.sleep(1)  # until perf counts
            cpu = send(peer, associations, objects, size)['cpu_gb'] * size / 1e3
            print(f'{name}, {associations} associations: {cpu:.0f} us of processor time')
            for stage, counter in counters:
                counter.send_signal(2)
                print(f'  {stage}: {counted(counter, associations * objects)}', flush=True)


if __name__ == '__main__':
    main()
