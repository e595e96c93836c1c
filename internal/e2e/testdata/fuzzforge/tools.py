"""A worker in Python that keeps its tools: its storage activities go to ours.

Usage: tools.py ADDRESS QUEUE STORAGE_QUEUE. It says "polls" and works until its standard
input ends.
"""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any, Dict, Type

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Interceptor, Worker, WorkflowInboundInterceptor, WorkflowOutboundInterceptor

STORAGE = ("get_target", "cleanup_cache", "upload_results")
STORAGE_QUEUE = sys.argv[3] if len(sys.argv) > 3 else ""


class Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: Any) -> Any:
        if input.activity in STORAGE:
            input.task_queue = STORAGE_QUEUE
        return super().start_activity(input)


class Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(Outbound(outbound))


class ToStorage(Interceptor):
    def workflow_interceptor_class(self, input: Any) -> Type[WorkflowInboundInterceptor]:
        return Inbound


@activity.defn(name="count_lines")
def count_lines(path: str) -> int:
    lines = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with open(os.path.join(folder, name), "rb") as f:
                lines += f.read().count(b"\n")
    return lines


@workflow.defn
class CountLinesWorkflow:
    @workflow.run
    async def run(self, target_id: str) -> Dict[str, Any]:
        info = workflow.info()
        path = await workflow.execute_activity(
            "get_target", args=[target_id, info.run_id, "copy-on-write"], start_to_close_timeout=timedelta(minutes=5)
        )
        lines = await workflow.execute_activity("count_lines", path, start_to_close_timeout=timedelta(minutes=1))
        result = {"workflow_id": info.workflow_id, "lines": lines}
        result["results_url"] = await workflow.execute_activity(
            "upload_results",
            args=[info.workflow_id, result, "json"],
            start_to_close_timeout=timedelta(minutes=2),
        )
        await workflow.execute_activity(
            "cleanup_cache", args=[path, "copy-on-write"], start_to_close_timeout=timedelta(minutes=1)
        )
        return result


async def main(address: str, queue: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = await Client.connect(address)
    with ThreadPoolExecutor(4) as pool:
        async with Worker(
            client,
            task_queue=queue,
            workflows=[CountLinesWorkflow],
            activities=[count_lines],
            activity_executor=pool,
            interceptors=[ToStorage()],
        ):
            print("polls", flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
    os._exit(0)  # see client.py
