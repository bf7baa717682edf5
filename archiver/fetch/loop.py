"""Makes a transfer: on its thread, or beside many others in the loop of a fiber's hub.

libcurl tells the loop which sockets it waits for, and when it wants to be called without one
(`curl_multi_socket_action`). What comes is kept for its fiber, up to a bound; then libcurl is
told to read no more until that was taken, so that a slow destination slows down its own
transfer only.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pycurl

from archiver.fetch.watch import SpeedWatch
from archiver.fibers import current_hub

if TYPE_CHECKING:
    from archiver.fibers.hub import Hub, Promise

HELD_BYTES = 128 << 10
"""So much of a file is kept before its transfer pauses."""
READY_BYTES = 64 << 10
"""What is smaller is handed on when it is whole."""
TICK_SECONDS = 0.25
_EVENTS = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}


def perform(
    handle: pycurl.Curl,
    receive: Callable[[bytes], int],
    watch: SpeedWatch,
    bytes_per_second: int = 0,
) -> None:
    """Make the transfer of a handle, at so many bytes a second at most; raises pycurl.error.

    `receive` gets each part of the body, and returns its length, or else ends the transfer;
    `watch` ends one that comes too slowly. Zero bytes a second means no limit.
    """
    hub = current_hub()
    if hub is None:
        handle.setopt(pycurl.MAX_RECV_SPEED_LARGE, bytes_per_second)
        handle.setopt(pycurl.NOPROGRESS, 0)
        handle.setopt(pycurl.XFERINFOFUNCTION, watch.tick)
        handle.setopt(pycurl.WRITEFUNCTION, receive)
        handle.perform()
        return
    loop = hub.part(CurlLoop)
    stream = Stream(hub, handle, watch, bytes_per_second)
    loop.begin(stream)
    try:
        for chunk in stream:
            if receive(chunk) != len(chunk):
                raise pycurl.error(pycurl.E_WRITE_ERROR, "the body was refused")
    finally:
        loop.end(stream)


class Stream:
    """What a transfer brought and its fiber has not taken; `received_bytes` counts both.

    It pauses while it is ahead of its fiber, or of `bytes_per_second`: libcurl's own limit begins
    anew with each pause.
    """

    def __init__(
        self, hub: Hub, handle: pycurl.Curl, watch: SpeedWatch, bytes_per_second: int
    ) -> None:
        self._bytes_per_second = bytes_per_second
        self._due = time.monotonic()  # when the next bytes may come
        self.handle = handle
        self.watch = watch
        self.received_bytes = 0
        self._hub = hub
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._is_paused = False
        self._is_over = False
        self._error: pycurl.error | None = None
        self._waiting: Promise[None] | None = None
        handle.setopt(pycurl.NOPROGRESS, 1)
        handle.setopt(pycurl.WRITEFUNCTION, self._keep)

    def __iter__(self) -> Iterator[bytes]:
        """Give the body as it comes; raises pycurl.error when it breaks off."""
        while True:
            if not self._chunks and not self._is_over:
                self._waiting = self._hub.promise()
                self._waiting.wait()
            chunks, self._chunks, self._held_bytes = self._chunks, [], 0
            if chunks:
                yield chunks[0] if len(chunks) == 1 else b"".join(chunks)
            elif self._error is not None:
                raise self._error
            elif self._is_over:
                return
            self._resume()

    def end(self, error: pycurl.error | None = None) -> None:
        """Note that nothing more comes."""
        self._is_over, self._error = True, error
        self._hub.call_at(self._resume, None)
        self._go_on()

    def _resume(self) -> None:
        """Let libcurl read on, if it may."""
        if not self._is_paused or self._is_over or self._held_bytes >= HELD_BYTES:
            return
        if self._due > time.monotonic():
            self._hub.call_at(self._resume, self._due)
            return
        self._is_paused = False
        try:
            self.handle.pause(pycurl.PAUSE_CONT)
        except pycurl.error as error:
            self.end(error)

    def _keep(self, chunk: bytes) -> int:
        now = time.monotonic()
        if self._held_bytes >= HELD_BYTES or self._due > now:
            self._is_paused = True
            self._hub.call_at(self._resume, max(self._due, now))
            return pycurl.WRITEFUNC_PAUSE
        if self._bytes_per_second:  # what was not used for a second is not made up for
            self._due = max(self._due, now - 1) + len(chunk) / self._bytes_per_second
        self._chunks.append(chunk)
        self._held_bytes += len(chunk)
        self.received_bytes += len(chunk)
        if self._held_bytes > READY_BYTES:
            self._go_on()
        return len(chunk)

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.keep(None)


class CurlLoop:
    """All transfers of the fibers of one thread, and the connections they share."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._streams: dict[pycurl.Curl, Stream] = {}
        self._watched: set[int] = set()
        self._multi = self._make_multi()

    def _make_multi(self) -> pycurl.CurlMulti:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        return multi

    def begin(self, stream: Stream) -> None:
        """Start a transfer."""
        if not self._streams:
            self._hub.call_at(self._tick, time.monotonic() + TICK_SECONDS)
        self._multi.add_handle(stream.handle)
        self._streams[stream.handle] = stream

    def end(self, stream: Stream) -> None:
        """Forget a transfer, whether it is over or not; its handle may be used again."""
        stream.end()
        if self._streams.pop(stream.handle, None) is not None:
            self._multi.remove_handle(stream.handle)

    def close(self) -> None:
        """End all connections."""
        self._multi.close()

    def _watch(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        events = _EVENTS.get(what, 0)
        self._hub.watch(descriptor, events, self._act)
        if events:
            self._watched.add(descriptor)
        else:
            self._watched.discard(descriptor)

    def _set_timer(self, milliseconds: int) -> None:
        due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
        self._hub.call_at(self._act_in_time, due)

    def _act_in_time(self) -> None:
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, descriptor: int, events: int) -> None:
        mask = pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0
        mask |= pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
        try:
            self._multi.socket_action(descriptor, mask)
        except pycurl.error as error:
            self._begin_anew(error)
        is_more = True
        while is_more:
            more, whole, broken = self._multi.info_read()
            for handle in whole:
                self._end(handle)
            for handle, code, words in broken:
                self._end(handle, pycurl.error(code, words))
            is_more = bool(more)

    def _begin_anew(self, error: pycurl.error) -> None:
        """Fail all transfers with what the loop failed with: libcurl is through with it."""
        for handle in list(self._streams):
            self._end(handle, error)
        for descriptor in self._watched:  # it says no more which ones it closes
            self._hub.watch(descriptor, 0, self._act)
        self._watched.clear()
        self._multi.close()
        self._multi = self._make_multi()

    def _end(self, handle: pycurl.Curl, error: pycurl.error | None = None) -> None:
        stream = self._streams.pop(handle)
        self._multi.remove_handle(handle)
        stream.end(error)

    def _tick(self) -> None:
        """Look at the speed of each transfer."""
        for handle, stream in list(self._streams.items()):
            if stream.watch.tick(0, stream.received_bytes, 0, 0):
                self._end(handle, pycurl.error(pycurl.E_ABORTED_BY_CALLBACK, "too slow"))
        if self._streams:
            self._hub.call_at(self._tick, time.monotonic() + TICK_SECONDS)
