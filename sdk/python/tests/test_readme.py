"""The README's examples do what it says."""

from __future__ import annotations

import asyncio
import importlib
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cordon import Cordon
from temporalio.client import Client

README = Path(__file__).parents[1] / "README.md"
QUEUE = "readme-queue"


@pytest.fixture(scope="module")
def readme(cordon: Cordon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """All of its blocks as one module, on a queue and a socket of its own."""
    text = "\n\n".join(re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE))
    text = text.replace('"python-queue', f'"{QUEUE}').replace("/run/cordon/worker.sock", f"{cordon.home}/readme.sock")
    folder = tmp_path_factory.mktemp("readme")
    (folder / "readme_examples.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("readme_examples")


@asynccontextmanager
async def running(serve: Callable[[Client], Awaitable[None]], client: Client) -> AsyncIterator[None]:
    worker = asyncio.ensure_future(serve(client))
    try:
        yield
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


async def execute(client: Client, of: Any, target: str) -> Any:
    return await client.execute_workflow(of.run, target, id=f"readme-{uuid.uuid4().hex[:8]}", task_queue=QUEUE)


async def test_workflows_alone(cordon: Cordon, client: Client, target: str, readme: ModuleType) -> None:
    cache = cordon.home / "cache-readme-a"
    with cordon.worker("readme", "--serve", "activities", cache=cache):
        async with running(readme.workflows_alone, client):
            url = await execute(client, readme.Inventory, target)
            assert '"files": 2' in Path(url.removeprefix("file://")).read_text()
            url = await execute(client, readme.Scan, target)
            assert '"findings": 0' in Path(url.removeprefix("file://")).read_text()
            assert await execute(client, readme.Checked, target) == str(cache / target / "workspace")
            assert await execute(client, readme.Checked, "no-such-target") == "upload it first"


async def test_tools_too(cordon: Cordon, client: Client, target: str, readme: ModuleType) -> None:
    with cordon.worker("readme", "--serve", "storage", cache=cordon.home / "cache-readme-b"):
        async with running(readme.tools_too, client):
            assert await execute(client, readme.Count, target) == 2


async def test_everything(cordon: Cordon, client: Client, target: str, readme: ModuleType) -> None:
    with cordon.worker(
        "readme-c", "--serve", "storage", "--socket", readme.SOCKET, cache=cordon.home / "cache-readme-c"
    ):
        async with running(readme.everything, client):
            assert await execute(client, readme.Count, target) == 2
