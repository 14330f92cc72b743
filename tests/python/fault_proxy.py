"""A proxy between an S3 client and its server that breaks what passes, or slows it down.

    with FaultProxy(server.port, fault="flip", every=4) as proxy:   # every fourth request that can be broken so
        ... talk to proxy.endpoint ...
        assert proxy.injected

Faults:  busy      a burst of three answers 503 SlowDown
         reset     the connection is reset in the middle of a body, that of a PUT or of an answer
         truncate  the body of an answer ends half way, and so does the connection
         flip      one bit of the content of an object is another one, on its way in or out
         stall     nothing happens for two seconds
         lose      a write has succeeded, and its answer never comes

`latency_seconds` is waited before each request and `bytes_per_second` is how fast each connection is, which is what
a network far away looks like.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import NamedTuple

__all__ = ["FAULTS", "FaultProxy"]

FAULTS = ("busy", "reset", "truncate", "flip", "stall", "lose")
_BURST = 3
_STALL_SECONDS = 2.0
_CHUNK_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: 72\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>"
)


class _Head(NamedTuple):
    first: bytes
    headers: dict[bytes, bytes]
    raw: list[bytes]

    @property
    def method(self) -> bytes:
        return self.first.split(b" ")[0]

    @property
    def length(self) -> int:
        return int(self.headers.get(b"content-length", b"0"))

    def bytes(self) -> bytes:
        kept = [line for line in self.raw if not line.lower().startswith(b"expect:")]
        return b"\r\n".join([self.first, *kept]) + b"\r\n\r\n"


class _Broken(Exception):
    """This connection is over."""


class FaultProxy:
    """Listens on a free port of the loopback interface, in a thread of its own. `injected`: faults so far."""

    def __init__(
        self, port: int, fault: str | None = None, every: int = 4,
        latency_seconds: float = 0.0, bytes_per_second: float | None = None,
    ) -> None:
        assert fault is None or fault in FAULTS
        self.fault, self.injected, self.requests = fault, 0, 0
        self._port, self._every, self._latency, self._rate = port, every, latency_seconds, bytes_per_second
        self._eligible = self._burst = 0
        self._tasks: set[asyncio.Task] = set()

    def __enter__(self) -> FaultProxy:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_BUFFER_BYTES)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- one connection

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        upstream: list = []
        try:
            while await self._exchange(reader, writer, upstream):
                pass
        except (OSError, asyncio.IncompleteReadError, _Broken):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            for other in upstream:
                other[1].close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: list) -> bool:
        """One request and its answer; False when the client has hung up."""
        request = await _read_head(reader)
        if request is None:
            return False
        self.requests += 1
        if self._latency:
            await asyncio.sleep(self._latency)
        if b"expect" in request.headers:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._burst > 0 or self._hits("busy"):
            self._burst = self._burst - 1 if self._burst else _BURST - 1
            await _drop(reader, request.length)
            writer.write(_BUSY)
            await writer.drain()
            return True
        if self._hits("stall"):
            await asyncio.sleep(_STALL_SECONDS)
        if not upstream:
            upstream.append(await asyncio.open_connection("127.0.0.1", self._port, limit=_BUFFER_BYTES))
        there, thither = upstream[0]
        thither.write(request.bytes())
        writes = request.method in (b"PUT", b"POST")
        content = request.method == b"PUT" and request.length > 0
        if content and self._hits("reset"):
            await self._pass(reader, thither, request.length // 2)
            _reset(writer)
        await self._pass(reader, thither, request.length, flip=content and self._hits("flip"))
        answer = await _read_head(there)
        if answer is None:
            raise _Broken
        ok = answer.first.split(b" ")[1].startswith(b"2")
        if writes and ok and self._hits("lose"):
            await _drop(there, answer.length)
            _reset(writer)
        size = 0 if request.method == b"HEAD" else answer.length
        content = request.method == b"GET" and ok and b"xml" not in answer.headers.get(b"content-type", b"")
        writer.write(answer.bytes())
        if answer.headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            await _pass_chunked(there, writer)
            return True
        if size and self._hits("truncate"):
            await self._pass(there, writer, size // 2)
            raise _Broken
        if size and self._hits("reset"):
            await self._pass(there, writer, size // 2)
            _reset(writer)
        await self._pass(there, writer, size, flip=size > 0 and content and self._hits("flip"))
        return True

    def _hits(self, fault: str) -> bool:
        if fault != self.fault:
            return False
        self._eligible += 1
        if self._eligible % self._every:
            return False
        self.injected += 1
        return True

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, size: int, flip: bool = False
    ) -> None:
        begun, sent = self._loop.time(), 0
        while sent < size:
            piece = await source.read(min(_CHUNK_BYTES, size - sent))
            if not piece:
                raise _Broken
            if flip:
                piece, flip = bytes([piece[0] ^ 1]) + piece[1:], False
            target.write(piece)
            await target.drain()
            sent += len(piece)
            if self._rate:
                await asyncio.sleep(max(0.0, begun + sent / self._rate - self._loop.time()))
        await target.drain()


async def _read_head(reader: asyncio.StreamReader) -> _Head | None:
    try:
        data = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *raw = data[:-4].split(b"\r\n")
    if first.startswith(b"HTTP/1.1 100"):
        return await _read_head(reader)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in raw)}
    return _Head(first, headers, raw)


async def _pass_chunked(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while True:
        line = await source.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        target.write(line + await source.readexactly(size + 2))
        await target.drain()
        if not size:
            return


async def _drop(reader: asyncio.StreamReader, size: int) -> None:
    while size > 0:
        piece = await reader.read(min(_CHUNK_BYTES, size))
        if not piece:
            raise _Broken
        size -= len(piece)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset instead of an orderly farewell."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    raise _Broken


def main() -> None:
    """As a process of its own: its address on stdout, until its stdin ends."""
    import argparse
    import sys

    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    parser.add_argument("--bytes-per-second", type=float)
    given = parser.parse_args()
    with FaultProxy(given.port, None, 1, given.latency_seconds, given.bytes_per_second) as proxy:
        print(proxy.endpoint, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
