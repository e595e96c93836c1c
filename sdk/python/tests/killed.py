"""A story of Cordon's workers on several hosts, each of which is a cache of its own. One is killed."""

from __future__ import annotations

import shutil
import uuid
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cordon import Cordon, Program
from hosts import replay
from rounds import Step, Steps
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker
from test_workspace import scheduled, until

from cordon_temporal import ErrorType, Workspace, cordon_failure

BRIDGE = """\
activities:
  work: {run: [sleep, "300"]}
  nap: {run: [sleep, "7"]}
"""

Handle = WorkflowHandle[Any, list[Workspace]]


async def story(client: Client, cordon: Cordon, target: str) -> None:
    bridge = cordon.home / "bridge" / "bridge.yaml"
    bridge.parent.mkdir()
    bridge.write_text(BRIDGE)
    async with AsyncExitStack() as stack:

        def host(vertical: str, name: str, **more: str) -> tuple[Program, Path]:
            env = {"CORDON_TOOL_BRIDGE": str(bridge), "WORKER_HOST_WAIT": "4s", **more}
            cache = cordon.home / f"cache-{name}"
            start = cordon.worker(vertical, "--serve", "activities", cache=cache, env=env)
            return stack.enter_context(start), cache

        async def begin(vertical: str, *rounds: str, **more: Any) -> Handle:
            name = f"hosts-{uuid.uuid4().hex[:8]}"
            step = Step(target, list(rounds), **more)
            handle: Handle = await client.start_workflow(Steps.run, step, id=name, task_queue=f"{vertical}-queue")
            return handle

        for vertical in ("pair", "narrow"):
            await stack.enter_async_context(
                Worker(client, task_queue=f"{vertical}-queue", workflows=[Steps], max_cached_workflows=0)
            )
        killed, _ = host("pair", "killed")
        # A host with one slot: what does not work there waits for its turn.
        host("narrow", "narrow", MAX_CONCURRENT_ACTIVITIES="1")
        naps = [await begin("narrow", "nap", heartbeat=30) for _ in range(2)]
        # The activity's timeout comes first, or the watch's; and Python runs a block only once.
        asked = await begin("pair", "work", "inventory_files")
        watched = await begin("pair", "work", "inventory_files", attempts=0, mode="copy-on-write")
        block = await begin("pair", "work", block=True)
        taken = await begin("narrow", "wait", "inventory_files")
        for handle in (asked, watched, block):
            await until(partial(scheduled, handle, "work"))
        _, other = host("pair", "other")
        killed.kill()
        [at] = await until(lambda: taken.query(Steps.at))
        shutil.rmtree(Path(at.path).parent)

        for handle in (asked, watched):
            first, second = await handle.result()
            assert first.host != second.host and Path(second.path).is_relative_to(other)
            assert second.run_id == f"{first.run_id}-2" and not Path(second.path).exists()
        with pytest.raises(WorkflowFailureError) as failed:
            await block.result()
        err = cordon_failure(failed.value)
        assert err and err.type == ErrorType.WORKSPACE_LOST and "with_workspace" in err.message
        for nap in naps:
            assert len(await nap.result()) == 1, "a host that is busy was given up"
        assert [ws.run_id for ws in await taken.result()] == [taken.result_run_id, f"{taken.result_run_id}-2"]
        for handle in (asked, watched, *naps, taken):
            await replay(handle)
