"""Activities of a worker in Python, as people have them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypedDict

from temporalio import activity


class Throttle(TypedDict):
    default_heartbeat_throttle_interval: timedelta
    max_heartbeat_throttle_interval: timedelta


BRISK = Throttle(
    default_heartbeat_throttle_interval=timedelta(seconds=1), max_heartbeat_throttle_interval=timedelta(seconds=1)
)
"""Otherwise an activity in Python hears of its cancellation after half a minute."""


@activity.defn
async def count_files(path: str) -> int:
    return sum(len(files) for _, _, files in os.walk(path))


@activity.defn
async def inventory_files(argument: dict[str, str]) -> dict[str, Any]:
    """Cordon's tool of the name, as far as the tests look at it."""
    if argument["path"] == "/":
        raise ValueError("no workspace")
    return {"inventory": {"files": await count_files(argument["path"])}}


begun: list[str] = []
"""The workspace of each rest that has begun."""

stayed: list[bool] = []
"""Of each rest that was cancelled, whether its workspace stayed until its end."""


@activity.defn
async def rest(path: str) -> None:
    begun.append(path)
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        await asyncio.sleep(1)
        stayed.append(os.path.exists(path))
        raise


ALL: list[Callable[..., Any]] = [count_files, inventory_files, rest]
