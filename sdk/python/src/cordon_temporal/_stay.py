"""The workspaces of one step of a run: another one, elsewhere, where one is lost."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

from cordon_temporal._activities import FetchOptions, acquire_workspace, cleanup_cache, host_wait, start_cleanup
from cordon_temporal._place import place
from cordon_temporal._settle import settle
from cordon_temporal._watch import Watch, why_lost
from cordon_temporal._workspace import Workspace

PATCH = "cordon: notice that a workspace is lost"
"""Runs whose history has no such mark were under way before this package noticed. They go on as they began."""

LOST_WAIT = timedelta(seconds=2)
"""How long the cleanup of what is on a lost host waits for it. One that is back takes it at once; for
another one its sweep does it, once the run is closed."""


class Stay:
    """Acquires workspaces, says whether one is lost, and gives back what it has acquired."""

    def __init__(self, target_id: str, host_timeout: timedelta | None, options: FetchOptions) -> None:
        self._target_id = target_id
        self._host_timeout = host_timeout
        self._options = options
        self._notices = workflow.patched(PATCH)
        self._lost: list[Workspace] = []

    async def acquire(self) -> Workspace:
        """The next workspace. It is of a name of its own, so that it is fresh even on a host that was lost
        and is back."""
        if not self._notices:
            return dataclasses.replace(await acquire_workspace(self._target_id, **self._options), watch_queue="")
        options = self._options
        if self._lost:
            run_id = options.get("run_id") or workflow.info().run_id
            options = {**options, "run_id": f"{run_id}-{len(self._lost) + 1}"}
        try:
            return await place(self._target_id, self._lost, **options)
        except (ActivityError, asyncio.CancelledError):
            await self.give_up()
            raise

    def watch(self, ws: Workspace, work: asyncio.Task[Any]) -> Watch:
        """Have ``work`` cancelled when ``ws`` is lost."""
        return Watch(ws, host_wait(ws, self._host_timeout), work)

    async def leave(
        self, ws: Workspace, err: BaseException | None, lost: BaseException | None, *, cancelled: bool
    ) -> BaseException | None:
        """Do what is due once the work at ``ws`` is over: by ``err``, or well. ``lost`` is what the watch has
        said; ``cancelled``, whether the caller is.

        Where the work has failed because the workspace is lost, that is returned. Then all is left as it is, for
        the next workspace or for :meth:`give_up`.
        """
        again = isinstance(err, workflow.ContinueAsNewError)
        stopped = err is not None and (again or is_cancelled_exception(err))
        if err is not None and not stopped and not _fails_workflow(err):
            return None  # the code has to be mended, and goes on from here then
        failed = err is not None and not again and not cancelled
        if err is not None and failed and lost is None and self._notices:
            try:
                lost = await why_lost(ws, host_wait(ws, self._host_timeout), err)
            except asyncio.CancelledError:
                await self._give_back(ws, run_failed=False)
                raise
        if lost is None:
            await self._give_back(ws, run_failed=err is not None and not stopped)
            return None
        self._lost.append(ws)
        interrupted = await ws.idle()
        if failed and interrupted is None:
            return lost
        await _settle_all(self._begin_give_up(), interrupted)
        return None

    async def give_up(self) -> None:
        """End the run's claims on hosts that were lost, those that are back."""
        await _settle_all(self._begin_give_up(), None)

    def _begin_give_up(self) -> list[workflow.ActivityHandle[Any]]:
        # Asked of these hosts alone: another one may have a workspace of the run under the same path.
        once = RetryPolicy(maximum_attempts=1)
        return [
            start_cleanup(ws.path, ws.mode, False, ws.task_queue, LOST_WAIT, retry_policy=once) for ws in self._lost
        ]

    async def _give_back(self, ws: Workspace, *, run_failed: bool) -> None:
        lost = self._begin_give_up()
        cancelled = await ws.idle()
        try:
            kept = await cleanup_cache(ws, run_failed=run_failed, host_timeout=self._host_timeout)
            if kept is not None:
                workflow.logger.warning("the workspace of this failed run stays on host %s: %s", ws.host, kept)
        except asyncio.CancelledError as err:
            cancelled = cancelled or err
        await _settle_all(lost, cancelled)


async def _settle_all(tasks: Sequence[asyncio.Task[Any]], cancelled: asyncio.CancelledError | None) -> None:
    """Wait until all are over, however, and then raise the cancellation of the caller, if there was one."""
    for task in tasks:
        cancelled = await settle(task, cancel=False) or cancelled
    if cancelled is not None:
        raise cancelled


def _fails_workflow(err: BaseException) -> bool:
    """Whether Temporal fails the workflow for err, not its task."""
    ask = getattr(workflow, "is_failure_exception", None)
    if ask is None:  # before temporalio 1.18, whose releases will not change any more
        ask = getattr(workflow._Runtime.current(), "_is_workflow_failure_exception")  # noqa: B009
    return bool(ask(err))
