"""What is done when a workspace is lost: each row of the table, with hosts that say what the row needs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import killed
import pytest
from cordon import Cordon
from hosts import Hosts, replay
from rounds import Step, Steps
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError
from test_workspace import scheduled, stuck, until

from cordon_temporal import ErrorType, Workspace, cordon_failure

Handle = WorkflowHandle[Any, list[Workspace]]


@pytest.fixture(scope="module")
async def story(client: Client, cordon: Cordon, target: str) -> AsyncIterator[asyncio.Task[None]]:
    """Goes on beside the tests, since a host that says nothing counts as lost only after some time."""
    task = asyncio.create_task(killed.story(client, cordon, target))
    yield task
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture(scope="module")
async def hosts(client: Client, story: asyncio.Task[None]) -> AsyncIterator[Hosts]:
    async with Hosts("rounds").polling(client) as hosts:
        yield hosts


async def begin(client: Client, hosts: Hosts, *rounds: str, target: str = "h1", **more: Any) -> tuple[Handle, str]:
    """The workflow, and the run by which its calls are found among those of others."""
    run = uuid.uuid4().hex[:8]
    step = Step(target, list(rounds), run_id=run, **more)
    handle: Handle = await client.start_workflow(
        Steps.run,
        step,
        id=f"rounds-{run}",
        task_queue=hosts.queue,
        task_timeout=timedelta(seconds=2) if "bug" in rounds else None,
    )
    return handle, run


async def runs(handle: Handle) -> list[str]:
    found = [ws.run_id for ws in await handle.result()]
    await replay(handle)
    return found


async def failure(handle: Handle) -> BaseException | None:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    await replay(handle)
    return failed.value.cause


def cleaned(hosts: Hosts, run: str) -> list[tuple[str, str, bool]]:
    return sorted(call for call in hosts.cleaned if call[1].startswith(f"/{run}"))


async def seen(paths: list[str], path: str) -> None:
    async def there() -> bool:
        return path in paths

    await until(there)


async def test_it_ends_well(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "return")
    assert await runs(handle) == [run]
    assert cleaned(hosts, run) == [("@h1", f"/{run}", False)]


async def test_it_fails_for_a_reason_of_its_own(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "fail")
    err = await failure(handle)
    assert isinstance(err, ApplicationError) and err.type == "MyOwn"
    assert cleaned(hosts, run) == [("@h1", f"/{run}", True)]


async def test_it_says_that_its_workspace_is_lost(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "lost", "return")
    assert await runs(handle) == [run, f"{run}-2"]  # of another name, whatever the host
    assert cleaned(hosts, run) == [("@h1", f"/{run}", False), ("@h1", f"/{run}-2", False)]


async def test_it_loses_one_after_the_other(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "lost", times=3)
    err = cordon_failure(await failure(handle))
    assert err and err.type == ErrorType.WORKSPACE_LOST and err.non_retryable
    assert err.message == "the run lost its workspace on 3 hosts, one after the other, the last time for: gone"
    assert cleaned(hosts, run) == [("@h1", f"/{run}{n}", False) for n in ("", "-2", "-3")]


async def test_the_watch_says_that_it_is_lost(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "wait", "return")
    await seen(hosts.watched_paths, f"/{run}")
    hosts.gone.add(f"/{run}")
    assert await runs(handle) == [run, f"{run}-2"]


async def test_nobody_watches(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "wait", "return", target="h0")
    assert await runs(handle) == [run, f"{run}-2"]
    assert cleaned(hosts, run) == [("@h1", f"/{run}-2", False)]


async def test_it_ends_well_though_it_is_lost(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "linger")
    await seen(hosts.watched_paths, f"/{run}")
    hosts.gone.add(f"/{run}")
    assert await runs(handle) == [run]
    assert cleaned(hosts, run) == [("@h1", f"/{run}", False)]


async def test_a_watch_that_breaks_loses_nothing(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "wait")
    await seen(hosts.watched_paths, f"/{run}")
    hosts.broken.add(f"/{run}")
    await seen(hosts.ended, f"/{run}")
    await handle.signal(Steps.go_on)
    assert await runs(handle) == [run]


async def test_it_takes_too_long_where_its_host_is_there(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "slow", heartbeat=1)
    err = await failure(handle)
    assert isinstance(err, ActivityError) and isinstance(err.cause, TimeoutError)
    assert hosts.probed.count(f"/{run}") == 1
    assert cleaned(hosts, run) == [("@h1", f"/{run}", True)]


async def test_it_takes_too_long_because_its_host_is_not_there(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "slow", "return", heartbeat=1)
    await seen(hosts.watched_paths, f"/{run}")
    hosts.broken.add(f"/{run}")
    await seen(hosts.ended, f"/{run}")
    hosts.gone.add(f"/{run}")
    assert await runs(handle) == [run, f"{run}-2"]
    assert f"/{run}" in hosts.probed


async def test_it_is_cancelled(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "wait", "return")
    await seen(hosts.watched_paths, f"/{run}")
    await handle.cancel()
    assert isinstance(await failure(handle), CancelledError)
    assert cleaned(hosts, run) == [("@h1", f"/{run}", False)]
    await seen(hosts.ended, f"/{run}")  # nobody watches what nobody has


async def test_a_bug_goes_on_where_it_was(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "bug")
    await until(lambda: stuck(handle))
    assert cleaned(hosts, run) == []
    await handle.signal(Steps.go_on)
    assert await runs(handle) == [run]


@pytest.mark.parametrize("how", ["lost", "wait"])
async def test_a_block_says_what_calls_its_code_again(client: Client, hosts: Hosts, how: str) -> None:
    handle, run = await begin(client, hosts, how, block=True)
    if how == "wait":
        await seen(hosts.watched_paths, f"/{run}")
        hosts.gone.add(f"/{run}")
    err = cordon_failure(await failure(handle))
    assert err and err.type == ErrorType.WORKSPACE_LOST and err.non_retryable and "with_workspace" in err.message
    assert cleaned(hosts, run) == [("@h1", f"/{run}", False)]


async def test_a_block_is_cancelled(client: Client, hosts: Hosts) -> None:
    handle, run = await begin(client, hosts, "wait", block=True)
    await seen(hosts.watched_paths, f"/{run}")
    await handle.cancel()
    assert isinstance(await failure(handle), CancelledError)
    assert cleaned(hosts, run) == [("@h1", f"/{run}", False)]


async def test_hosts_that_are_preferred_are_asked_first(client: Client) -> None:
    async with Hosts("warm", choice=["@nobody", "@h2"]).polling(client) as hosts:
        handle, run = await begin(client, hosts, "return")
        assert await runs(handle) == [run]
        assert hosts.acquired == [("@h2", run)]
        # The host that was lost is passed over.
        hosts.choice, hosts.acquired = ["@h2", "@h1"], []
        handle, run = await begin(client, hosts, "lost", "return")
        assert await runs(handle) == [run, f"{run}-2"]
        assert hosts.acquired == [("@h2", run), ("@h1", f"{run}-2")]
        # A host without room is asked once.
        hosts.refuses["@h2"], hosts.acquired = ApplicationError("full", type="NoSpace"), []
        handle, run = await begin(client, hosts, "return")
        assert await runs(handle) == [run]
        assert hosts.acquired == [("@h2", run), ("@h1", run)]
        # What no host can do is not tried on another.
        hosts.refuses["@h2"], hosts.acquired = ApplicationError("?", type="TargetNotFound", non_retryable=True), []
        handle, run = await begin(client, hosts, "return")
        err = cordon_failure(await failure(handle))
        assert err and err.type == ErrorType.TARGET_NOT_FOUND
        assert hosts.acquired == [("@h2", run)]


async def test_workers_of_yesterday(client: Client) -> None:
    """They know neither of watches nor of preferred hosts. Where an activity finds nobody, the host is gone."""
    async with Hosts("yesterday", watched=False).polling(client, ("@h1",)) as hosts:
        gone, run = await begin(client, hosts, "nobody", "return", target="h0")
        late, other = await begin(client, hosts, "slow", heartbeat=1)
        assert await runs(gone) == [run, f"{run}-2"]
        assert cleaned(hosts, run) == [("@h1", f"/{run}-2", False)]
        assert isinstance(await failure(late), ActivityError)
        assert cleaned(hosts, other) == [("@h1", f"/{other}", True)]
        for handle in (gone, late):
            assert await scheduled(handle, "watch_workspace") == []


async def test_a_host_is_killed_and_its_runs_go_on_elsewhere(story: asyncio.Task[None]) -> None:
    await story
