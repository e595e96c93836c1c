"""A workspace for as long as a block of a workflow runs, or a function."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from typing_extensions import Unpack

from cordon_temporal._activities import FetchOptions
from cordon_temporal._settle import settle
from cordon_temporal._stay import Stay
from cordon_temporal._watch import reason
from cordon_temporal._workspace import Workspace
from cordon_temporal.errors import ErrorType

T = TypeVar("T")

HOSTS = 5
"""How many workspaces are tried: more than a rolling restart takes away from a run that meets each host."""


async def with_workspace(
    target_id: str,
    body: Callable[[Workspace], Awaitable[T]],
    *,
    host_timeout: timedelta | None = None,
    hosts: int = HOSTS,
    **options: Unpack[FetchOptions],
) -> T:
    """Call ``body`` with a workspace of a target, clean up when it is over, and return what it does.

    It is cleaned up as after the block of :func:`workspace`. But where the workspace is lost, ``body`` is cancelled
    and, once it is over, called again with a fresh one on another host. So it keeps nothing from one call to the
    next but what it means to. A workspace is lost

    - when its host is gone, and does not come back within ``host_timeout``: unless given, what the host's
      workers are set to, or a minute;
    - when its host does not have it any more, or an activity says so (``WorkspaceLost``).

    That an activity takes too long on a host that is there, or waits for its turn, is ``body``'s own affair.

    Args:
        hosts: how many workspaces are tried before the run fails with a ``WorkspaceLost``.
    """
    if hosts < 1:
        raise ValueError(f"with_workspace: hosts is {hosts}; give 1 or more")
    stay = Stay(target_id, host_timeout, options)
    tried = 0
    while True:
        ws = await stay.acquire()
        work = asyncio.create_task(_call(body, ws))  # in a task of its own: who is cancelled, it or its caller?
        watch = stay.watch(ws, work)
        cancelled = await settle(work, cancel=True)
        watch.end()
        err = asyncio.CancelledError() if work.cancelled() else work.exception()
        lost = await stay.leave(ws, err, watch.lost, cancelled=cancelled is not None)
        if lost is None:
            if cancelled is not None and err is None and _cancellations(work, unknown=1) == 0:
                raise cancelled  # the body was over before it was told
            return work.result()
        workflow.logger.warning("%s on host %s is lost, another one is acquired: %s", ws.path, ws.host, reason(lost))
        tried += 1
        if tried == hosts:
            await stay.give_up()
            raise ApplicationError(
                f"the run lost its workspace on {hosts} hosts, one after the other, the last time for: {reason(lost)}",
                type=ErrorType.WORKSPACE_LOST.value,
                non_retryable=True,
            ) from lost


@asynccontextmanager
async def workspace(
    target_id: str,
    *,
    host_timeout: timedelta | None = None,
    **options: Unpack[FetchOptions],
) -> AsyncIterator[Workspace]:
    """A workspace of a target, for ``async with``; cleaned up when the block is left.

    That holds when it is left by its end, by ``continue_as_new``, by an error that fails the workflow
    (the worker is told, so that ``keep_on_failure`` of the metadata works), and by a
    cancellation, during the fetch as well: the cleanup runs to its end before the cancellation goes on.
    Activities of :meth:`Workspace.execute_activity` that still run are cancelled and waited for before it.

    It does not when an error leaves the block that Temporal does not take for a failure, which
    is every error of Python that ``failure_exception_types`` does not name. Such an error means
    that the code has to be mended, and that the run then goes on from where it was: with its workspace, and with
    a history that says nothing of a cleanup. Should the workflow catch it outside of the block,
    the worker's sweep removes the workspace after the run.

    Where the workspace is lost (see :func:`with_workspace`), the block is cancelled and left by an ApplicationError
    ``WorkspaceLost``: Python runs no block twice. :func:`with_workspace` calls its function again instead.
    """
    stay = Stay(target_id, host_timeout, options)
    ws = await stay.acquire()
    block = asyncio.current_task()
    assert block is not None  # all code of workflows is in one
    before = _cancellations(block)
    watch = stay.watch(ws, block)
    err: BaseException | None = None
    try:
        yield ws
    except BaseException as left:
        err = left
    watch.end()
    if watch.lost is not None:
        getattr(block, "uncancel", int)()  # what the watch did
    lost = await stay.leave(ws, err, watch.lost, cancelled=_cancellations(block) > before)
    if lost is not None:
        await stay.give_up()
        raise ApplicationError(
            f"the workspace of {target_id} on host {ws.host} is lost: {reason(lost)}; a block cannot be run again: "
            "put it into a function and call with_workspace, which begins it again with a fresh one",
            type=ErrorType.WORKSPACE_LOST.value,
            non_retryable=True,
        ) from lost
    if err is not None:
        raise err


async def _call(body: Callable[[Workspace], Awaitable[T]], ws: Workspace) -> T:
    return await body(ws)


def _cancellations(task: asyncio.Task[T], *, unknown: int = 0) -> int:
    """How often a task was cancelled, less what it took back; ``unknown`` in Python 3.10, which does not count."""
    count: int = getattr(task, "cancelling", lambda: unknown)()
    return count
