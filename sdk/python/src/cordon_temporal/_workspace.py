"""A run's workspace, and where it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict, TypeVar, cast, overload

from temporalio import workflow
from temporalio.common import RetryPolicy
from typing_extensions import Unpack

from cordon_temporal._names import Mode
from cordon_temporal._settle import settle

T = TypeVar("T")


class ActivityOptions(TypedDict, total=False):
    """What :func:`temporalio.workflow.execute_activity` takes beside the activity, its
    argument and its queue."""

    args: Sequence[Any]
    activity_id: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    cancellation_type: workflow.ActivityCancellationType
    summary: str | None


@dataclass(frozen=True)
class Workspace:
    """A run's workspace: what ``acquire_workspace`` returned. It may be an activity's argument."""

    path: str
    """Absolute, on the host that has it."""

    task_queue: str
    """Polled by the workers of that host alone, with the activities of the worker that
    made the workspace."""

    host: str
    """The host's id."""

    target_id: str
    run_id: str

    mode: Mode
    """The one that holds, which the workflow's metadata may have decided."""

    driver: str
    """How a copy-on-write view was made: ``overlay``, ``snapshot``, ``reflink`` or ``copy``;
    empty for other modes."""

    writable: bool
    """Whether the run may write there."""

    watch_queue: str = ""
    """Where the host is asked whether it still has the workspace; empty where nobody can be asked."""

    host_wait_seconds: float = 0
    """How long the host's workers want to be waited for when they are gone; 0: they do not say."""

    def __post_init__(self) -> None:
        # No field, so that the workspace as an argument has none of it. A dict keeps an order, which
        # a workflow needs and a set has not.
        object.__setattr__(self, "_running", {})

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Workspace:
        """The workspace that the activity's result describes. What a newer worker adds to
        it is passed over."""
        return cls(
            path=result["path"],
            task_queue=result["task_queue"],
            host=result["host"],
            target_id=result["target_id"],
            run_id=result["run_id"],
            mode=Mode(result["mode"]),
            driver=result["driver"],
            writable=result["writable"],
            # Not from older workers, and not over a socket.
            watch_queue=result.get("watch_queue") or "",
            host_wait_seconds=result.get("host_wait_seconds") or 0,
        )

    @property
    def common_task_queue(self) -> str:
        """The queue of all hosts' workers that :attr:`task_queue` is one host's part of."""
        return self.task_queue.removesuffix("@" + self.host)

    @overload
    async def execute_activity(
        self,
        activity: str,
        *arguments: Any,
        result_type: type[T],
        **options: Unpack[ActivityOptions],
    ) -> T: ...

    @overload
    async def execute_activity(
        self,
        activity: str,
        *arguments: Any,
        **options: Unpack[ActivityOptions],
    ) -> Any: ...

    @overload
    async def execute_activity(
        self,
        activity: Callable[..., Awaitable[T]],
        *arguments: Any,
        **options: Unpack[ActivityOptions],
    ) -> T: ...

    @overload
    async def execute_activity(
        self,
        activity: Callable[..., T],
        *arguments: Any,
        **options: Unpack[ActivityOptions],
    ) -> T: ...

    async def execute_activity(
        self,
        activity: Any,
        *arguments: Any,
        result_type: type | None = None,
        **options: Unpack[ActivityOptions],
    ) -> Any:
        """Run an activity on the workspace's host, and wait for its result.

        ``activity`` is a name or an activity function. Its arguments follow, or are ``args``. Give a
        ``start_to_close_timeout`` or a ``schedule_to_close_timeout``, and a ``heartbeat_timeout``: without one, an
        activity that has begun on a host which dies is waited for as long as it may take. It needs no
        ``schedule_to_start_timeout``: a host that is busy is waited for, and one that is gone is noticed.

        An activity that is cancelled is waited for, because its workspace must not go while
        it still works there; ``cancellation_type`` says otherwise.
        """
        options.setdefault("cancellation_type", workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
        if arguments:
            if "args" in options:
                raise TypeError("execute_activity: arguments are given one by one and as args=; give them once")
            options["args"] = arguments
        handle = workflow.start_activity(activity, task_queue=self.task_queue, result_type=result_type, **options)
        running = self._activities()
        running[handle] = None
        handle.add_done_callback(lambda _: running.pop(handle))
        return await handle

    async def idle(self) -> asyncio.CancelledError | None:
        """Cancel the activities of :meth:`execute_activity` that still run, which a task that
        nobody waits for may have started, and wait for their end. A cancellation of the caller meanwhile
        is returned."""
        cancelled = None
        while running := [handle for handle in self._activities() if not handle.done()]:
            for handle in running:
                handle.cancel()
            for handle in running:
                cancelled = await settle(handle, cancel=False) or cancelled
        return cancelled

    def _activities(self) -> dict[workflow.ActivityHandle[Any], None]:
        return cast("dict[workflow.ActivityHandle[Any], None]", self.__dict__["_running"])
