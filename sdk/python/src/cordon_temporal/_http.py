"""HTTP/1.1 over a unix socket: one request a connection, and an answer in lines.

The standard library's client blocks, and an activity has to notice a cancellation while
it waits for the next line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class HTTPError(Exception):
    """What was received is not the whole of an answer in HTTP/1.1."""


@dataclass
class Response:
    status: int
    chunks: AsyncIterator[bytes]
    """The body, in pieces of any size."""

    async def read(self) -> bytes:
        """The rest of the body."""
        return b"".join([chunk async for chunk in self.chunks])

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of the body that are complete; what has no end of line is none."""
        rest = b""
        async for chunk in self.chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line


@asynccontextmanager
async def request(
    socket_path: str, method: str, target: str, body: bytes = b"", *, silence: float
) -> AsyncIterator[Response]:
    """Send a request, and close the connection at the end of the block.

    Raises:
        OSError: nobody listens at ``socket_path``, or the connection broke.
        HTTPError: the answer is not HTTP, or it ended before its time.
        TimeoutError: nothing has come for ``silence`` seconds.
    """
    reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(socket_path), silence)
    try:
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: cordon\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await asyncio.wait_for(writer.drain(), silence)
        stream = _Stream(reader, silence)
        status, headers = await stream.head()
        yield Response(status, stream.body(headers))
    except asyncio.TimeoutError as err:  # not yet the built-in one in Python 3.10
        raise TimeoutError(f"nothing has come for {silence:g} s") from err
    finally:
        # At once, without what is still to be sent: to the worker this is a cancellation.
        writer.transport.abort()


class _Stream:
    def __init__(self, reader: asyncio.StreamReader, silence: float) -> None:
        self._reader = reader
        self._silence = silence

    async def _line(self) -> bytes:
        try:
            line = await asyncio.wait_for(self._reader.readuntil(b"\n"), self._silence)
        except asyncio.IncompleteReadError as err:
            raise HTTPError("the connection ended in the middle of the answer") from err
        except asyncio.LimitOverrunError as err:
            raise HTTPError("the answer is not HTTP/1.1") from err
        return line.rstrip(b"\r\n")

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        version, _, rest = (await self._line()).partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise HTTPError("the answer is not HTTP/1.1")
        headers: dict[bytes, bytes] = {}
        while line := await self._line():
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        return int(rest[:3]), headers

    async def body(self, headers: dict[bytes, bytes]) -> AsyncIterator[bytes]:
        try:
            if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
                while size := int((await self._line()).partition(b";")[0], 16):
                    yield await self._exactly(size)
                    await self._line()
            elif b"content-length" in headers:
                yield await self._exactly(int(headers[b"content-length"]))
            else:
                while chunk := await asyncio.wait_for(self._reader.read(1 << 16), self._silence):
                    yield chunk
        except ValueError as err:
            raise HTTPError("the answer is not HTTP/1.1") from err

    async def _exactly(self, size: int) -> bytes:
        try:
            return await asyncio.wait_for(self._reader.readexactly(size), self._silence)
        except asyncio.IncompleteReadError as err:
            raise HTTPError("the connection ended in the middle of the answer") from err
