#!/usr/bin/python3
"""checks.py [NAME…]: what inside.sh runs in the machine: the checks of these names, all where none is named. A line for each."""
import sys
import time
import traceback

import rates
import replicas
from machine import EXPORT, Counted, Oxidicom, Sender, await_that, expect, export, keeps, mount, operations, registrations, send, serve, series, sh, unmount

VERSIONS = ('4.2', '3')
QUIET = {'OXIDICOM_SERIES_QUIET': '600s'}  # what a registration looks at is not an object's
PATIENT = {'OXIDICOM_SERIES_QUIET': '0s', 'OXIDICOM_ABORT_QUIET': '0s'}


def told(counted):
    return ', '.join(f'{count} {name}' for name, count in counted.each.most_common()) + f' in {counted.seconds:.1f} s'


# --- operations, which need no quiet machine to be counted ---

# OPEN, WRITE, RENAME, CLOSE; LOOKUP, CREATE, WRITE, RENAME, GETATTR. What the server is asked once a second (its room) comes on top.
OBJECT_MOST = {'4.2': 4.3, '3': 5.3}
NEW_SERIES_MOST = 7.5
NEW_FOLDERS_MOST = 14  # with new folders of AE title, patient and study: 8, the link 2 to 3, the lock of the series 1 to 2
OBJECTS = 40
# The link, the folder of files and what is in it, the folder of notes, on NFS 4 three times the lock.
END_MOST = {'4.2': 7.8, '3': 4.8}
LOCKS_MOST = 4.5  # shared, alone, shared again, let go
ENDS = 8


def an_object_costs_few_operations(version):
    with Oxidicom(**QUIET):
        send(1, 10)
        with Counted() as counted:
            send(1, OBJECTS)
    by_clock = max(0, counted.seconds - OBJECTS / 10)  # a machine this slow asks more often for each object
    each = (counted.all - by_clock) / OBJECTS
    expect(each <= OBJECT_MOST[version], f'{each:.2f} operations: {told(counted)}')
    return f'{each:.2f}'


def a_new_series_costs_few_operations_more(version):
    """In a study that has others, and in one of its own of another AE title and patient."""
    with Oxidicom(**QUIET):
        Sender(*series(1, 1, 2)).taken()
        counts = []
        for first, slices in ((2, 1), (6, 2)):
            with Counted() as counted:
                expect(len(Sender(*series(first, 4, slices)).taken()) == 4 * slices, 'not all were taken')
            counts.append(counted)
        one, two = (counted.all for counted in counts)
        each = (2 * one - two) / 4  # objects cancel out
        expect(each <= NEW_SERIES_MOST, f'{each:.2f} operations: {told(counts[0])}; {told(counts[1])}')
        whole = []
        for title in 'AB':
            for objects in (1, 2):
                with Counted() as counted:
                    Sender(*series(10, 1, objects), title=f'NEW{title}{objects}').taken()
                whole.append(counted.all - counted.each['STATFS'] - counted.each['FSSTAT'])  # asked by the clock
        alone = sum(2 * whole[i] - whole[i + 1] for i in range(0, 4, 2)) / 2
        expect(alone <= NEW_FOLDERS_MOST, f'{alone:.2f} operations with new folders: {whole}')
    return f'{each:.2f}, with new folders of AE title, patient and study {alone:.2f}'


def an_end_of_a_series_costs_few_operations(version):
    with Oxidicom(OXIDICOM_SERIES_QUIET='5s') as receiver:
        def send_and_await(first, count):
            with Counted() as whole:
                Sender(*series(first, count, 1)).taken()
                with Counted() as end:
                    await_that(lambda: receiver.logged('is registered: ') == first + count - 1, 'it is registered')
                    await_that(lambda: version == '3' or whole.now()['LOCKU'] >= count, 'its lock is let go')
            return whole, end
        send_and_await(1, 1)
        whole, end = send_and_await(2, ENDS)
    expect(end.all / ENDS <= END_MOST[version], f'{end.all / ENDS:.2f} operations: {told(end)}')
    locks = (whole.each['LOCK'] + whole.each['LOCKU']) / ENDS  # those of NFS 3 are not the mount's
    expect(locks <= LOCKS_MOST, f'{locks:.2f} locks: {told(whole)}')
    return f'{end.all / ENDS:.2f}' + (f', {locks:.2f} locks' if locks else '')


# --- troubles of the server ---

def leaves_no_temporary_files(receiver):
    await_that(lambda: not receiver.temporary_files(), 'temporary files are removed')


def takes_all(receiver, files):
    """As a PACS does: again until each is taken."""
    left = files
    for _ in range(20):
        taken = Sender(*left).taken()
        keeps(receiver, taken)
        left = [file for file in left if file not in taken]
        if not left:
            return
    raise RuntimeError(f'{len(left)} objects are never taken')


def while_away(version, away):
    """The server is stopped in the middle of a transfer, and comes back when `away` has ended."""
    files = series(1, 8, 6)
    with Oxidicom(**PATIENT, OXIDICOM_WRITERS='2') as receiver:
        takes_all(receiver, files[:2])
        sender = Sender(*files)
        await_that(lambda: len(sh(f'find {receiver.root}/SERVICES -name "*.dcm"').split()) > 6, 'objects come in')
        serve(0)
        away(receiver)
        serve(8)
        keeps(receiver, sender.taken())
        takes_all(receiver, files)
        keeps(receiver, files)
        leaves_no_temporary_files(receiver)


def a_server_that_is_restarted_loses_nothing(version):
    while_away(version, lambda _: None)


def a_server_that_is_away_is_waited_for(version):
    def away(receiver):
        for _ in range(40):
            expect('listener' in receiver.ask('status'), 'status is not answered')
            time.sleep(0.25)
    while_away(version, away)


def refuses(receiver, files):
    answers = dict(Sender(*files).answers())
    refused = [file for file in files if answers.get(file) != 'Success']
    expect(refused, 'nothing is refused')
    expect(len(answers) == len(files), 'the association ended')
    keeps(receiver, [file for file in files if file not in refused])
    return refused


def a_full_server_refuses_objects_and_leaves_nothing(version):
    files = series(1, 2, 6)
    with Oxidicom(**PATIENT, OXIDICOM_MIN_FREE='0') as receiver:
        takes_all(receiver, files[:1])
        free = int(sh(f'df --output=avail -B1 {EXPORT} | tail -1'))
        sh(f'fallocate -l {free - 300000} {EXPORT}/filler')
        try:
            refuses(receiver, files[1:])
            leaves_no_temporary_files(receiver)
        finally:
            sh(f'rm {EXPORT}/filler')
        takes_all(receiver, files)


def a_read_only_server_refuses_objects_until_it_is_not(version):
    files = series(1, 2, 3)
    with Oxidicom(**PATIENT) as receiver:
        takes_all(receiver, files[:1])
        export('ro')
        try:
            expect(len(refuses(receiver, files[1:])) == 5, 'something is taken')
        finally:
            export()
        takes_all(receiver, files)
        leaves_no_temporary_files(receiver)


CHECKS = {
    'count': (an_object_costs_few_operations, a_new_series_costs_few_operations_more, an_end_of_a_series_costs_few_operations),
    'restart': (a_server_that_is_restarted_loses_nothing, ),
    'away': (a_server_that_is_away_is_waited_for, ),
    'full': (a_full_server_refuses_objects_and_leaves_nothing, ),
    'read-only': (a_read_only_server_refuses_objects_until_it_is_not, ),
    'replicas': replicas.CHECKS,
}


def run(check, version):
    name = f'NFS {version}: {check.__name__.replace("_", " ")}'
    begin = time.monotonic()
    try:
        mount(version)
        try:
            said = check(version)
        finally:
            unmount()
        print(f'nfs-check: passed: {name}{": " + said if said else ""} ({time.monotonic() - begin:.0f} s)', flush=True)
    except Exception as reason:  # the others shall run in any case
        print(f'nfs-check: failed: {name}: {reason}', flush=True)
        print(traceback.format_exc(), sh('tail -n 20 /run/oxidicom-*.log', check=False), flush=True)
        serve(8)


def main():
    wanted = sys.argv[1:] or CHECKS
    export()
    for version in VERSIONS:
        for name in wanted:
            for check in CHECKS.get(name, ()):
                run(check, version)
    if 'rates' in wanted:
        rates.rates()


if __name__ == '__main__':
    main()
