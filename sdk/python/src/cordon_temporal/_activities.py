"""Cordon's storage activities as functions to call in workflows.

They are called by name. What an argument leaves out is null, which means the worker's
default. Every time limit and retry policy is a keyword; what they are unless given is in
this file and in the README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, TypedDict

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from typing_extensions import Unpack

from cordon_temporal._names import ACQUIRE_WORKSPACE, CLEANUP_CACHE, GET_TARGET, UPLOAD_RESULTS, Mode
from cordon_temporal._settle import settle
from cordon_temporal._workspace import Workspace
from cordon_temporal.errors import ErrorType

FETCH_TIMEOUT = timedelta(minutes=5)
"""Of one attempt. A fetch that takes longer goes on, and the next attempt joins it."""

CLEANUP_TIMEOUT = timedelta(minutes=1)

HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""Workers heartbeat every second or two: one that has not for this long is gone."""

HOST_TIMEOUT = timedelta(minutes=1)
"""How long a host whose workers are gone is waited for, where it does not say how long itself."""

QUEUE_TIMEOUT = timedelta(minutes=5)
"""How long a cleanup waits for anybody to take it. After that the worker's sweep, which
finds what closed runs have left, is the surer way."""

RETRY_POLICY = RetryPolicy(
    # 2 s and 8 s: a server that is restarted is back by then.
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=4.0,
    maximum_attempts=3,
)


class FetchOptions(TypedDict, total=False):
    """What may be said of a fetch beside its target."""

    run_id: str | None
    """Whose workspace it is; unless given, the calling run's."""

    mode: Mode | str | None
    """Unless given, ``isolated``, or what the workflow's metadata says."""

    task_queue: str | None
    """Of the storage activities; unless given, the workflow's own, or where an interceptor sends them."""

    start_to_close_timeout: timedelta
    """Of one attempt; unless given, 5 minutes."""

    heartbeat_timeout: timedelta | None
    """Unless given, 30 seconds."""

    retry_policy: RetryPolicy
    """Unless given, 3 attempts."""


def _mode(mode: Mode | str | None) -> str | None:
    return None if mode is None else str(mode)


def host_wait(ws: Workspace, given: timedelta | None) -> timedelta:
    """How long the host of ``ws`` is waited for."""
    return given or timedelta(seconds=ws.host_wait_seconds) or HOST_TIMEOUT


async def get_target(target_id: str, **options: Unpack[FetchOptions]) -> str:
    """Fetch a target and return the absolute path of the run's workspace.

    The run is the calling one unless ``run_id`` names another; the mode is ``isolated``,
    unless it is given or the workflow's metadata decides. The same run asking again gets the
    same path. Any host whose worker polls the queue may be the one that has it.

    A caller who is cancelled waits until the worker has stopped fetching, some seconds. If
    the fetch was faster than the cancellation, what it claimed is cleaned up.

    Raises:
        ActivityError: see :func:`cordon_temporal.cordon_error_type`.
    """
    return str(await _fetch(GET_TARGET, target_id, **options))


async def acquire_workspace(target_id: str, **options: Unpack[FetchOptions]) -> Workspace:
    """:func:`get_target`, and on which host the workspace is, so that later activities can
    go there.

    :func:`cleanup_cache` gives it back; :func:`cordon_temporal.workspace` does that by itself.
    """
    return Workspace.from_result(await _fetch(ACQUIRE_WORKSPACE, target_id, **options))


async def acquire_soon(target_id: str, within: timedelta, **options: Unpack[FetchOptions]) -> Workspace:
    """:func:`acquire_workspace`, of somebody who takes it ``within`` that time, or not at all.
    Nor does a host that has no room try again."""
    policy = options.get("retry_policy", RETRY_POLICY)
    final = [*(policy.non_retryable_error_types or ()), ErrorType.NO_SPACE]
    options["retry_policy"] = replace(policy, non_retryable_error_types=final)
    return Workspace.from_result(
        await _fetch(ACQUIRE_WORKSPACE, target_id, schedule_to_start_timeout=within, **options)
    )


async def _fetch(
    name: str,
    target_id: str,
    *,
    run_id: str | None = None,
    mode: Mode | str | None = None,
    task_queue: str | None = None,
    start_to_close_timeout: timedelta = FETCH_TIMEOUT,
    schedule_to_start_timeout: timedelta | None = None,
    heartbeat_timeout: timedelta | None = HEARTBEAT_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> Any:
    """The result of a fetch. What it claimed while its caller was cancelled is given back."""
    fetch = workflow.start_activity(
        name,
        args=[target_id, run_id, _mode(mode)],
        task_queue=task_queue,
        start_to_close_timeout=start_to_close_timeout,
        schedule_to_start_timeout=schedule_to_start_timeout,
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
    host_timeout: timedelta | None = None,
    start_to_close_timeout: timedelta = CLEANUP_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> str | None:
    """End the run's claim on a workspace, or on the path of one.

    The result is None, or ``"{path} until {RFC 3339}"`` where the run has failed
    (``run_failed``) and its metadata says that the workspace stays then.

    A :class:`Workspace` is cleaned up on its host. Where that has taken nothing for
    ``host_timeout`` (unless given, what the host's workers are set to, or a minute), any worker of the queue may
    do it: another host leaves alone what it does not know, but the same disk may be on a host of another id.

    It never raises an error of the activity: what is left is for the worker's sweep. It
    comes to its end even if the caller is cancelled, and the cancellation goes on afterwards.
    """
    queues = [(task_queue, QUEUE_TIMEOUT)]
    if isinstance(workspace, str):
        path = workspace
    else:
        path = workspace.path
        mode = mode or workspace.mode
        if task_queue is None:
            queues = [
                (workspace.task_queue, host_wait(workspace, host_timeout)),
                (workspace.common_task_queue, QUEUE_TIMEOUT),
            ]
    cancelled = None
    kept: str | None = None
    for n, (queue, wait) in enumerate(queues):
        last = n == len(queues) - 1
        cleanup = start_cleanup(path, mode, run_failed, queue, wait, start_to_close_timeout, retry_policy)
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


def start_cleanup(
    path: str,
    mode: Mode | str | None,
    run_failed: bool,
    queue: str | None,
    wait: timedelta,
    start_to_close_timeout: timedelta = CLEANUP_TIMEOUT,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> workflow.ActivityHandle[Any]:
    """A cleanup on one queue, where it is taken after ``wait`` at the latest or fails."""
    return workflow.start_activity(
        CLEANUP_CACHE,
        args=[path, _mode(mode), run_failed],
        task_queue=queue,
        start_to_close_timeout=start_to_close_timeout,
        schedule_to_start_timeout=wait,
        retry_policy=retry_policy,
    )


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
