"""Waiting for what must come to its end, whoever cancels meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any


async def settle(task: asyncio.Task[Any], *, cancel: bool) -> asyncio.CancelledError | None:
    """Wait until ``task`` is done, even if the caller is cancelled, which is returned.

    With ``cancel``, the caller's cancellation is passed on to the task. The caller has to
    raise what is returned, once it has tidied up: a cancellation that is swallowed is lost.
    """
    cancelled: asyncio.CancelledError | None = None
    done = asyncio.Event()

    task.add_done_callback(looked_at)
    task.add_done_callback(lambda _: done.set())
    while not task.done():
        try:
            # Not asyncio.shield, which reports the task's error as one that nobody has
            # looked at when the caller was cancelled first.
            await done.wait()
        except asyncio.CancelledError as err:
            if cancel and cancelled is None:
                task.cancel()
            cancelled = cancelled or err
    return cancelled


def looked_at(task: asyncio.Future[Any]) -> None:
    """Called when a task is over: its error is none that asyncio should report as overlooked."""
    if not task.cancelled():
        task.exception()
