"""A workflow in Python that calls activities of a Cordon worker by their names.

Usage: client.py ADDRESS QUEUE < calls.json

calls.json is a list of [activity, arguments]. Printed is a list with an object for
each: {"ok": result, "run_id": id} or {"type": ..., "message": ..., "non_retryable": ...}.
"""

import asyncio
import json
import os
import sys
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class Caller:
    @workflow.run
    async def run(self, queue: str, activity: str, args: list) -> dict:
        try:
            result = await workflow.execute_activity(
                activity,
                args=args,
                task_queue=queue,
                start_to_close_timeout=timedelta(minutes=5),
                # Whether an error is retryable shows in whether it comes at once:
                # a retry would come only after the deadline.
                schedule_to_close_timeout=timedelta(seconds=60),
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=100)),
            )
            return {"ok": result, "run_id": workflow.info().run_id}
        except ActivityError as err:
            cause = err.cause
            if not isinstance(cause, ApplicationError):
                return {"type": type(cause).__name__, "message": str(cause), "non_retryable": False}
            return {"type": cause.type, "message": cause.message, "non_retryable": cause.non_retryable}


async def main(address: str, queue: str) -> None:
    client = await Client.connect(address)
    calls = json.load(sys.stdin)
    async with Worker(
        client,
        task_queue="python-client",
        workflows=[Caller],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        answers = []
        for n, (activity, args) in enumerate(calls):
            answers.append(
                await client.execute_workflow(
                    Caller.run,
                    args=[queue, activity, args],
                    id=f"python-client-{n}",
                    task_queue="python-client",
                )
            )
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
    # The client's native threads may still run while the interpreter takes itself
    # apart, which aborts the process now and then: leave without that.
    sys.stdout.flush()
    os._exit(0)
