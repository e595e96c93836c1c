"""Cordon's storage activities as functions to call in workflows.

They are called by name. What an argument leaves out is null, which means the worker's
default. Every time limit and retry policy is a keyword; what they are unless given is in
this file and in the README.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from cordon_temporal._names import ACQUIRE_WORKSPACE, CLEANUP_CACHE, GET_TARGET, UPLOAD_RESULTS, Mode
from cordon_temporal._settle import settle
from cordon_temporal._workspace import Workspace

FETCH_TIMEOUT = timedelta(minutes=5)
"""Of one attempt. A fetch that takes longer goes on, and the next attempt joins it."""

CLEANUP_TIMEOUT = timedelta(minutes=1)

HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""Workers heartbeat every second or two: one that has not for this long is gone."""

HOST_TIMEOUT = timedelta(minutes=1)
"""How long a cleanup waits for the workspace's host to take it, before any other host may."""

QUEUE_TIMEOUT = timedelta(minutes=5)
"""How long a cleanup waits for anybody to take it. After that the worker's sweep, which
finds what closed runs have left, is the surer way."""

RETRY_POLICY = RetryPolicy(
    # 2 s and 8 s: a server that is restarted is back by then.
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=4.0,
    maximum_attempts=3,
)


def _mode(mode: Mode | str | None) -> str | None:
    return None if mode is None else str(mode)


async def get_target(
    target_id: str,
    *,
    run_id: str | None = None,
    mode: Mode | str | None = None,
    task_queue: str | None = None,
    start_to_close_timeout: timedelta = FETCH_TIMEOUT,
    heartbeat_timeout: timedelta | None = HEARTBEAT_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> str:
    """Fetch a target and return the absolute path of the run's workspace.

    The run is the calling one unless ``run_id`` names another; the mode is ``isolated``,
    unless it is given or the workflow's metadata decides. The same run asking again gets the
    same path. Any host whose worker polls the queue may be the one that has it.

    A caller who is cancelled waits until the worker has stopped fetching, some seconds. If
    the fetch was faster than the cancellation, what it claimed is cleaned up.

    Raises:
        ActivityError: see :func:`cordon_temporal.cordon_error_type`.
    """
    path = await _fetch(
        GET_TARGET,
        [target_id, run_id, _mode(mode)],
        task_queue=task_queue,
        start_to_close_timeout=start_to_close_timeout,
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=retry_policy,
    )
    return str(path)


async def acquire_workspace(
    target_id: str,
    *,
    run_id: str | None = None,
    mode: Mode | str | None = None,
    task_queue: str | None = None,
    start_to_close_timeout: timedelta = FETCH_TIMEOUT,
    heartbeat_timeout: timedelta | None = HEARTBEAT_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> Workspace:
    """:func:`get_target`, and on which host the workspace is, so that later activities can
    go there.

    :func:`cleanup_cache` gives it back; :func:`cordon_temporal.workspace` does that by itself.
    """
    result = await _fetch(
        ACQUIRE_WORKSPACE,
        [target_id, run_id, _mode(mode)],
        task_queue=task_queue,
        start_to_close_timeout=start_to_close_timeout,
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=retry_policy,
    )
    return Workspace.from_result(result)


async def _fetch(
    name: str,
    args: list[Any],
    *,
    task_queue: str | None,
    start_to_close_timeout: timedelta,
    heartbeat_timeout: timedelta | None,
    retry_policy: RetryPolicy,
) -> Any:
    """The result of a fetch. What it claimed while its caller was cancelled is given back."""
    fetch = workflow.start_activity(
        name,
        args=args,
        task_queue=task_queue,
        start_to_close_timeout=start_to_close_timeout,
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=retry_policy,
        # Whoever cancels has to know whether there is a claim to give back.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )
    cancelled = await settle(fetch, cancel=True)
    if cancelled is None:
        return fetch.result()
    if not fetch.cancelled() and fetch.exception() is None:
        claimed = fetch.result()
        if name == ACQUIRE_WORKSPACE:
            await cleanup_cache(Workspace.from_result(claimed))
        else:
            await cleanup_cache(claimed, task_queue=task_queue)
    raise cancelled


async def cleanup_cache(
    workspace: Workspace | str,
    *,
    mode: Mode | str | None = None,
    run_failed: bool = False,
    task_queue: str | None = None,
    host_timeout: timedelta = HOST_TIMEOUT,
    start_to_close_timeout: timedelta = CLEANUP_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> str | None:
    """End the run's claim on a workspace, or on the path of one.

    The result is None, or ``"{path} until {RFC 3339}"`` where the run has failed
    (``run_failed``) and its metadata says that the workspace stays then.

    A :class:`Workspace` is cleaned up on its host. Where that has taken nothing for
    ``host_timeout``, any worker of the queue may do it: another host leaves alone what it does not
    know, but the same disk may be on a host of another id.

    It never raises an error of the activity: what is left is for the worker's sweep. It
    comes to its end even if the caller is cancelled, and the cancellation goes on afterwards.
    """
    path, queues = workspace, [task_queue]
    if isinstance(workspace, Workspace):
        path = workspace.path
        mode = mode or workspace.mode
        if task_queue is None:
            queues = [workspace.task_queue, workspace.common_task_queue]
    cancelled = None
    kept: str | None = None
    for n, queue in enumerate(queues):
        last = n == len(queues) - 1
        cleanup = workflow.start_activity(
            CLEANUP_CACHE,
            args=[path, _mode(mode), run_failed],
            task_queue=queue,
            start_to_close_timeout=start_to_close_timeout,
            schedule_to_start_timeout=QUEUE_TIMEOUT if last else host_timeout,
            retry_policy=retry_policy,
        )
        cancelled = await settle(cleanup, cancel=False) or cancelled
        try:
            kept = cleanup.result()
            break
        except ActivityError as err:
            workflow.logger.warning(
                "cleanup_cache of %s on %s: %s; %s",
                path,
                queue or "the ordinary queue",
                err.cause or err,
                "the worker's sweep will remove what is left" if last else "trying any host",
            )
    if cancelled is not None:
        raise cancelled
    return kept


async def upload_results(
    workflow_id: str,
    results: Mapping[str, Any],
    *,
    format: Literal["json", "sarif"] | None = None,
    task_queue: str | None = None,
    start_to_close_timeout: timedelta = FETCH_TIMEOUT,
    heartbeat_timeout: timedelta | None = HEARTBEAT_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> str:
    """Store an object as the results of a workflow, and return its URL.

    Raises:
        ActivityError: see :func:`cordon_temporal.cordon_error_type`.
    """
    url: str = await workflow.execute_activity(
        UPLOAD_RESULTS,
        args=[workflow_id, results, format],
        task_queue=task_queue,
        result_type=str,
        start_to_close_timeout=start_to_close_timeout,
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=retry_policy,
    )
    return url
