"""A cache as one writes it first: a directory that is walked to learn its size,
and whose oldest files go until it fits. It holds nothing for anybody, counts
nothing that is about to be written, and does not survive a crash in the middle.

Each command prints JSON: the seconds that it took, without the interpreter's start.
"""

import json
import os
import shutil
import sys
import tarfile
import time


def files(cache):
    """Every file in the cache, but for what a better cache notes beside it."""
    for top, dirs, names in os.walk(cache):
        if top == cache:
            dirs[:] = [d for d in dirs if not d.startswith(".")]
        for name in names:
            path = os.path.join(top, name)
            try:
                st = os.lstat(path)
            except FileNotFoundError:
                continue
            yield path, st.st_size, max(st.st_atime, st.st_mtime)


def make_room(cache, limit, need=0):
    """Delete the files that nobody used for the longest until need more fit."""
    found = list(files(cache))
    size = sum(f[1] for f in found)
    found.sort(key=lambda f: f[2])
    for path, bytes, _ in found:
        if size + need <= limit:
            break
        os.unlink(path)
        size -= bytes


def get(cache, limit, object, dest):
    """A workspace of one's own: make room, copy the object, unpack it."""
    make_room(cache, limit, os.path.getsize(object))
    os.makedirs(dest)
    target = shutil.copyfile(object, os.path.join(dest, "target"))
    tree = os.path.join(dest, "workspace")
    os.mkdir(tree)
    with tarfile.open(target) as t:
        t.extractall(tree)


def shared(cache, limit, object, dest):
    """A tree for all: made where it is not there. Who comes while it is made does the
    same again, over it. Returns how many downloads that took, and whether it failed."""
    if os.path.exists(os.path.join(dest, "ready")):
        return 0, 0
    try:
        make_room(cache, limit, os.path.getsize(object))
        os.makedirs(dest, exist_ok=True)
        target = shutil.copyfile(object, os.path.join(dest, "target"))
        with tarfile.open(target) as t:
            t.extractall(os.path.join(dest, "workspace"))
    except (OSError, EOFError, tarfile.TarError):  # somebody else was at the same files
        return 1, 1
    open(os.path.join(dest, "ready"), "w").close()
    return 1, 0


def copy(base, dest):
    """A run's own copy of a tree that is there."""
    shutil.copytree(base, dest, symlinks=True)


def hit(path):
    """What is there is used, and its time set so that it goes last."""
    if os.path.exists(path):
        os.utime(path)


def timed(do, *args):
    start = time.perf_counter()
    do(*args)
    return time.perf_counter() - start


def main(command, *args):
    if command == "hit":
        path, n = args
        each = [timed(hit, path) for _ in range(int(n))]
        return {"took": sum(each), "each": each}
    if command == "get":
        cache, limit, object, dest = args
        return {"took": timed(get, cache, int(limit), object, dest)}
    if command == "shared":
        cache, limit, object, dest = args
        start = time.perf_counter()
        fetched, failed = shared(cache, int(limit), object, dest)
        return {"took": time.perf_counter() - start, "fetched": fetched, "failed": failed}
    if command == "copy":
        return {"took": timed(copy, *args)}
    if command == "room":
        cache, limit = args
        return {"took": timed(make_room, cache, int(limit))}
    if command == "rmtree":
        return {"took": timed(shutil.rmtree, *args)}
    raise SystemExit("no such command: " + command)


print(json.dumps(main(*sys.argv[1:])))
