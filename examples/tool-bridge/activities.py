"""Activities for a worker's tool bridge: one JSON object in, one JSON value out.

What goes to standard error is for people: its lines are the activity's heartbeats, and
its end is in the error of an activity that fails.
"""

import collections
import json
import os
import sys


def count_lines(path, config=None):
    """Counts the lines of a project's files, by their suffix."""
    skip = set((config or {}).get("skip", [".git"]))
    files, lines = 0, collections.Counter()
    for folder, folders, names in os.walk(path):
        folders[:] = [f for f in folders if f not in skip]
        print("in", os.path.relpath(folder, path), file=sys.stderr, flush=True)
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                lines[os.path.splitext(name)[1] or name] += sum(1 for _ in f)
            files += 1
    return {"files": files, "lines": dict(lines)}


def tell_people(message):
    """Stands for a web hook: a command of its own that may use the network."""
    print("would tell:", message, file=sys.stderr)


ACTIVITIES = {f.__name__: f for f in (count_lines, tell_people)}


def main():
    call = json.load(sys.stdin)
    try:
        result = ACTIVITIES[call["activity"]](*call["args"])
    except (TypeError, AttributeError) as err:
        # The arguments are wrong, and will be the next time: exit_codes.final.
        print(f"{call['activity']}: {err}", file=sys.stderr)
        sys.exit(2)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
