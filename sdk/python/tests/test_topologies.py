"""Beside workers of Python's own: storage on a queue of its own (B), storage through a socket (C).

Topology A is what the other tests run on.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import flows
import pytest
import tools
from conftest import Place
from cordon import Cordon
from flows import Block, Ending, Plain, Whose
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.worker import Replayer, Worker
from test_workspace import fetching, start, until
from tools import BRISK

from cordon_temporal import StorageRouting
from cordon_temporal.socket_activities import activities, health


def fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("place", ["routed", "through_socket"], indirect=True)
@pytest.mark.parametrize("mode", ["isolated", "shared", "copy-on-write"])
async def test_a_workflow_that_knows_nothing_of_it(client: Client, target: str, place: Place, mode: str) -> None:
    path, files = await client.execute_workflow(
        Plain.run, args=[target, mode], id=fresh("plain"), task_queue=place.queue
    )
    assert files == 2 and Path(path).is_relative_to(place.cache)
    assert os.path.exists(path) == (mode == "shared")


@pytest.mark.parametrize("place", ["routed", "through_socket"], indirect=True)
async def test_a_block_with_tools_of_ones_own(client: Client, target: str, place: Place) -> None:
    got = await (await start(client, place.queue, Ending(target))).result()
    assert got["found"] == {"inventory": {"files": 2}} and Path(got["path"]).is_relative_to(place.cache)
    assert not os.path.exists(got["path"])


async def test_a_block_waits_for_what_it_left_running(client: Client, target: str, routed: Place) -> None:
    tools.begun.clear()
    tools.stayed.clear()
    handle = await start(client, routed.queue, Ending(target, "leave"))

    async def both() -> bool:
        return len(tools.begun) == 2

    await until(both)
    await handle.signal(Block.go_on)
    got = await handle.result()
    assert tools.stayed == [True, True] and not os.path.exists(got["path"])


async def test_a_queue_that_the_author_names_stays(client: Client, target: str, routed: Place, beside: Place) -> None:
    args = [target, "isolated", beside.queue]
    path, files = await client.execute_workflow(Plain.run, args=args, id=fresh("plain"), task_queue=routed.queue)
    assert files == 2 and Path(path).is_relative_to(beside.cache)


async def test_tools_of_several_hosts(client: Client, target: str, routed: Place) -> None:
    async with Worker(client, task_queue="whose", workflows=[Whose], interceptors=[StorageRouting("b-storage")]):
        host = await client.execute_workflow(Whose.run, target, id=fresh("whose"), task_queue="whose")
    routing = StorageRouting("b-storage", tool_queue=lambda host: f"tools-of-{host}")
    async with (
        Worker(client, task_queue="several", workflows=[Block], interceptors=[routing], max_cached_workflows=0),
        Worker(client, task_queue=f"tools-of-{host}", activities=tools.ALL),
    ):
        got = await (await start(client, "several", Ending(target))).result()
    assert got["found"] == {"inventory": {"files": 2}} and Path(got["path"]).is_relative_to(routed.cache)


async def test_a_queue_of_another_name_has_its_storage_beside_it_too(
    client: Client, target: str, routed: Place
) -> None:
    async with Worker(
        client, task_queue="b", workflows=[Plain], activities=tools.ALL, interceptors=[StorageRouting()], **BRISK
    ):
        path, files = await client.execute_workflow(
            Plain.run, args=[target, "isolated"], id=fresh("plain"), task_queue="b"
        )
    assert files == 2 and Path(path).is_relative_to(routed.cache)


async def test_what_was_routed_is_replayed(client: Client, target: str, routed: Place) -> None:
    """Temporal's Replayer has workflows on a queue that is called otherwise."""
    block = await start(client, routed.queue, Ending(target))
    plain = await client.start_workflow(
        Plain.run, args=[target, "isolated"], id=fresh("plain"), task_queue=routed.queue
    )
    replayer = Replayer(workflows=flows.ALL, interceptors=[StorageRouting()])
    for handle in (block, plain):
        await handle.result()
        await replayer.replay_workflow(await handle.fetch_history())


async def test_the_socket_tells_who_serves_it(socket: Path, cordon: Cordon) -> None:
    said = await health(socket)
    assert said["status"] == "ok" and said["host"] and said["cache_dir"] == str(cordon.home / "cache-c")
    assert set(said["activities"]) >= {"get_target", "acquire_workspace", "cleanup_cache", "upload_results"}


async def test_a_cancellation_goes_through_the_socket(client: Client, cordon: Cordon, tmp_path: Path) -> None:
    big = cordon.put("big", {"random": os.urandom(20_000_000)})
    path, cache = cordon.home / "slow.sock", tmp_path / "cache"
    slow = {"CACHE_FETCH_LIMIT": "100KB/s"}  # which takes minutes
    with cordon.worker("slow-c", "--serve", "storage", "--socket", str(path), cache=cache, env=slow) as worker:
        async with Worker(
            client,
            task_queue="slow-c-queue",
            workflows=[Block],
            activities=activities(path),
            max_cached_workflows=0,
            **BRISK,
        ):
            handle = await start(client, "slow-c-queue", Ending(big))
            await until(lambda: fetching(handle))  # the heartbeats came through, too
            begun = time.monotonic()
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failed:
                await handle.result()
            assert isinstance(failed.value.cause, CancelledError), failed.value.cause
            assert time.monotonic() - begun < 60

            async def clean() -> bool:  # the worker hears of it when the connection closes
                return not list((cache / big).glob("*/*"))

            await until(clean)
            assert "User code downloaded" not in worker.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a mount namespace")
@pytest.mark.parametrize("driver", ["auto", "copy!"])
async def test_what_is_seen_of_a_worker_with_mounts_of_its_own(
    client: Client, target: str, cordon: Cordon, driver: str
) -> None:
    """As in a container of its own, on a volume of both. The README has it as a table."""
    cache, own = cordon.home / f"cache-{driver[:4]}", ("unshare", "--mount", "--propagation", "private")
    env = {"CACHE_COW_DRIVER": driver}
    with cordon.worker("apart", "--serve", "storage", cache=cache, env=env, within=own) as worker:
        async with Worker(
            client,
            task_queue="apart-queue",
            workflows=[Plain],
            activities=tools.ALL,
            interceptors=[StorageRouting()],
        ):
            seen = {}
            for mode in ("isolated", "shared", "copy-on-write"):
                _, seen[mode] = await client.execute_workflow(
                    Plain.run, args=[target, mode], id=fresh("apart"), task_queue="apart-queue"
                )
    mounted = "driver=overlay" in worker.log
    assert mounted or driver != "auto" or "overlay" not in worker.log.partition("usable=")[2][:40]
    assert seen == {"isolated": 2, "shared": 2, "copy-on-write": 0 if mounted else 2}
