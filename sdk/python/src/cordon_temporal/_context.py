"""A workspace for as long as a block of a workflow runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import is_cancelled_exception

from cordon_temporal._activities import (
    FETCH_TIMEOUT,
    HEARTBEAT_TIMEOUT,
    HOST_TIMEOUT,
    RETRY_POLICY,
    acquire_workspace,
    cleanup_cache,
)
from cordon_temporal._names import Mode
from cordon_temporal._workspace import Workspace


@asynccontextmanager
async def workspace(
    target_id: str,
    *,
    run_id: str | None = None,
    mode: Mode | str | None = None,
    task_queue: str | None = None,
    start_to_close_timeout: timedelta = FETCH_TIMEOUT,
    heartbeat_timeout: timedelta | None = HEARTBEAT_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
    host_timeout: timedelta = HOST_TIMEOUT,
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
    """
    ws = await acquire_workspace(
        target_id,
        run_id=run_id,
        mode=mode,
        task_queue=task_queue,
        start_to_close_timeout=start_to_close_timeout,
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=retry_policy,
    )
    try:
        yield ws
    except BaseException as err:
        if is_cancelled_exception(err) or isinstance(err, workflow.ContinueAsNewError):
            await _give_back(ws, host_timeout, run_failed=False)
        elif _fails_workflow(err):
            await _give_back(ws, host_timeout, run_failed=True)
        raise
    await _give_back(ws, host_timeout, run_failed=False)


async def _give_back(ws: Workspace, host_timeout: timedelta, *, run_failed: bool) -> None:
    cancelled = await ws.idle()
    kept = await cleanup_cache(ws, run_failed=run_failed, host_timeout=host_timeout)
    if kept is not None:
        workflow.logger.warning("the workspace of this failed run stays on host %s: %s", ws.host, kept)
    if cancelled is not None:
        raise cancelled


def _fails_workflow(err: BaseException) -> bool:
    """Whether Temporal fails the workflow for err, not its task."""
    ask = getattr(workflow, "is_failure_exception", None)
    if ask is None:  # before temporalio 1.18, whose releases will not change any more
        ask = getattr(workflow._Runtime.current(), "_is_workflow_failure_exception")  # noqa: B009
    return bool(ask(err))
