from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import flows
import pytest
from cordon import Cordon
from temporalio.client import Client
from temporalio.worker import Worker

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


@pytest.fixture(scope="session")
async def client(cordon: Cordon) -> Client:
    return await Client.connect(cordon.address)


@pytest.fixture(scope="session")
def target(cordon: Cordon) -> str:
    return cordon.put("project", {"main.py": b"print(1)\n", "lib/util.py": b"x = 1\n"})


@pytest.fixture(scope="session")
def cache(cordon: Cordon) -> Path:
    return cordon.home / "cache"


@pytest.fixture(scope="session")
async def queue(cordon: Cordon, client: Client, cache: Path) -> AsyncIterator[str]:
    """A queue of topology A: the workflows are Python's, and all activities are Cordon's."""
    with cordon.worker("sdk", "--serve", "activities", cache=cache):
        # Nothing is cached: each workflow task replays the workflow from its beginning, and
        # evicts it, so that whatever is not deterministic shows.
        async with Worker(client, task_queue="sdk-queue", workflows=flows.ALL, max_cached_workflows=0):
            yield "sdk-queue"
