#!/usr/bin/python3
"""Cuts the power in a record of the stages' system calls (tests/preload/record.c) at many points, and looks whether
what was promised before the cut is there after it.

    power_cut.py RECORD FOLDER CUTS SEED

A cut spares everything that a finished fsync of that very file or folder covers. Of the rest any part, in any order:
each sector of each write, each change of a file's size and each entry of a folder on its own, as no file system
promises more. Even cuts keep nothing that was not forced, or all of it; the others a random part.

After each cut the tree below FOLDER (the record's own) is built again and the journal opened with SQLite. An object may
have been answered 0000 once a writer has said that it is written, and the notifier that its series is open: its file
must be complete under its final name, and the journal must know that its association sends this folder, or that the
folder is to be registered. No file that survives under a final name may be incomplete, answered or not.

Prints the figures; ends with 1 where a promise was broken."""
import os
import random
import sqlite3
import sys
import tempfile

SECTOR = 512


def read_record(path):
    """[(position, words, bytes)], in order."""
    entries = []
    with open(path, "rb") as record:
        content = record.read()
    at = 0
    while at < len(content):
        end = content.index(b"\n", at)
        words = content[at:end].decode().split(" ")
        position, at, data = at, end + 1, b""
        if words[0] == "write":
            size = int(words[3])
            data = content[at:at + size]
            at += size + 1
        entries.append((position, words, data))
    return entries


class Node:
    """A file or folder: its changes, and how many of them are on the disk for certain."""

    def __init__(self, is_folder):
        self.is_folder = is_folder
        self.is_named = False
        self.changes = []  # (position, change)
        self.synced_to = 0  # position that the last finished sync covers

    def surviving(self, keep):
        for position, change in self.changes:
            if position < self.synced_to or keep():
                yield change, position < self.synced_to


def replay(entries, root_inode):
    """The nodes as they were when the last entry had happened. Inode numbers are used again, so names hold nodes."""
    nodes = {root_inode: Node(True)}

    def node_of(inode, is_folder=False):
        return nodes.setdefault(inode, Node(is_folder))

    for position, words, data in entries:
        kind = words[0]
        if kind in ("create", "mkdir"):
            folder, inode, name = words[1], words[2], words[3]
            # Another process may have used the new folder before its maker came to record it.
            used = kind == "mkdir" and inode in nodes and nodes[inode].is_folder and not nodes[inode].is_named
            if not used:
                nodes[inode] = Node(kind == "mkdir")
            nodes[inode].is_named = True
            node_of(folder, True).changes.append((position, (name, nodes[inode])))
        elif kind == "unlink":
            node_of(words[1], True).changes.append((position, (words[2], None)))
        elif kind == "rename":
            node_of(words[1], True).changes.append((position, (words[2], None)))
            node_of(words[3], True).changes.append((position, (words[4], node_of(words[5]))))
        elif kind == "write":
            node_of(words[1]).changes.append((position, ("write", int(words[2]), data)))
        elif kind == "truncate":
            node_of(words[1]).changes.append((position, ("truncate", int(words[2]))))
        elif kind == "sync":
            node = node_of(words[1])
            node.synced_to = max(node.synced_to, int(words[2]))
    return nodes


def put(content, offset, data):
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset:offset + len(data)] = data


def content_of(node, keep):
    content = bytearray()
    for change, certain in node.surviving(lambda: True):
        if change[0] == "truncate":
            if certain or keep():
                size = change[1]
                content = content[:size] + bytes(max(0, size - len(content)))
        elif certain:
            put(content, change[1], change[2])
        else:
            offset, data = change[1], change[2]
            at = 0
            while at < len(data):
                end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
                if keep():
                    put(content, offset + at, data[at:end])
                at = end
    return bytes(content)


def names_of(folder, keep):
    names = {}
    for (name, node), _ in folder.surviving(keep):
        names[name] = node
    return {name: node for name, node in names.items() if node}


def build(folder, path, keep, wanted, prefix=""):
    """Writes the surviving tree; of files outside `wanted` nothing is asked."""
    for name, node in names_of(folder, keep).items():
        below = os.path.join(prefix, name)
        if node.is_folder:
            os.mkdir(os.path.join(path, name))
            build(node, os.path.join(path, name), keep, wanted, below)
        elif wanted(below):
            with open(os.path.join(path, name), "wb") as file:
                file.write(content_of(node, keep))


def is_wanted(below):
    return below.startswith("root/SERVICES/") or "/journal.sqlite3" in below and not below.endswith("-shm")


def find_journal(tree):
    for path, _, names in os.walk(tree):
        if "journal.sqlite3" in names:
            return os.path.join(path, "journal.sqlite3")
    return None


def series_of(journal):
    """The coming registrations: {(folder, listener, association)} of open associations, {folder} of the rest."""
    if not journal:
        return set(), set()
    database = sqlite3.connect(journal)
    try:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("integrity_check")
        sending = database.execute("SELECT folder, listener, association FROM sending JOIN reception"
                                   " ON reception = reception.id WHERE state = 'receiving'")
        over = database.execute("SELECT folder FROM reception WHERE state IN ('due', 'registered', 'merged')")
        return ({(folder, str(listener % 2**64), str(association)) for folder, listener, association in sending},
                {folder for folder, in over})
    finally:
        database.close()


def complete_files(folder):
    """The received files in the end, by path below the files root."""
    files = {}
    root = os.path.join(folder, "root")
    for path, _, names in os.walk(os.path.join(root, "SERVICES")):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                files[os.path.relpath(os.path.join(path, name), root)] = file.read()
    return files


def names_told(entries):
    """{(listener, object): path}. A writer that was killed may not have come to tell the last."""
    return {(words[1], words[2]): words[3] for _, words, _ in entries if words[0] == "stored"}


def promises_of(entries, names):
    """{(listener, object): association} that may have been answered 0000."""
    opened = {tuple(words[1:4]) for _, words, _ in entries if words[0] == "opened"}
    return {(words[1], words[2]): words[3] for _, words, _ in entries
            if words[0] == "written" and (words[1], words[3], words[4]) in opened and (words[1], words[2]) in names}


def faults_of(tree, before, files, names):
    """The promises before the cut that the tree breaks."""
    promised = promises_of(before, names)
    faults = []
    try:
        sending, over = series_of(find_journal(tree))
    except sqlite3.DatabaseError as error:
        sending, over = set(), set()
        if "no such table" not in str(error):  # cut off before there was anything to promise
            faults.append(f"the journal can't be read: {error}")
    survived = complete_files(tree)
    for key, association in sorted(promised.items()):
        folder = os.path.dirname(names[key])
        if survived.get(names[key]) != files[names[key]]:
            faults.append(f"object {key[1]}: its file is missing or incomplete")
        if folder not in over and (folder, key[0], association) not in sending:
            faults.append(f"object {key[1]}: the journal does not know its series")
    faults += [f"{path} is incomplete" for path, content in survived.items() if content != files.get(path)]
    return faults, len(promised)


def cut_after(entries, folder, files, names, keep):
    """The broken promises, and the number of all, if the power fails after these entries."""
    top, root = (str(os.stat(os.path.join(folder, name)).st_ino) for name in ("", "root"))
    nodes = replay(entries, top)
    # The files root was there before, so it is durable.
    nodes[top].changes.insert(0, (-1, ("root", nodes.setdefault(root, Node(True)))))
    with tempfile.TemporaryDirectory(prefix="power-cut-") as tree:
        build(nodes[top], tree, keep, is_wanted)
        return faults_of(tree, entries, files, names)


def summary(entries):
    kinds = {}
    for _, words, _ in entries:
        kinds[words[0]] = kinds.get(words[0], 0) + 1
    return f"{len(entries)} entries ({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))})"


def main():
    record, folder, cuts, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    chance = random.Random(seed)
    entries, files = read_record(record), complete_files(folder)
    names = names_told(entries)
    promised = broken = 0
    for cut in range(cuts):
        at = len(entries) if cut == 0 else chance.randrange(1, len(entries) + 1)
        share = [0.0, 1.0][cut // 2 % 2] if cut % 2 == 0 else chance.random()
        faults, kept = cut_after(entries[:at], folder, files, names, lambda: chance.random() < share)
        promised += kept
        broken += bool(faults)
        if faults and broken <= 5:
            print(f"cut {cut} after {at} of {len(entries)} entries, share {share:.2f}: "
                  f"{len(faults)} faults, first: {faults[0]}")
    print(f"power cut: seed {seed}, {cuts} cuts in {summary(entries)}, {promised} promises looked at, "
          f"{broken} cuts broke one")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
