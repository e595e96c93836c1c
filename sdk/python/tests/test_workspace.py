"""The block: what is inside of it has a workspace, and it is gone afterwards."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import Place
from cordon import LIMIT, Cordon
from flows import Block, Ending, Kept
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.worker import Replayer, Worker
from tools import BRISK

from cordon_temporal import ErrorType, cordon_error_type, cordon_failure

TIMEOUTS = pytest.mark.skipif(
    tuple(map(int, version("temporalio").split(".")[:2])) < (1, 11),
    reason="this temporalio takes no TimeoutError for a workflow's failure",
)

Handle = WorkflowHandle[Any, dict[str, Any]]


async def start(client: Client, queue: str, end: Ending, of: Any = Block) -> Handle:
    handle: Handle = await client.start_workflow(
        of.run,
        end,
        id=f"block-{end.how}-{uuid.uuid4().hex[:8]}",
        task_queue=queue,
        # How long a task that fails takes to be tried again.
        task_timeout=timedelta(seconds=2) if end.how == "bug" else None,
    )
    return handle


async def until(what: Callable[[], Awaitable[Any]]) -> Any:
    end = time.monotonic() + LIMIT
    while not (got := await what()):
        assert time.monotonic() < end, what
        await asyncio.sleep(0.1)
    return got


async def scheduled(handle: WorkflowHandle[Any, Any], activity: str) -> list[Any]:
    """The activity's arguments, call by call."""
    calls = []
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            task = event.activity_task_scheduled_event_attributes
            if task.activity_type.name == activity:
                calls.append([payload.data.decode() for payload in task.input.payloads])
    return calls


async def stuck(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether its code has failed, which Temporal tries again."""
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            return True
    return False


async def path_of(handle: Handle) -> str:
    return str(await until(lambda: handle.query(Block.path)))


@pytest.mark.parametrize("mode", ["isolated", "shared", "copy-on-write"])
async def test_it_ends_well(client: Client, beside: Place, target: str, mode: str) -> None:
    handle = await start(client, beside.queue, Ending(target, mode=mode))
    got = await handle.result()
    assert got["found"]["inventory"]["files"] == 2
    shared = mode == "shared"
    assert got["path"] == str(beside.cache / target / ("" if shared else str(handle.result_run_id)) / "workspace")
    assert os.path.exists(got["path"]) == shared
    assert len(await scheduled(handle, "cleanup_cache")) == 1


@pytest.mark.parametrize("of", [Block, Kept])
@pytest.mark.parametrize("how", ["fail", "tool", pytest.param("timeout", marks=TIMEOUTS)])
async def test_it_fails(client: Client, beside: Place, target: str, how: str, of: Any) -> None:
    handle = await start(client, beside.queue, Ending(target, how), of)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, (ApplicationError, ActivityError)), failed.value.cause
    kind = cordon_error_type(failed.value)
    assert kind is (ErrorType.INVALID_ARGUMENT if how == "tool" else None), failed.value.cause
    path = beside.cache / target / str(handle.result_run_id) / "workspace"
    # The worker knows of keep_on_failure from Kept's metadata, and of the failure from the call.
    assert path.exists() == (of is Kept)
    assert [call[2] for call in await scheduled(handle, "cleanup_cache")] == ["true"]


async def test_it_is_cancelled(client: Client, beside: Place, target: str) -> None:
    for of in (Block, Kept):
        handle = await start(client, beside.queue, Ending(target, "wait"), of)
        path = await path_of(handle)
        assert os.path.exists(path)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError)
        assert not os.path.exists(path), "a run that is cancelled has not failed"
        assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED


async def test_it_continues_as_new(client: Client, beside: Place, target: str) -> None:
    handle = await start(client, beside.queue, Ending(target, "again"))
    got = await handle.result()
    runs = [str(handle.result_run_id), Path(got["path"]).parent.name]
    assert runs[0] != runs[1]
    for run in runs:
        assert not (beside.cache / target / run).exists()


async def test_a_bug_leaves_the_workspace_for_the_mended_code(client: Client, beside: Place, target: str) -> None:
    handle = await start(client, beside.queue, Ending(target, "bug"))
    await until(lambda: stuck(handle))
    assert await scheduled(handle, "cleanup_cache") == []
    await handle.signal(Block.go_on)
    got = await handle.result()
    assert got["found"]["inventory"]["files"] == 2 and not os.path.exists(got["path"])


async def test_what_is_not_there_is_said(client: Client, beside: Place) -> None:
    handle = await start(client, beside.queue, Ending("no-such-target"))
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    failure = cordon_failure(failed.value)
    assert failure and failure.type == ErrorType.TARGET_NOT_FOUND and "no-such-target" in failure.message
    assert cordon_error_type(failed.value) is ErrorType.TARGET_NOT_FOUND


async def test_a_cancellation_stops_the_fetch(client: Client, cordon: Cordon, tmp_path: Path) -> None:
    big = cordon.put("big", {"random": os.urandom(20_000_000)})
    slow = {"CACHE_FETCH_LIMIT": "100KB/s"}  # which takes minutes
    with cordon.worker("slow", "--serve", "activities", cache=tmp_path / "cache", env=slow) as worker:
        async with Worker(client, task_queue="slow-queue", workflows=[Block], max_cached_workflows=0):
            handle = await start(client, "slow-queue", Ending(big))
            await until(lambda: fetching(handle))
            begun = time.monotonic()
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failed:
                await handle.result()
            assert isinstance(failed.value.cause, CancelledError), failed.value.cause
            assert time.monotonic() - begun < 60
            assert await scheduled(handle, "cleanup_cache") == []
            left = list((tmp_path / "cache" / big).glob("*/*"))
            assert not left, f"{left}\n{worker.log}"


async def fetching(handle: Handle) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return any(activity.HasField("heartbeat_details") for activity in pending)


class Stubborn:
    """A worker whose fetch is always faster than a cancellation.

    Cordon's own is so only by chance; what is seen here is what the workflow does then.
    """

    def __init__(self) -> None:
        self.cleaned: list[Any] = []

    @activity.defn(name="acquire_workspace")
    async def acquire(self, target: str, run: str | None, mode: str | None) -> dict[str, Any]:
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            result = {
                "path": "/cache/t/r/workspace",
                "task_queue": "stubborn-queue@h",
                "host": "h",
                "target_id": target,
            }
            return result | {"run_id": "r", "mode": "isolated", "driver": "", "writable": True, "new": "field"}

    @activity.defn(name="cleanup_cache")
    async def cleanup(self, *args: Any) -> None:
        self.cleaned.append((activity.info().task_queue, *args))


async def test_what_a_fetch_claimed_in_spite_of_a_cancellation_is_cleaned_up(client: Client) -> None:
    stubborn = Stubborn()
    async with (
        Worker(
            client,
            task_queue="stubborn-queue",
            workflows=[Block],
            activities=[stubborn.acquire],
            max_cached_workflows=0,
            **BRISK,
        ),
        Worker(client, task_queue="stubborn-queue@h", activities=[stubborn.cleanup]),
    ):
        handle = await start(client, "stubborn-queue", Ending("t"))

        async def begun() -> bool:
            started = [a for a in await pending(handle) if a.attempt == 1 and a.HasField("last_started_time")]
            return any(a.activity_type.name == "acquire_workspace" for a in started)

        await until(begun)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError), failed.value.cause
    assert stubborn.cleaned == [("stubborn-queue@h", "/cache/t/r/workspace", "isolated", False)]


async def pending(handle: Handle) -> list[Any]:
    return list((await handle.describe()).raw_description.pending_activities)


async def test_a_run_that_was_under_way_before_the_package_noticed_goes_on_as_it_began() -> None:
    recorded = (Path(__file__).parent / "histories" / "before-watches.json").read_text()
    await Replayer(workflows=[Block]).replay_workflow(WorkflowHistory.from_json("before", recorded))
