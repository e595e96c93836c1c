"""Keeps a fleet busy: starts workflows again and again, so many at once, for a time.

Usage: fleet.py ADDRESS < plan.json

plan.json is {"seconds", "at_once", "runs": [{"name", "class", "queue", "args"}]}. Printed
is {"started": [id], "failed": {id: error}, "late": [id of one that is not over], "by_class":
{class: number that completed}}.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from uuid import uuid4

from temporalio.client import Client, WorkflowFailureError

PATIENCE = 420  # seconds: longer than an attempt of most activities, whose task may get lost


async def main(address: str) -> None:
    client = await Client.connect(address)
    plan = json.load(sys.stdin)
    end = time.monotonic() + plan["seconds"]
    started, failed, late, completed = [], {}, [], Counter()

    async def lane(n: int) -> None:
        while time.monotonic() < end:
            one = plan["runs"][n % len(plan["runs"])]
            n += 1
            handle = await client.start_workflow(
                one["class"], args=one["args"], id=f"{one['name']}-{str(uuid4())[:8]}", task_queue=one["queue"]
            )
            started.append(handle.id)
            try:
                await asyncio.wait_for(handle.result(), PATIENCE)
                completed[one["class"]] += 1
            except WorkflowFailureError as err:
                failed[handle.id] = repr(err.__cause__ or err)
            except asyncio.TimeoutError:
                late.append(handle.id)

    await asyncio.gather(*(lane(n) for n in range(plan["at_once"])))
    json.dump({"started": started, "failed": failed, "late": late, "by_class": completed}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # see client.py
