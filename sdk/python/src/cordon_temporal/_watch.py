"""Noticing that a run's workspace is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType

from cordon_temporal._names import WATCH_WORKSPACE
from cordon_temporal._settle import looked_at, settle
from cordon_temporal._workspace import Workspace
from cordon_temporal.errors import ErrorType

E = TypeVar("E", bound=BaseException)

WATCH_BEAT = timedelta(seconds=20)
"""How soon after its last heartbeat a watch counts as dead. A host that swaps, or a server that is
restarted, may lose some; then the next attempt finds the host well."""

WATCH_TIME = timedelta(days=365)
"""Longer than a run lasts."""

PROBE_TIMEOUT, PROBE_ATTEMPTS = timedelta(seconds=10), 5
"""A look at a workspace takes a moment. A frozen host may be handed some of which nobody hears again."""


class Watch:
    """Cancels ``work`` when ``ws`` is lost, whose host is waited for that long when it is gone."""

    lost: BaseException | None = None
    """Why it is, if it is."""

    def __init__(self, ws: Workspace, wait: timedelta, work: asyncio.Task[Any]) -> None:
        self._ws, self._work = ws, work
        self._watching: workflow.ActivityHandle[Any] | None = None
        if ws.watch_queue:
            self._watching = _start(ws, [ws.path], wait, WATCH_TIME, attempts=0)
            self._watching.add_done_callback(self._over)

    def end(self) -> None:
        """Watch no more: ``lost`` stays as it is."""
        if self._watching is not None:
            self._watching.remove_done_callback(self._over)
            self._watching.add_done_callback(looked_at)
            self._watching.cancel()

    def _over(self, watching: asyncio.Future[Any]) -> None:
        if watching.cancelled():
            return
        err = watching.exception()
        timeout = in_chain(err, TimeoutError)
        if is_lost(err) or (timeout and timeout.type is TimeoutType.SCHEDULE_TO_START):
            self.lost = err
            self._work.cancel()
            return
        unnoticed = "%s is not watched any more, and should its host be lost, that is not noticed: %s"
        workflow.logger.warning(unnoticed, self._ws.path, err)


async def why_lost(ws: Workspace, wait: timedelta, err: BaseException) -> BaseException | None:
    """Why ``ws`` is lost, if it is, where that made what was done there fail with ``err``. What looks like any
    timeout may be that of a host of which nobody has noticed yet that it is gone."""
    timeout = in_chain(err, TimeoutError)
    if is_lost(err):
        return err
    if timeout is None:
        return None
    if not ws.watch_queue:  # nobody can be asked
        return err if timeout.type is TimeoutType.SCHEDULE_TO_START else None
    probe = _start(ws, [ws.path, True], wait, PROBE_TIMEOUT, attempts=PROBE_ATTEMPTS)
    cancelled = await settle(probe, cancel=True)
    if cancelled is not None:
        raise cancelled
    try:
        probe.result()
    except ActivityError as said:
        if is_lost(said) or in_chain(said, TimeoutError):
            return said
    return None


def _start(
    ws: Workspace, args: list[Any], wait: timedelta, timeout: timedelta, *, attempts: int
) -> workflow.ActivityHandle[Any]:
    return workflow.start_activity(
        WATCH_WORKSPACE,
        args=args,
        task_queue=ws.watch_queue,
        schedule_to_start_timeout=wait,
        start_to_close_timeout=timeout,
        heartbeat_timeout=WATCH_BEAT,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=1.0,
            maximum_attempts=attempts,
            non_retryable_error_types=[ErrorType.WORKSPACE_LOST.value],
        ),
        cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
    )


def in_chain(err: BaseException | None, of: type[E]) -> E | None:
    """The first error of a type among ``err`` and what caused it."""
    while err is not None and not isinstance(err, of):
        err = err.__cause__
    return err


def is_lost(err: BaseException | None) -> bool:
    """Whether a WorkspaceLost is among ``err`` and what caused it."""
    while app := in_chain(err, ApplicationError):
        if app.type == ErrorType.WORKSPACE_LOST:
            return True
        err = app.__cause__
    return False


def reason(lost: BaseException) -> str:
    """What went wrong, without Temporal's own frame."""
    if app := in_chain(lost, ApplicationError):
        return app.message
    if timeout := in_chain(lost, TimeoutError):
        return f"its host did not answer ({timeout.type.name if timeout.type else timeout.message})"
    return str(lost)
