"""What an activity says when the other end of the socket is not a Cordon worker that works."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from cordon_temporal import socket_activities
from cordon_temporal.socket_activities import activities, cleanup_cache_activity, get_target_activity, health

get_target, acquire_workspace, cleanup_cache, upload_results = activities("/run/no-such/worker.sock")


async def failure(call: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as failed:
        await call
    return failed.value


@asynccontextmanager
async def answering(say: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says one thing to everybody and hangs up."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        asked.append(head + await reader.readexactly(size))
        writer.write(say)
        await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory() as folder:  # a path in pytest's own may be too long for a socket
        path = str(Path(folder) / "s")
        async with await asyncio.start_unix_server(serve, path):
            yield path, asked


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return http(body, "200 OK", "Transfer-Encoding: chunked")


async def test_no_worker_is_retried_and_says_what_to_do() -> None:
    err = await failure(ActivityEnvironment().run(get_target, "t"))
    assert err.type == "StorageUnavailable" and not err.non_retryable
    assert "cordon worker --socket /run/no-such/worker.sock" in err.message
    assert (await failure(health("/run/no-such/worker.sock"))).type == "StorageUnavailable"


async def test_no_worker_does_not_fail_a_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_activities, "CLEANUP_PAUSE", 0.01)
    monkeypatch.delenv("CORDON_SOCKET", raising=False)
    assert await ActivityEnvironment().run(cleanup_cache, "/cache/t/r/workspace") is None
    assert await ActivityEnvironment().run(cleanup_cache_activity, b"") is None


async def test_the_environment_names_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORDON_SOCKET", raising=False)
    err = await failure(ActivityEnvironment().run(get_target_activity, "t"))
    assert err.type == "StorageUnavailable" and not err.non_retryable and "CORDON_SOCKET" in err.message
    async with answering(chunked(b'{"result": "/cache/t/r/workspace"}\n')) as (path, asked):
        monkeypatch.setenv("CORDON_SOCKET", path)
        assert await ActivityEnvironment().run(get_target_activity, "t", None, "shared") == "/cache/t/r/workspace"
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/activities/get_target HTTP/1.1\r\n")
    said = json.loads(body)
    assert said["args"] == ["t", None, "shared"]
    assert {"namespace", "workflow_id", "workflow_type", "run_id", "activity_id", "attempt", "task_queue"} <= set(
        said["caller"]
    )


async def test_a_request_is_no_larger_than_what_temporal_brought() -> None:
    """Temporal carries 2 MB of arguments, and a worker takes 4 MiB."""
    results: dict[str, Any] = {"text": "я" * 900_000, "list": [1] * 100_000}
    brought = json.dumps(results, ensure_ascii=False, separators=(",", ":"))
    async with answering(chunked(b'{"result": null}\n')) as (path, asked):
        await ActivityEnvironment().run(activities(path)[3], "w", results)
        await ActivityEnvironment().run(activities(path)[3], "w", {"half": "\ud83d"})
    _, _, body = asked[0].partition(b"\r\n\r\n")
    assert json.loads(body)["args"] == ["w", results]
    assert len(body) < len(brought.encode()) + 2000
    assert json.loads(asked[1].partition(b"\r\n\r\n")[2].decode())["args"] == ["w", {"half": "\ud83d"}]


async def test_a_request_that_no_worker_takes_is_not_tried_again() -> None:
    err = await failure(ActivityEnvironment().run(upload_results, "w", {"text": "x" * (4 << 20)}))
    assert err.type == "InvalidArgument" and err.non_retryable and "store what is large" in err.message


async def test_an_answer_in_any_pieces() -> None:
    beats: list[Any] = []
    env = ActivityEnvironment()
    env.on_heartbeat = lambda *details: beats.append(details)
    text = '{"heartbeat": {"bytes": 1}}\n{"heartbeat": null}\n{"other": 1}\n{"result": {"ä": [1]}}\n'.encode()
    for cut in range(1, len(text), 7):
        async with answering(chunked(text[:cut], text[cut:])) as (path, _):
            assert await env.run(activities(path)[1], "t") == {"ä": [1]}
    assert beats[:2] == [({"bytes": 1},), (None,)]


ERROR = {"error": {"type": "NoSpace", "message": "the disk is full; make room", "non_retryable": False}}
FINAL = {"error": {"type": "InvalidArgument", "message": "there is no such activity", "non_retryable": True}}


@pytest.mark.parametrize(
    ("say", "kind", "final", "words"),
    [
        (chunked(json.dumps(ERROR).encode() + b"\n"), "NoSpace", False, "make room"),
        (http(json.dumps(FINAL).encode(), "404 Not Found"), "InvalidArgument", True, "no such activity"),
        (http(b"<html>", "502 Bad Gateway", "Content-Length: 6"), "StorageUnavailable", False, "502"),
        (chunked(b'{"heartbeat": 1}\n')[:-5], "StorageUnavailable", False, "in the middle"),
        (chunked(b'{"heartbeat": 1}\n'), "StorageUnavailable", False, "before the answer"),
        (chunked(b'{"result": 1}'), "StorageUnavailable", False, "before the answer"),
        (chunked(b'{"result": \n'), "StorageUnavailable", False, "cordon worker --socket"),
        (http(b"5\r\n{", "200 OK", "Transfer-Encoding: chunked"), "StorageUnavailable", False, "in the middle"),
        (http(b"zz\r\n", "200 OK", "Transfer-Encoding: chunked"), "StorageUnavailable", False, "not HTTP"),
        (b"SSH-2.0-OpenSSH\r\n", "StorageUnavailable", False, "not HTTP"),
        (b"", "StorageUnavailable", False, "in the middle"),
    ],
)
async def test_other_answers(say: bytes, kind: str, final: bool, words: str) -> None:
    async with answering(say) as (path, _):
        err = await failure(ActivityEnvironment().run(activities(path)[0], "t"))
    assert (err.type, err.non_retryable) == (kind, final) and words in err.message, err


async def test_a_worker_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_activities, "SILENCE", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        async with await asyncio.start_unix_server(silent, path):
            err = await failure(ActivityEnvironment().run(activities(path)[0], "t"))
    assert err.type == "StorageUnavailable" and "nothing has come for 0.2 s" in err.message


@pytest.mark.parametrize("fn", [get_target, acquire_workspace, upload_results])
async def test_what_is_not_json_is_an_invalid_argument(fn: Callable[..., Any]) -> None:
    err = await failure(ActivityEnvironment().run(fn, "x", b"bytes"))
    assert err.type == "InvalidArgument" and err.non_retryable
    assert ("results" if fn is upload_results else "run_id") in err.message
