"""Where a run's workspace is made: on a host that has the target, or on any."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from typing_extensions import Unpack

from cordon_temporal._activities import FetchOptions, acquire_soon, acquire_workspace
from cordon_temporal._names import CHOOSE_HOSTS
from cordon_temporal._settle import settle
from cordon_temporal._workspace import Workspace

CHOOSE_TIMEOUT, CHOOSE_WAIT = timedelta(seconds=5), timedelta(seconds=10)
"""Of one attempt, and of all there is. It is a handful of calls to Temporal, and a run that has no
answer goes to any host."""

WARM_WAIT = timedelta(seconds=2)
"""How long a host that is preferred has to take the run. One that is idle takes it at once; a busy one
is left alone."""


async def place(target_id: str, lost: Collection[Workspace], **options: Unpack[FetchOptions]) -> Workspace:
    """Acquire a workspace where it is best made, but on no host that had one of ``lost``
    unless it is the only one."""
    avoid = {ws.task_queue for ws in lost}
    for queue in await _choose(target_id, options):
        if queue in avoid:
            continue
        there: FetchOptions = {**options, "task_queue": queue}
        try:
            return await acquire_soon(target_id, WARM_WAIT, **there)
        except ActivityError as err:
            if isinstance(err.cause, ApplicationError) and err.cause.non_retryable:
                raise  # as anywhere
            workflow.logger.info("%s does not take the run, another host may: %s", queue, err.cause or err)
    return await acquire_workspace(target_id, **options)


async def _choose(target_id: str, options: FetchOptions) -> list[str]:
    """The queues of the hosts on which the run is best placed; none where that cannot be learnt."""
    mode = options.get("mode")
    choice = workflow.start_activity(
        CHOOSE_HOSTS,
        args=[target_id, options.get("run_id"), None if mode is None else str(mode)],
        task_queue=options.get("task_queue"),
        start_to_close_timeout=CHOOSE_TIMEOUT,
        schedule_to_close_timeout=CHOOSE_WAIT,
        retry_policy=RetryPolicy(maximum_attempts=1),
    )
    cancelled = await settle(choice, cancel=True)
    if cancelled is not None:
        raise cancelled
    try:
        queues = choice.result()
    except ActivityError:
        return []  # from a worker that does not know it, too; what is wrong, acquire_workspace says
    return [queue for queue in queues if isinstance(queue, str)] if isinstance(queues, list) else []
