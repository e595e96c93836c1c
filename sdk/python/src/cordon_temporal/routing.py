"""Storage activities on a queue of their own, beside a worker in Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from cordon_temporal._names import CHOOSE_HOSTS, STORAGE_ACTIVITIES, WATCH_WORKSPACE

_CORDONS = STORAGE_ACTIVITIES | {CHOOSE_HOSTS, WATCH_WORKSPACE}
"""What Cordon's worker has, and the worker beside it has not."""


class StorageRouting(Interceptor):
    """Sends the storage activities of a worker's workflows to the Cordon worker beside it, and
    leaves all others to the workflow's own queue.

    For ``Worker(interceptors=[StorageRouting()])`` beside ``cordon worker --serve storage``.
    Workflows need no change. A queue that their author gave stays.

    It never raises: a workflow that is replayed elsewhere is on a queue of another name there.

    Args:
        task_queue: the queue of Cordon's worker. Unless given, it is ``x-storage`` where the
            workflow's own is ``x-queue``, or ``x``.
        tool_queue: where activities go that :meth:`Workspace.execute_activity` schedules, given
            the host's id. Cordon's worker at the host's queue has none but the storage
            activities, so that with several hosts the author's worker polls one more for each host. Unless
            given, it is the workflow's own queue.
    """

    def __init__(self, task_queue: str | None = None, *, tool_queue: Callable[[str], str] | None = None) -> None:
        self._task_queue = task_queue
        self._tool_queue = tool_queue

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        task_queue, tool_queue = self._task_queue, self._tool_queue

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, task_queue, tool_queue))

        return Inbound


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(
        self,
        next: WorkflowOutboundInterceptor,
        task_queue: str | None,
        tool_queue: Callable[[str], str] | None,
    ) -> None:
        super().__init__(next)
        self._task_queue = task_queue
        self._tool_queue = tool_queue

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        return super().start_activity(
            dataclasses.replace(input, task_queue=self._route(input.activity, input.task_queue))
        )

    def _route(self, activity: str, given: str | None) -> str | None:
        own = self.info().task_queue
        storage = self._task_queue or own.removesuffix("-queue") + "-storage"
        if activity in _CORDONS:
            return given or storage
        if given is not None and given.startswith(storage + "@"):
            host = given.removeprefix(storage + "@")
            return self._tool_queue(host) if self._tool_queue else own
        return given
