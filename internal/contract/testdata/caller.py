"""Workflows in Python in the place of the contract's own: a worker without activities.

Usage: caller.py ADDRESS NAMESPACE QUEUE. It says "polls" and works until its standard
input ends.

ScanWorkflow takes one object. With "activity" it makes that call and ends: {"queue",
"activity", "args", "seconds", "attempts", "final": [types of errors that are not tried
again]}. With "then" it is a run that has a workspace and never cleans up: {"queue", "run",
"mode", "then"}, see scan in worker_test.go. With neither it makes the calls that it is
given by the update "call", until it is terminated.

Any other class is a fuzzing workflow that cleans up whatever happens. After the
arguments of its kind it takes the queue of its activities and the engine.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

ACTIVITY_OVER = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


@workflow.defn(name="ScanWorkflow")
class Scan:
    def __init__(self) -> None:
        self.at = ""
        self.told = False

    @workflow.query
    def path(self) -> str:
        return self.at

    @workflow.signal
    def go(self) -> None:
        self.told = True

    @workflow.update
    async def call(self, what: dict) -> Any:
        return await workflow.execute_activity(
            what["activity"],
            args=what["args"],
            task_queue=what["queue"],
            start_to_close_timeout=timedelta(seconds=what["seconds"]),
            retry_policy=RetryPolicy(
                maximum_attempts=what.get("attempts", 1), non_retryable_error_types=what.get("final", [])
            ),
            cancellation_type=ACTIVITY_OVER,
        )

    @workflow.run
    async def run(self, what: dict) -> Any:
        if "activity" in what:
            return await self.call(what)
        if "then" in what:
            return await self.has_a_workspace(what)
        await workflow.wait_condition(lambda: False)

    async def ask(self, what: dict) -> None:
        self.at = await workflow.execute_activity(
            "get_target",
            args=["T", what["run"], what["mode"]],
            task_queue=what["queue"],
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_attempts=3),
            cancellation_type=ACTIVITY_OVER,
        )

    async def has_a_workspace(self, what: dict) -> None:
        then = what["then"][0]
        if then == "lets a child ask":
            child = {**what, "run": workflow.info().run_id, "then": ["ends"]}
            await workflow.execute_child_workflow(Scan.run, child)
            self.at = "the child's"
            await workflow.wait_condition(lambda: False)
        await self.ask(what)
        if then == "ends":
            return
        if then == "fails":
            await workflow.wait_condition(lambda: self.told)
            raise ApplicationError("it broke", type="Broken", non_retryable=True)
        if then == "fails once" and workflow.info().attempt == 1:
            raise ApplicationError("it broke", type="Broken")
        if then == "continues":
            await workflow.wait_condition(lambda: self.told)
            workflow.continue_as_new({**what, "then": what["then"][1:]})
        if then == "asks again":
            await workflow.wait_condition(lambda: self.told)
            self.at = ""
            await self.ask(what)
        await workflow.wait_condition(lambda: False)


@workflow.defn(dynamic=True)
class Fuzz:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> Any:
        target, harness, runs, seconds, queue, engine = (
            workflow.payload_converter().from_payload(a.payload) for a in args
        )
        started = workflow.now().isoformat()
        path = await workflow.execute_activity(
            "get_target",
            args=[target, workflow.info().run_id],
            task_queue=queue,
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        try:
            found = await workflow.execute_activity(
                "run_fuzzer",
                {
                    "target_id": target,
                    "path": path,
                    "engine": engine,
                    "harness": harness,
                    "max_iterations": runs,
                    "timeout_seconds": seconds,
                },
                task_queue=queue,
                start_to_close_timeout=timedelta(hours=1),
                heartbeat_timeout=timedelta(seconds=30),
                retry_policy=RetryPolicy(maximum_attempts=10),
                cancellation_type=ACTIVITY_OVER,
            )
            return await workflow.execute_activity(
                "report_findings",
                {"target_id": target, "path": path, "started": started, "steps": [], "parts": [found]},
                task_queue=queue,
                start_to_close_timeout=timedelta(minutes=5),
            )
        finally:
            cleanup = workflow.execute_activity(
                "cleanup_cache", args=[path, "isolated"], task_queue=queue, start_to_close_timeout=timedelta(minutes=1)
            )
            await asyncio.shield(cleanup)


async def main(address: str, namespace: str, queue: str) -> None:
    client = await Client.connect(address, namespace=namespace)
    async with Worker(client, task_queue=queue, workflows=[Scan, Fuzz], activities=[]):
        print("polls", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
    # The client's native threads may still run while the interpreter takes itself
    # apart, which aborts the process now and then: leave without that.
    os._exit(0)
