from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import flows
import pytest
import tools
from cordon import LIMIT, Cordon
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.worker import Worker
from tools import BRISK

from cordon_temporal import StorageRouting, socket_activities

KEEPS = """\
name: kept
version: "1"
vertical: sdk
description: keeps the workspace of a run that fails
workflow_class: Kept
workspace_isolation: isolated
keep_on_failure: true
"""


@pytest.fixture(scope="session")
def cordon() -> Iterator[Cordon]:
    binary = os.environ.get("CORDON_TEST_BINARY")
    if not binary:
        pytest.skip("CORDON_TEST_BINARY names no cordon; ./test.sh builds one")
    with tempfile.TemporaryDirectory(prefix="cordon-sdk-") as home:
        program = Cordon(binary, Path(home))
        try:
            (program.metadata / "kept").mkdir()
            (program.metadata / "kept" / "metadata.yaml").write_text(KEEPS)
            yield program
        finally:
            program.stop()


class Bounded(Interceptor):
    """Ends a workflow that no worker can run, so that the test says so instead of waiting."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Bounded(super().intercept_client(next))


class _Bounded(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.execution_timeout = timedelta(seconds=LIMIT)
        return await super().start_workflow(input)


@pytest.fixture(scope="session")
async def client(cordon: Cordon) -> Client:
    return await Client.connect(cordon.address, interceptors=[Bounded()])


@pytest.fixture(scope="session")
def target(cordon: Cordon) -> str:
    return cordon.put("project", {"main.py": b"print(1)\n", "lib/util.py": b"x = 1\n"})


@dataclass
class Place:
    """A queue with all storage activities, and the cache that they work on."""

    queue: str
    cache: Path


@pytest.fixture(scope="session")
async def beside(cordon: Cordon, client: Client) -> AsyncIterator[Place]:
    """Topology A: the workflows are Python's, and all activities are Cordon's."""
    cache = cordon.home / "cache-a"
    with cordon.worker("sdk", "--serve", "activities", cache=cache):
        # Nothing is cached: each workflow task replays the workflow from its beginning, and
        # evicts it, so that whatever is not deterministic shows.
        async with Worker(client, task_queue="sdk-queue", workflows=flows.ALL, max_cached_workflows=0):
            yield Place("sdk-queue", cache)


@pytest.fixture(scope="session")
async def routed(cordon: Cordon, client: Client) -> AsyncIterator[Place]:
    """Topology B: a worker of Python's, and Cordon's beside it for the storage alone."""
    cache = cordon.home / "cache-b"
    with cordon.worker("b", "--serve", "storage", cache=cache):
        async with Worker(
            client,
            task_queue="b-queue",
            workflows=flows.ALL,
            activities=tools.ALL,
            interceptors=[StorageRouting()],
            max_cached_workflows=0,
            **BRISK,
        ):
            yield Place("b-queue", cache)


@pytest.fixture(scope="session")
async def socket(cordon: Cordon) -> AsyncIterator[Path]:
    """The socket of a worker that has a cache of its own."""
    path = cordon.home / "worker.sock"
    with cordon.worker("c", "--serve", "storage", "--socket", str(path), cache=cordon.home / "cache-c"):
        yield path


@pytest.fixture(scope="session")
async def through_socket(cordon: Cordon, client: Client, socket: Path) -> AsyncIterator[Place]:
    """Topology C: a worker of Python's that has everything, the storage through a socket."""
    host = (await socket_activities.health(socket))["host"]
    have = [*tools.ALL, *socket_activities.activities(socket)]
    async with (
        Worker(client, task_queue="c-queue", workflows=flows.ALL, activities=have, max_cached_workflows=0, **BRISK),
        Worker(client, task_queue=f"c-queue@{host}", activities=have, **BRISK),
    ):
        yield Place("c-queue", cordon.home / "cache-c")


@pytest.fixture(params=["beside", "through_socket"])
def place(request: pytest.FixtureRequest) -> Place:
    """Where a test runs; all those of whom the activities' arguments and results are the same."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def nothing_stuck(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No workflow may keep Temporal from putting it aside."""
    yield
    stuck = [record.getMessage() for record in caplog.records if "eviction" in record.getMessage()]
    assert not stuck
