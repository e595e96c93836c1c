"""A client of FuzzForge's kind: it starts workflows by their class, with positional
arguments, and reads what its users are shown.

Usage: start.py ADDRESS < runs.json

runs.json is a list of {"name", "class", "queue", "args"}. They run at once. Printed is a
list with an object for each: {"id", "status", "result"} where status is Temporal's.
"""

import asyncio
import json
import os
import sys
from datetime import timedelta
from uuid import uuid4

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy

PATIENCE = 400  # seconds, which is far more than any of them takes


async def run(client: Client, one: dict) -> dict:
    handle = await client.start_workflow(
        one["class"],
        args=one["args"],
        id=f"{one['name']}-{str(uuid4())[:8]}",
        task_queue=one["queue"],
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1), maximum_attempts=3
        ),
    )
    answer = {"id": handle.id, "result": None}
    try:
        answer["result"] = await asyncio.wait_for(handle.result(), PATIENCE)
    except WorkflowFailureError as err:
        answer["error"] = str(err.cause)
    except asyncio.TimeoutError:
        answer["error"] = f"not over after {PATIENCE} s"
    answer["status"] = (await handle.describe()).status.name
    return answer


async def main(address: str) -> None:
    client = await Client.connect(address)
    runs = json.load(sys.stdin)
    json.dump(await asyncio.gather(*(run(client, one) for one in runs)), sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # see client.py
