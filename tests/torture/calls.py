"""Counts every call that leaves the process, and lets one of them fail: the crash matrix's shims.

Nothing of the product is patched, only what it stands on: `os`, `io.FileIO`, `pycurl.Curl`,
httpx's transport, urllib3's pool and `sqlite3.connect`. A call is named by its plane, the
kind of thread that makes it and its number there, so that call N is the same one in every run
(with `transfer.concurrency = 1` each kind of thread makes its calls in one order).
"""

from __future__ import annotations

import errno
import functools
import io
import json
import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
import pycurl
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

FIRED, CALLS = "fired.json", "calls.jsonl"
KILLS = ("kill", "kill_after", "torn")
_real_open, _real_write, _real_close = os.open, os.write, os.close


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a run: where it goes to, which thread makes it, and what it is."""

    plane: str
    thread: str
    number: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which call fails, and how. `is_lasting` goes on for all later calls of the plane."""

    call: Call
    fault: str
    is_lasting: bool = False

    def __str__(self) -> str:
        call, more = self.call, " and every one after it" if self.is_lasting else ""
        return f"{self.fault} at {call.plane}/{call.thread} call {call.number} ({call.label}){more}"


def plan_from(document: dict[str, Any]) -> Plan:
    """Read a plan that was sent as JSON."""
    return Plan(**{**document, "call": Call(**document["call"])})


def faults_of(call: Call) -> tuple[str, ...]:
    """Name what can go wrong at a call. What changes nothing is not worth a kill."""
    match call.plane, call.label:
        case "files", "write":
            return ("kill", "torn", "short", "EIO", "ENOSPC")
        case "files", "open" | "mkdir" | "replace":
            return ("kill", "EIO", "ENOSPC", "EACCES")
        case "files", "fsync":
            return ("kill", "EIO", "ENOSPC")
        case "files", "unlink":
            return ("kill", "EIO", "EACCES")
        case "files", _:
            return ("EIO", "EACCES")
        case "media", _:
            return ("kill", "torn", "kill_after", "refused", "reset", "cut")
        case "api", _:
            return ("kill", "kill_after", "refused", "timeout", "500", "cut")
        case "s3", _:
            return ("kill", "kill_after", "refused", "answer_lost", "500", "503", "403")
        case "index", "SELECT" | "PRAGMA":
            return ("disk_io", "locked")
        case _:
            return ("kill", "disk_io", "full", "locked")


def lasting_fault_of(call: Call) -> str:
    """Name the fault that stays: a full disk, a host that is down, a disk that broke."""
    lasting = {"files": "ENOSPC", "media": "refused", "api": "refused", "s3": "refused"}
    return lasting.get(call.plane, "disk_io")


def can_meet(call: Call, fault: str) -> bool:
    """Tell whether a call can meet a fault: reading needs no space."""
    return fault in faults_of(call)


@dataclass(slots=True)
class Gate:
    """Every call passes here, is counted, and learns what befalls it."""

    folder: str
    roots: tuple[str, ...]
    plan: Plan | None = None
    descriptors: set[int] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    _numbers: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _has_fired: bool = False

    def enter(self, plane: str, label: str, thread: str = "") -> str:
        """Count a call; returns the fault that it meets, or ""; a kill happens here."""
        with self._lock:
            role = thread or threading.current_thread().name.partition("_")[0].lower()
            role = role if role in ("walk", "capture", "poll") else "main"
            number = self._numbers[plane, role]
            self._numbers[plane, role] += 1
            call = Call(plane=plane, thread=role, number=number, label=label)
            self.calls.append(call)
            fault = self._fault_at(call)
        if fault == "kill":
            die()
        return fault

    def _fault_at(self, call: Call) -> str:
        plan = self.plan
        if plan is None:
            return ""
        is_it = (call.thread, call.number) == (plan.call.thread, plan.call.number)
        if call.plane == plan.call.plane and not self._has_fired and is_it:
            self._has_fired = True
            self._write(FIRED, json.dumps(asdict(call)))
            return plan.fault
        is_later = self._has_fired and plan.is_lasting and call.plane == plan.call.plane
        return plan.fault if is_later and can_meet(call, plan.fault) else ""

    def write_calls(self) -> None:
        """Leave the list of all calls for the counting run."""
        self._write(CALLS, "".join(json.dumps(asdict(call)) + "\n" for call in self.calls))

    def _write(self, name: str, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = _real_open(f"{self.folder}/{name}", flags)
        _real_write(descriptor, text.encode())
        _real_close(descriptor)

    def is_ours(self, path: object) -> bool:
        """Tell whether a path belongs to the archive and not to the interpreter."""
        if isinstance(path, int):
            return path in self.descriptors
        try:
            return os.fsdecode(os.fspath(path)).startswith(self.roots)  # type: ignore[call-overload]
        except TypeError:
            return False


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def install(gate: Gate) -> None:
    """Put the shims before everything that leaves the process."""
    _install_files(gate)
    _install_media(gate)
    _install_api(gate)
    _install_s3(gate)
    _install_index(gate)


def _os_error(fault: str, path: object = None) -> OSError:
    number = getattr(errno, fault)
    return OSError(number, os.strerror(number), path if isinstance(path, str) else None)


def _install_files(gate: Gate) -> None:
    for name in ("mkdir", "replace", "unlink", "lstat", "stat", "scandir", "fsync", "fstat"):
        setattr(os, name, _guarded(gate, name, getattr(os, name)))
    _install_descriptors(gate)
    io.FileIO = _make_file_io(gate)  # type: ignore[misc]


def _install_descriptors(gate: Gate) -> None:
    @functools.wraps(os.open)
    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        is_ours = gate.is_ours(path)
        fault = gate.enter("files", "open") if is_ours else ""
        if fault:
            raise _os_error(fault, path)
        descriptor = _real_open(path, *arguments, **options)
        if is_ours:
            gate.descriptors.add(descriptor)
        return descriptor

    @functools.wraps(os.write)
    def write(descriptor: int, data: Any) -> int:
        fault = gate.enter("files", "write") if descriptor in gate.descriptors else ""
        if fault in ("torn", "short"):
            size_bytes = _real_write(descriptor, memoryview(data)[: max(1, len(data) // 2)])
            if fault == "torn":
                die()
            return size_bytes
        if fault:
            raise _os_error(fault)
        return _real_write(descriptor, data)

    @functools.wraps(os.close)
    def close(descriptor: int) -> None:
        is_ours = descriptor in gate.descriptors
        gate.descriptors.discard(descriptor)
        fault = gate.enter("files", "close") if is_ours else ""
        _real_close(descriptor)
        if fault:
            raise _os_error(fault)

    os.open, os.write, os.close = opened, write, close  # type: ignore[assignment]


def _guarded(gate: Gate, label: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
        fault = gate.enter("files", label) if gate.is_ours(path) else ""
        if fault:
            raise _os_error(fault, path)
        return real(path, *arguments, **options)

    return call


def _make_file_io(gate: Gate) -> type[io.FileIO]:
    class CountedFile(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            fault = gate.enter("files", "read") if gate.is_ours(self.fileno()) else ""
            if fault:
                raise _os_error(fault)
            return super().read(-1 if size is None else size) or b""

        def close(self) -> None:
            if not self.closed:
                gate.descriptors.discard(self.fileno())
            super().close()

    return CountedFile


_CURL_CODES = {"refused": pycurl.E_COULDNT_CONNECT, "reset": 56, "cut": 18}


@dataclass(slots=True)
class _Body:
    """One body on its way through a shim.

    It is handed on when it is whole: how bytes arrive differs from run to run.
    """

    receive: Callable[[bytes], int]
    fault: str = ""
    collected: bytes = b""

    def take(self, chunk: bytes) -> int:
        """Stand before the receiver; -1 ends the transfer."""
        if self.fault in ("torn", "reset", "cut"):
            self.receive(chunk[: max(1, len(chunk) // 2)])
            if self.fault == "torn":
                die()
            return -1
        self.collected += chunk
        return len(chunk)

    def end(self) -> None:
        """Hand it on."""
        if self.collected and self.receive(self.collected) != len(self.collected):
            raise pycurl.error(pycurl.E_WRITE_ERROR, "refused by the receiver")


class _Bodies(dict[pycurl.Curl, _Body]):
    """The transfers of a run; each is counted as it begins, and ends as it was told."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def begin(self, handle: pycurl.Curl) -> None:
        """Count a transfer."""
        self[handle].fault = self._gate.enter("media", "perform")
        if self[handle].fault == "refused":
            handle.setopt(pycurl.URL, "http://127.0.0.1:1/")

    def end(self, handle: pycurl.Curl) -> None:
        """Hand on what came."""
        self[handle].end()
        if self[handle].fault == "kill_after":
            die()

    def code_of(self, handle: pycurl.Curl, code: int | str) -> int | str:
        """Name the error of a transfer that broke off."""
        return _CURL_CODES.get(self[handle].fault, code)


def _install_media(gate: Gate) -> None:
    """Stand before the loop of the fibers, and before the transfers of plain threads."""
    bodies = _Bodies(gate)

    class CountedCurl(pycurl.Curl):
        def setopt(self, option: int, value: Any, **more: Any) -> None:
            if option == pycurl.WRITEFUNCTION:
                bodies[self] = _Body(value)
                value = bodies[self].take
            super().setopt(option, value, **more)

        def perform(self) -> None:
            bodies.begin(self)
            try:
                super().perform()
            except pycurl.error as error:
                raise pycurl.error(bodies.code_of(self, error.args[0]), "broken off") from None
            bodies.end(self)

    class CountedMulti(pycurl.CurlMulti):
        def add_handle(self, handle: pycurl.Curl) -> None:
            bodies.begin(handle)
            super().add_handle(handle)

        def info_read(self, *most: int) -> Any:
            more, whole, broken = super().info_read(*most)
            for handle in whole:
                bodies.end(handle)
            told = [(one, bodies.code_of(one, code), words) for one, code, words in broken]
            return more, whole, told

    pycurl.Curl = CountedCurl  # type: ignore[misc]
    pycurl.CurlMulti = CountedMulti  # type: ignore[misc]


class _CutStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        body = b"".join(self._stream)
        yield body[: len(body) // 2]
        raise httpx.RemoteProtocolError("peer closed connection")

    def close(self) -> None:
        self._stream.close()


def _install_api(gate: Gate) -> None:
    real = httpx.HTTPTransport.handle_request

    def handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        match gate.enter("api", request.method):
            case "refused":
                raise httpx.ConnectError("connection refused", request=request)
            case "timeout":
                raise httpx.ReadTimeout("timed out", request=request)
            case "500":
                return httpx.Response(500, text="internal error")
            case fault:
                answer = real(self, request)
        if fault == "kill_after":
            die()
        if fault == "cut":
            assert isinstance(answer.stream, httpx.SyncByteStream)
            answer.stream = _CutStream(answer.stream)
            with suppress(KeyError):
                del answer.headers["content-length"]
        return answer

    httpx.HTTPTransport.handle_request = handle  # type: ignore[method-assign]


_STORE_ERRORS = {"500": "InternalError", "503": "SlowDown", "403": "AccessDenied"}


def _install_s3(gate: Gate) -> None:
    """Stand below botocore's client and below our own requests alike."""
    real: Any = HTTPConnectionPool.urlopen

    def urlopen(
        self: HTTPConnectionPool, method: str, url: str, *arguments: Any, **named: Any
    ) -> BaseHTTPResponse:
        fault = gate.enter("s3", _s3_label(method, url))
        if fault == "refused":
            raise NewConnectionError(HTTPConnection(self.host), "as scripted")
        if fault in _STORE_ERRORS:
            return _make_refusal(method, int(fault), _STORE_ERRORS[fault])
        answer: BaseHTTPResponse = real(self, method, url, *arguments, **named)
        if fault == "kill_after":
            die()
        if fault == "answer_lost":
            raise ReadTimeoutError(self, url, "as scripted")
        return answer

    HTTPConnectionPool.urlopen = urlopen  # type: ignore[method-assign]


def _make_refusal(method: str, status: int, code: str) -> HTTPResponse:
    """Make a store's refusal here."""
    body = f"<Error><Code>{code}</Code><Message>as scripted</Message></Error>".encode()
    return HTTPResponse(
        body=io.BytesIO(b"" if method == "HEAD" else body),
        status=status,
        headers={"content-type": "application/xml"},
        request_method=method,
        preload_content=False,
    )


def _s3_label(method: str, url: str) -> str:
    query = url.partition("?")[2]
    words = [word.partition("=")[0] for word in query.split("&") if word]
    return " ".join([method, *(w for w in words if w in ("uploads", "uploadId", "prefix"))])


_SQL_ERRORS = {
    "disk_io": ("disk I/O error", sqlite3.SQLITE_IOERR),
    "full": ("database or disk is full", sqlite3.SQLITE_FULL),
    "locked": ("database is locked", sqlite3.SQLITE_BUSY),
}


def _install_index(gate: Gate) -> None:
    def check(sql: str) -> None:
        label = sql.split(maxsplit=1)[0].upper() if sql.strip() else ""
        is_poll = label == "SELECT" and "COALESCE(deadline_at, '9999')" in sql
        fault = gate.enter("index", label, "poll" if is_poll else "")
        if fault:
            words, code = _SQL_ERRORS[fault]
            error = sqlite3.OperationalError(words)
            error.sqlite_errorcode = code
            raise error

    class CountedConnection(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            check(sql)
            return super().execute(sql, *arguments)

        def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            check(sql)
            return super().executemany(sql, *arguments)

        def executescript(self, sql: str) -> sqlite3.Cursor:
            check(sql)
            return super().executescript(sql)

        def commit(self) -> None:
            check("COMMIT")
            super().commit()

    connect: Any = functools.partial(sqlite3.connect, factory=CountedConnection)
    sqlite3.connect = connect
