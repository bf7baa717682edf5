"""Real servers on loopback for the tests: each ends only the process it has started."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 2
_STARTS = 3
_PORTS = ("master", "volume", "filer", "s3")
_PORT_RANGE = (20_000, 32_000)


def find_weed() -> str | None:
    """Find SeaweedFS: beside this interpreter (the wheel puts it there) or on the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


class SeaweedFS:
    """A real S3 store with one user, that checks signatures and SHA-256.

    `kill` is a crash; `start` after it uses the same ports and data.
    """

    access_key = "testkey"
    secret_key = "testsecret"
    region = "us-east-1"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    @property
    def endpoint_url(self) -> str:
        """Where the S3 interface listens."""
        return f"http://127.0.0.1:{self._ports['s3']}"

    def make_client(self) -> S3Client:
        """Make a boto3 client of the one user; the caller closes it."""
        return make_s3_client(self.endpoint_url, self.access_key, self.secret_key)

    def start(self) -> None:
        """Start, and return when a put has worked; ports are kept from an earlier start."""
        for remaining in reversed(range(_STARTS)):
            is_restart = bool(self._ports)
            if not is_restart:
                self._ports = find_ports()
            self._process = self._spawn()
            if self._wait_until_it_stores():
                return
            self.kill()
            if not is_restart:
                self._ports = {}
            if not remaining:
                raise RuntimeError(f"SeaweedFS did not start: see {self._folder / 'log'}")

    def _spawn(self) -> subprocess.Popen[bytes]:
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        config = self._folder / "s3.json"
        config.write_text(json.dumps(self._make_identities()), encoding="utf-8")
        ports = [
            argument
            for name, port in self._ports.items()
            for argument in (f"-{name}.port={port}", f"-{name}.port.grpc={port + 1}")
        ]
        command = [find_weed() or "weed", "server", f"-dir={data}", "-ip=127.0.0.1"]
        command += ["-ip.bind=127.0.0.1", *ports, "-filer", "-s3", f"-s3.config={config}"]
        command += ["-master.volumeSizeLimitMB=64", "-volume.max=500", "-s3.port.iceberg=0"]
        command += ["-s3.port.lance=0"]  # on one fixed port otherwise: a second server would die
        command += ["-master.telemetry=false"]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder
            )

    def _make_identities(self) -> dict[str, object]:
        credential = {"accessKey": self.access_key, "secretKey": self.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        user = {"name": "t", "credentials": [credential], "actions": actions}
        return {"identities": [user]}

    def _wait_until_it_stores(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
        client = self.make_client()
        try:
            while time.monotonic() < give_up_at and self._is_running():
                try:
                    if not self._has_probe_bucket(client):
                        client.create_bucket(Bucket="probe")
                    client.put_object(Bucket="probe", Key="probe", Body=b"ready")
                    return True
                except (BotoCoreError, ClientError):
                    time.sleep(0.1)
        finally:
            client.close()
        return False

    def _has_probe_bucket(self, client: S3Client) -> bool:
        return any(found["Name"] == "probe" for found in client.list_buckets()["Buckets"])

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it in order; a second call does nothing."""
        if self._process is not None and self._is_running():
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Crash it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def make_s3_client(endpoint_url: str, access_key: str, secret_key: str) -> S3Client:
    """Make a plain boto3 client that asks once and does not wait long."""
    from boto3.session import Session
    from botocore.config import Config

    session = Session(access_key, secret_key, region_name="us-east-1")
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=2,
        read_timeout=20,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client("s3", endpoint_url=endpoint_url, config=config)


def find_ports() -> dict[str, int]:
    """Find pairs of free ports (HTTP and gRPC) below the range from which the kernel gives."""
    start = random.SystemRandom().randrange(*_PORT_RANGE, 10 * len(_PORTS))
    ports: dict[str, int] = {}
    for port in range(start, start + 500, 2):
        if _is_free(port) and _is_free(port + 1):
            ports[_PORTS[len(ports)]] = port
            if len(ports) == len(_PORTS):
                return ports
    raise RuntimeError(f"no free ports from {start}")


def find_free_port() -> int:
    """Find one free port below the range from which the kernel gives."""
    while True:
        port = random.SystemRandom().randrange(*_PORT_RANGE)
        if _is_free(port):
            return port


def is_listening(url: str) -> bool:
    """Tell whether anything takes connections there."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 80)) == 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
