"""Objects a second on NFS v4.2 with a far server, beside storescp +B, in turns: boot.sh's `rates`."""
import statistics

from machine import Oxidicom, Storescp, Counted, delay, mount, send, unmount

TURNS = 3
WARM_OBJECTS = 4


def rate(receiver, associations, objects):
    with receiver:
        send(associations, WARM_OBJECTS)  # folders are there, and storage is known to be slow
        with Counted() as counted:
            found = send(associations, objects)
    return found, counted.all / (associations * objects)


def rates():
    for round_trip_ms in (5, 20):
        for associations, objects in ((1, 60), (8, 25)):
            mount('4.2')
            delay(round_trip_ms)
            ours, theirs = [], []
            for _ in range(TURNS):
                theirs.append(rate(Storescp(), associations, objects))
                ours.append(rate(Oxidicom(OXIDICOM_SERIES_QUIET='300s'), associations, objects))
            delay(0)
            unmount()
            us, them = (statistics.median(one[0] for one in turns) for turns in (ours, theirs))
            print(f'nfs-check: rates: {round_trip_ms} ms, {associations} associations: '
                  f'oxidicom {us:.1f} objects/s with {ours[-1][1]:.2f} operations each, '
                  f'storescp {them:.1f} with {theirs[-1][1]:.2f}, ratio {us / them:.2f}', flush=True)
