"""Workflows that the tests start. They run in Temporal's sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

import cordon_temporal
from cordon_temporal import Workspace, cordon_error_type, cordon_failure

MINUTE = timedelta(minutes=1)
ONCE = RetryPolicy(maximum_attempts=1)


@workflow.defn
class Calls:
    """Makes calls as any workflow can, by name: (activity, arguments)."""

    @workflow.run
    async def run(self, calls: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for activity, args in calls:
            try:
                result = await workflow.execute_activity(
                    activity,
                    args=args,
                    start_to_close_timeout=MINUTE,
                    # Whether an error is final shows in whether it comes at once: a retry would
                    # come only after the deadline.
                    schedule_to_close_timeout=MINUTE,
                    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=100)),
                )
                answers.append({"ok": result})
            except ActivityError as err:
                failure = cordon_failure(err)
                assert failure, err
                answers.append(
                    {"type": failure.type, "message": failure.message, "non_retryable": failure.non_retryable}
                )
        return answers


@workflow.defn
class Functions:
    """Calls each function once, and one for what is not there."""

    @workflow.run
    async def run(self, target: str) -> dict[str, Any]:
        me = workflow.info()
        out: dict[str, Any] = {"run": me.run_id}
        out["path"] = await cordon_temporal.get_target(target)
        out["shared"] = await cordon_temporal.get_target(target, run_id="other", mode=cordon_temporal.Mode.SHARED)
        ws = await cordon_temporal.acquire_workspace(target, run_id="cow", mode="copy-on-write")
        out["workspace"] = {"path": ws.path, "queue": ws.task_queue, "common": ws.common_task_queue, "host": ws.host}
        out["workspace"] |= {"target": ws.target_id, "run": ws.run_id, "mode": ws.mode, "writable": ws.writable}
        out["driver"] = ws.driver
        out["url"] = await cordon_temporal.upload_results(me.workflow_id, {"b": 1, "a": []})
        out["sarif"] = await cordon_temporal.upload_results("another", {"version": "2.1.0"}, format="sarif")
        out["cleaned"] = [
            await cordon_temporal.cleanup_cache(out["path"]),
            await cordon_temporal.cleanup_cache(ws),
            await cordon_temporal.cleanup_cache("/nowhere", mode="shared"),
        ]
        try:
            await cordon_temporal.get_target("no-such-target", task_queue=ws.task_queue)
        except ActivityError as err:
            kind = cordon_error_type(err)
            assert kind is not None
            out["error"] = [kind.value, kind.retryable, isinstance(kind, cordon_temporal.ErrorType)]
        return out


@workflow.defn
class Gone:
    """Cleans up a workspace whose host is not there any more."""

    @workflow.run
    async def run(self, target: str) -> str:
        ws = await cordon_temporal.acquire_workspace(target)
        lost = dataclasses.replace(ws, host="lost", task_queue=ws.common_task_queue + "@lost")
        await cordon_temporal.cleanup_cache(lost, host_timeout=timedelta(seconds=1))
        return ws.path


@dataclass
class Ending:
    """How the block of a workflow ends."""

    target: str
    how: str = "return"
    """or fail, tool, bug, wait, timeout, again, leave"""
    mode: str | None = None


class _Block:
    def __init__(self) -> None:
        self._ws: Workspace | None = None
        self._told = False
        self._left: list[asyncio.Future[Any]] = []

    @workflow.query
    def path(self) -> str | None:
        return self._ws.path if self._ws else None

    @workflow.signal
    def go_on(self) -> None:
        self._told = True

    async def block(self, end: Ending) -> dict[str, Any]:
        async with cordon_temporal.workspace(end.target, mode=end.mode) as ws:
            self._ws = ws
            found = await ws.execute_activity(
                "inventory_files", {"path": ws.path}, result_type=dict, start_to_close_timeout=MINUTE
            )
            if end.how == "fail":
                raise ApplicationError("the block fails", non_retryable=True)
            if end.how == "tool":
                await ws.execute_activity("inventory_files", args=[{"path": "/"}], start_to_close_timeout=MINUTE)
            if end.how == "bug" and not self._told:
                raise KeyError("the code has to be mended")
            if end.how == "timeout":
                await asyncio.wait_for(asyncio.sleep(3600), 0.1)
            if end.how == "wait":
                await asyncio.sleep(3600)
            if end.how == "leave":  # activities whose end nobody waits for
                rests = [
                    ws.execute_activity("rest", ws.path, heartbeat_timeout=MINUTE, start_to_close_timeout=MINUTE)
                    for _ in range(2)
                ]
                self._left = [asyncio.ensure_future(rest) for rest in rests]
                await workflow.wait_condition(lambda: self._told)
            if end.how == "again":
                workflow.continue_as_new(Ending(end.target, "return", end.mode))
            return {"path": ws.path, "found": found}


@workflow.defn
class Block(_Block):
    @workflow.run
    async def run(self, end: Ending) -> dict[str, Any]:
        return await self.block(end)


@workflow.defn
class Kept(_Block):
    """A block in a workflow whose metadata says keep_on_failure."""

    @workflow.run
    async def run(self, end: Ending) -> dict[str, Any]:
        return await self.block(end)


@workflow.defn
class Plain:
    """Counts the files of a target, with nothing of this package."""

    @workflow.run
    async def run(self, target: str, mode: str, storage_queue: str | None = None) -> tuple[str, int]:
        run_id = workflow.info().run_id
        path = await workflow.execute_activity(
            "get_target",
            args=[target, run_id, mode],
            start_to_close_timeout=timedelta(minutes=5),
            task_queue=storage_queue,
        )
        found = await workflow.execute_activity("count_files", path, start_to_close_timeout=MINUTE)
        await workflow.execute_activity(
            "cleanup_cache", args=[path, mode], start_to_close_timeout=MINUTE, task_queue=storage_queue
        )
        return path, found


@workflow.defn
class Whose:
    """Which host has a target's workspace."""

    @workflow.run
    async def run(self, target: str) -> str:
        async with cordon_temporal.workspace(target) as ws:
            return ws.host


ALL = [Calls, Functions, Gone, Block, Kept, Plain]
