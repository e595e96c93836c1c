"""Hosts whose workers say what a test wants, at once. What is seen is what a workflow does then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from rounds import Steps
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker
from tools import BRISK

LOST = ApplicationError("not here", type="WorkspaceLost", non_retryable=True)


class Hosts:
    """The workers of a queue, on hosts h1 and h2; with ``watched``, of today."""

    def __init__(self, queue: str, *, watched: bool = True, choice: list[str] | None = None) -> None:
        self.queue, self.watched, self.choice = queue, watched, choice
        self.acquired: list[tuple[str, str | None]] = []
        """The queue of each call, and its run."""
        self.cleaned: list[tuple[str, str, bool]] = []
        """The queue of each call, the path, and whether the run failed."""
        self.watched_paths: list[str] = []
        self.ended: list[str] = []
        """Those whose watch has broken, or was cancelled."""
        self.probed: list[str] = []
        self.refuses: dict[str, ApplicationError] = {}
        """By queue, how acquire_workspace fails there."""
        self.gone: set[str] = set()
        """Paths that are not there any more."""
        self.broken: set[str] = set()
        """Paths whose watch has a bug."""

    @asynccontextmanager
    async def polling(self, client: Client, queues: tuple[str, ...] = ("@h1", "@h2")) -> AsyncIterator[Hosts]:
        have: list[Callable[..., Any]] = [self.acquire, self.cleanup, self.slow]
        if self.choice is not None:
            have.append(self.choose)
        async with AsyncExitStack() as stack:
            for queue in ("", *queues):
                workflows = [] if queue else [Steps]
                name = self.queue + queue
                for poller in (
                    Worker(
                        client, task_queue=name, workflows=workflows, activities=have, max_cached_workflows=0, **BRISK
                    ),
                    Worker(client, task_queue=f"{name}.watch", activities=[self.watch], **BRISK),
                ):
                    await stack.enter_async_context(poller)
            yield self

    @activity.defn(name="choose_hosts")
    async def choose(self, target: str, run: str | None, mode: str | None) -> list[str]:
        assert self.choice is not None
        return [self.queue + host for host in self.choice]

    @activity.defn(name="acquire_workspace")
    async def acquire(self, target: str, run: str | None, mode: str | None) -> dict[str, Any]:
        queue = activity.info().task_queue.removeprefix(self.queue)
        self.acquired.append((queue, run))
        if queue in self.refuses:
            raise self.refuses[queue]
        # On the host that the target is called after, and then on the next one.
        host = queue.removeprefix("@") or ("h1" if (run or "").endswith("-2") else target)
        here = f"{self.queue}@{host}"
        found: dict[str, Any] = {"path": f"/{run}", "task_queue": here, "host": host, "target_id": target}
        found |= {"run_id": run, "mode": "isolated", "driver": "", "writable": True}
        return (
            found | {"watch_queue": f"{here}.watch", "host_wait_seconds": 1 if host == "h0" else 60}
            if self.watched
            else found
        )

    @activity.defn(name="watch_workspace")
    async def watch(self, path: str, once: bool = False) -> None:
        if once:
            self.probed.append(path)
            if path in self.gone:
                raise LOST
            return
        self.watched_paths.append(path)
        try:
            while path not in self.gone and path not in self.broken:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            self.ended.append(path)
            raise
        if path in self.gone:
            raise LOST
        self.ended.append(path)
        raise ApplicationError("a bug", non_retryable=True)

    @activity.defn(name="cleanup_cache")
    async def cleanup(self, path: str, mode: str, run_failed: bool) -> None:
        self.cleaned.append((activity.info().task_queue.removeprefix(self.queue), path, run_failed))

    @activity.defn(name="slow")
    async def slow(self, argument: dict[str, str]) -> None:
        """Does not heartbeat, and so takes longer than it may."""
        await asyncio.sleep(3600)


async def replay(handle: Any) -> None:
    await Replayer(workflows=[Steps]).replay_workflow(await handle.fetch_history())
