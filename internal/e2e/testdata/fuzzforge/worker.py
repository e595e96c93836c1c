"""A worker that has the workflows alone: their activities are other workers'.

Usage: worker.py ADDRESS QUEUE. It says "polls" and works until its standard input ends.
"""

import asyncio
import os
import sys

from temporalio.client import Client
from temporalio.worker import Worker

from atheris_fuzzing import AtherisFuzzingWorkflow
from cargo_fuzzing import CargoFuzzingWorkflow
from gitleaks_detection import GitleaksDetectionWorkflow
from security_assessment import SecurityAssessmentWorkflow

WORKFLOWS = [AtherisFuzzingWorkflow, CargoFuzzingWorkflow, SecurityAssessmentWorkflow, GitleaksDetectionWorkflow]


async def main(address: str, queue: str) -> None:
    client = await Client.connect(address)
    async with Worker(client, task_queue=queue, workflows=WORKFLOWS, activities=[]):
        print("polls", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
    os._exit(0)  # see client.py
