"""A worker in Python that brings a workflow and no activity, until it is killed.

Usage: workflows_only.py ADDRESS NAMESPACE QUEUE
"""

import asyncio
import sys
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class PythonWorkflow:
    @workflow.run
    async def run(self, target_id: str) -> str:
        path = await workflow.execute_activity(
            "get_target",
            args=[target_id, workflow.info().run_id, "isolated"],
            start_to_close_timeout=timedelta(minutes=5),
        )
        await workflow.execute_activity("cleanup_cache", args=[path], start_to_close_timeout=timedelta(minutes=1))
        return path


async def main(address: str, namespace: str, queue: str) -> None:
    client = await Client.connect(address, namespace=namespace, identity="a worker in Python")
    await Worker(
        client, task_queue=queue, workflows=[PythonWorkflow], activities=[], workflow_runner=UnsandboxedWorkflowRunner()
    ).run()


asyncio.run(main(*sys.argv[1:]))
