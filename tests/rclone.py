"""`rclone serve s3` on loopback: the store that keeps least of what S3 promises."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.servers import START_TIMEOUT_SECONDS, find_free_port, make_s3_client


def find_rclone() -> str | None:
    """Find rclone: beside this interpreter (the wheel puts it there) or on the path."""
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else shutil.which("rclone")


class Rclone:
    """Serves a folder as a store with one user; a bucket is a folder in it."""

    access_key = "testkey"
    secret_key = "testsecret"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint_url = f"http://127.0.0.1:{find_free_port()}"

    def start(self) -> None:
        """Start, and return when it answers."""
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [find_rclone() or "rclone", "serve", "s3", str(data)]
        command += ["--addr", self.endpoint_url.removeprefix("http://")]
        command += ["--auth-key", f"{self.access_key},{self.secret_key}"]
        command += ["--config", str(self._folder / "rclone.conf")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        from botocore.exceptions import BotoCoreError

        give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
        client = make_s3_client(self.endpoint_url, self.access_key, self.secret_key)
        while time.monotonic() < give_up_at:
            try:
                client.list_buckets()
                client.close()
                return
            except BotoCoreError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"rclone did not start: see {self._folder / 'log'}")

    def stop(self) -> None:
        """End it; a second call does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
