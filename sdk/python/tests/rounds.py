"""Workflows whose workspaces get lost. They run in Temporal's sandbox."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

import cordon_temporal
from cordon_temporal import Workspace

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@dataclass
class Step:
    """What is done in a workspace, round by round; what is last is done in all that follow."""

    target: str
    rounds: list[str] = field(default_factory=lambda: ["return"])
    """The name of an activity, or return, lost, fail, nobody, wait, linger, bug."""

    block: bool = False
    """In a block, not in a function."""

    times: int = 5
    """How many workspaces may be lost."""

    run_id: str | None = None
    mode: str | None = None
    attempts: int = 1
    """Of an activity."""

    heartbeat: float = 5


@workflow.defn
class Steps:
    """Says in which workspaces it was."""

    def __init__(self) -> None:
        self._at: list[Workspace] = []
        self._told = False

    @workflow.query
    def at(self) -> list[Workspace]:
        return self._at

    @workflow.signal
    def go_on(self) -> None:
        self._told = True

    @workflow.run
    async def run(self, step: Step) -> list[Workspace]:
        async def body(ws: Workspace) -> list[Workspace]:
            self._at.append(ws)
            await self._do(step, ws, step.rounds[min(len(self._at), len(step.rounds)) - 1])
            return self._at

        if step.block:
            async with cordon_temporal.workspace(step.target, run_id=step.run_id, mode=step.mode) as ws:
                return await body(ws)
        return await cordon_temporal.with_workspace(
            step.target, body, hosts=step.times, run_id=step.run_id, mode=step.mode
        )

    async def _do(self, step: Step, ws: Workspace, what: str) -> None:
        if what == "lost":
            raise ApplicationError("gone", type="WorkspaceLost", non_retryable=True)
        if what == "fail":
            raise ApplicationError("on purpose", type="MyOwn", non_retryable=True)
        if what == "bug" and not self._told:
            raise KeyError("the code has to be mended")
        if what == "wait":
            await workflow.wait_condition(lambda: self._told)
        if what == "linger":  # has its own idea of a cancellation
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                return
        if what == "nobody":
            await ws.execute_activity(
                "slow", {"path": ws.path}, start_to_close_timeout=MINUTE, schedule_to_start_timeout=SECOND
            )
        if what not in ("return", "nobody", "bug", "wait"):
            await ws.execute_activity(
                what,
                {"path": ws.path},
                start_to_close_timeout=MINUTE,
                heartbeat_timeout=timedelta(seconds=step.heartbeat),
                retry_policy=RetryPolicy(
                    initial_interval=SECOND / 10, maximum_interval=SECOND, maximum_attempts=step.attempts
                ),
            )
