"""Cordon's storage activities for a worker in Python, done by a Cordon worker on the same
host that listens on a unix socket (``cordon worker --socket``).

For a worker that cannot be taken away, and a queue that cannot be shared: the worker
registers these functions under the names that workflows call, and they pass on arguments,
progress, cancellations, results and errors as they are. ::

    from cordon_temporal.socket_activities import activities

    Worker(client, task_queue="python-queue", activities=[scan, *activities("/run/cordon/worker.sock")])

or, where a worker imports activities by their names and the environment has
``CORDON_SOCKET``::

    from cordon_temporal.socket_activities import cleanup_cache_activity, get_target_activity, upload_results_activity

Functions are safe for concurrent use, and need no event loop when they are made.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from cordon_temporal._http import HTTPError, Response, request
from cordon_temporal._names import ACQUIRE_WORKSPACE, CLEANUP_CACHE, GET_TARGET, UPLOAD_RESULTS
from cordon_temporal.errors import ErrorType

__all__ = [
    "SOCKET_VARIABLE",
    "acquire_workspace_activity",
    "activities",
    "cleanup_cache_activity",
    "get_target_activity",
    "health",
    "upload_results_activity",
]

_ARGUMENTS = {
    GET_TARGET: ("target_id", "run_id", "workspace_isolation"),
    ACQUIRE_WORKSPACE: ("target_id", "run_id", "workspace_isolation"),
    CLEANUP_CACHE: ("target_path", "workspace_isolation", "run_failed"),
    UPLOAD_RESULTS: ("workflow_id", "results", "results_format"),
}

Activity = Callable[..., Awaitable[Any]]

SOCKET_VARIABLE = "CORDON_SOCKET"
"""The environment variable with the socket's path, where code names none."""

SILENCE = 60.0
"""Seconds without a word after which a worker is taken for gone. While it works, it says
something every two."""

MAX_BODY = 4 << 20
"""Bytes of a request that a worker takes: twice what Temporal carries as arguments unless it is told
otherwise."""

CLEANUP_TRIES, CLEANUP_PAUSE = 5, 2.0
"""How often, and how many seconds apart, a cleanup looks for a worker that is not there: for
as long as one takes to be started anew."""


def activities(socket_path: str | os.PathLike[str] | None = None) -> list[Activity]:
    """``get_target``, ``acquire_workspace``, ``cleanup_cache`` and ``upload_results``, for
    ``Worker(activities=...)``, done by the worker that listens at ``socket_path``; unless
    that is given, at what ``CORDON_SOCKET`` names when an activity is called."""
    return [_named(name, socket_path) for name in (GET_TARGET, ACQUIRE_WORKSPACE, CLEANUP_CACHE, UPLOAD_RESULTS)]


async def health(socket_path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """What the worker says of itself: ``status``, ``version``, ``host``, ``cache_dir`` and
    ``activities``. For a worker that wants to know at its start whether there is one.

    Raises:
        ApplicationError: ``StorageUnavailable``; nobody answers.
    """
    path = _socket(socket_path)
    try:
        async with request(path, "GET", "/v1/health", silence=SILENCE) as response:
            body = await response.read()
        if response.status != 200:
            raise HTTPError(f"it answers with status {response.status}")
        answer: dict[str, Any] = json.loads(body)
        return answer
    except (OSError, HTTPError, ValueError, TimeoutError) as err:
        raise _unavailable("health", path, err) from err


def _named(name: str, socket_path: str | os.PathLike[str] | None) -> Activity:
    # Any number of arguments of any type: what is wrong with them, the worker says.
    if name == CLEANUP_CACHE:

        async def run(*args: Any) -> Any:
            return await _cleanup(socket_path, args)
    else:

        async def run(*args: Any) -> Any:
            return await _call(name, socket_path, args)

    run.__name__ = run.__qualname__ = name
    return activity.defn(name=name)(run)


async def _cleanup(socket_path: str | os.PathLike[str] | None, args: tuple[Any, ...]) -> Any:
    """A cleanup never fails a workflow, not even where there is no worker to do it."""
    for tries in range(1, CLEANUP_TRIES + 1):
        try:
            return await _call(CLEANUP_CACHE, socket_path, args)
        except ApplicationError as err:
            if tries == CLEANUP_TRIES or err.non_retryable:
                activity.logger.warning("%s; the worker's sweep will remove what is left", err)
                return None
        await asyncio.sleep(CLEANUP_PAUSE)
        activity.heartbeat()
    return None


async def _call(name: str, socket_path: str | os.PathLike[str] | None, args: tuple[Any, ...]) -> Any:
    path = _socket(socket_path)
    for n, arg in enumerate(args):
        try:
            json.dumps(arg, allow_nan=False)
        except (TypeError, ValueError) as err:
            raise _not_json(name, n, err) from err
    # As small as what Temporal brought. Half a surrogate pair has no UTF-8, but the backslash
    # that stands for it is what JSON has.
    text = json.dumps({"args": args, "caller": _caller()}, ensure_ascii=False, separators=(",", ":"))
    body = text.encode(errors="backslashreplace")
    if len(body) > MAX_BODY:  # of which a worker reads no more, and hangs up
        raise _too_large(name, len(body))
    try:
        async with request(path, "POST", f"/v1/activities/{name}", body, silence=SILENCE) as response:
            return await _answer(response)
    except (OSError, HTTPError, ValueError, TimeoutError) as err:
        raise _unavailable(name, path, err) from err


async def _answer(response: Response) -> Any:
    """The result, or the error, of an activity that the worker does."""
    if response.status != 200:
        text = (await response.read()).decode(errors="replace")
        try:
            error = json.loads(text)["error"]
        except (ValueError, KeyError, TypeError):
            raise HTTPError(f"it answers with status {response.status}: {text[:200]}") from None
        raise _error(error)
    async for line in response.lines():
        said = json.loads(line)
        if "heartbeat" in said:
            activity.heartbeat(said["heartbeat"])
        elif "error" in said:
            raise _error(said["error"])
        elif "result" in said:
            return said["result"]
    raise HTTPError("the connection ended before the answer")


def _caller() -> dict[str, Any]:
    """On whose behalf the activity runs, as the worker needs it."""
    info = activity.info()
    ends = []
    if info.start_to_close_timeout:
        ends.append(info.started_time + info.start_to_close_timeout)
    if info.schedule_to_close_timeout:
        ends.append(info.scheduled_time + info.schedule_to_close_timeout)
    caller: dict[str, Any] = {
        "namespace": info.workflow_namespace,
        "workflow_id": info.workflow_id,
        "workflow_type": info.workflow_type,
        "run_id": info.workflow_run_id,
        "activity_id": info.activity_id,
        "attempt": info.attempt,
        "task_queue": info.task_queue,
    }
    if ends:
        caller["deadline"] = _rfc3339(min(ends))
    return caller


def _rfc3339(time: datetime) -> str:
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _socket(path: str | os.PathLike[str] | None) -> str:
    found = path or os.environ.get(SOCKET_VARIABLE)
    if not found:
        raise ApplicationError(
            f"no socket of a Cordon worker is known; set {SOCKET_VARIABLE} to the path that `cordon worker --socket` "
            "was given",
            type=ErrorType.STORAGE_UNAVAILABLE.value,
        )
    return os.fspath(found)


def _error(error: dict[str, Any]) -> ApplicationError:
    return ApplicationError(
        str(error["message"]), type=str(error["type"]), non_retryable=bool(error.get("non_retryable"))
    )


def _not_json(name: str, n: int, err: Exception) -> ApplicationError:
    argument = _ARGUMENTS[name][n] if n < len(_ARGUMENTS[name]) else str(n + 1)
    return ApplicationError(
        f"{name}: the argument {argument} is not JSON: {err}; give a string, a number, or an object or a list of them",
        type=ErrorType.INVALID_ARGUMENT.value,
        non_retryable=True,
    )


def _too_large(name: str, size: int) -> ApplicationError:
    return ApplicationError(
        f"{name}: as JSON, the arguments have {size} bytes, of which a Cordon worker takes {MAX_BODY}; store what is "
        "large and pass where it is",
        type=ErrorType.INVALID_ARGUMENT.value,
        non_retryable=True,
    )


def _unavailable(name: str, path: str, err: Exception) -> ApplicationError:
    return ApplicationError(
        f"{name}: no answer from a Cordon worker at {path}: {err}; start `cordon worker --socket {path}` on this host, "
        "and let this user open the socket",
        type=ErrorType.STORAGE_UNAVAILABLE.value,
    )


get_target_activity, acquire_workspace_activity, cleanup_cache_activity, upload_results_activity = activities()
