"""A Ceph cluster of one node in memory, with its S3 gateway, on loopback.

Debian: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-mgr ceph-common.
It takes some 15 seconds to start and needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.servers import START_TIMEOUT_SECONDS, find_free_port, is_listening

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mgr", "ceph-mon", "ceph-osd", "monmaptool", "radosgw")
USERS = ("client.admin", "client.rgw", "mgr.x", "osd.0")
CONFIG = """\
[global]
fsid = {fsid}
mon host = {mon_host}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {folder}/keyring
public_addr = 127.0.0.1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_objectstore = memstore
memstore_device_bytes = 2147483648
run_dir = {folder}
admin_socket = {folder}/$name.asok
pid_file = {folder}/$name.pid
log_file = {folder}/$name.log
crash_dir = {folder}
mon_data = {folder}/mon
mon_data_avail_warn = 1
osd_data = {folder}/osd
mgr_data = {folder}/mgr
rgw_frontends = beast endpoint={endpoint}
rgw_run_sync_thread = false
rgw_dynamic_resharding = false
"""


def can_run_ceph() -> bool:
    """Tell whether all programs are there, and the right to run them."""
    return os.geteuid() == 0 and all(shutil.which(program) for program in PROGRAMS)


class Ceph:
    """Runs a monitor, a manager, one store and the gateway, each a process of ours."""

    access_key = "testkey"
    secret_key = "testsecret"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._endpoint = f"127.0.0.1:{find_free_port()}"
        self.endpoint_url = f"http://{self._endpoint}"

    def start(self) -> None:
        """Start all, and return when the gateway knows its one user."""
        self._write_config()
        monmap = self._folder / "monmap"
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", str(monmap))
        self._spawn("ceph-mon", "-i", "a")
        self._wait(lambda: self._ask("ceph", "--connect-timeout", "2", "-s") is not None)
        self._spawn("ceph-mgr", "-i", "x")
        self._run("ceph", "osd", "create")
        self._run("ceph-osd", "-i", "0", "--mkfs")
        self._spawn("ceph-osd", "-i", "0")
        self._wait(lambda: "1 up" in (self._ask("ceph", "osd", "stat") or ""))
        self._spawn("radosgw", "-n", "client.rgw")
        self._wait(lambda: is_listening(self.endpoint_url))
        keys = ("--access-key", self.access_key, "--secret-key", self.secret_key)
        user = ("user", "create", "--uid", "t", "--display-name", "t", *keys)
        self._run("radosgw-admin", *user)

    def _write_config(self) -> None:
        for name in ("mon", "osd", "mgr"):
            (self._folder / name).mkdir(parents=True)
        monitor = f"[v2:127.0.0.1:{find_free_port()}/0,v1:127.0.0.1:{find_free_port()}/0]"
        fsid = str(uuid.uuid4())
        text = CONFIG.format(
            fsid=fsid, mon_host=monitor, folder=self._folder, endpoint=self._endpoint
        )
        (self._folder / "ceph.conf").write_text(text, encoding="utf-8")
        keyring = str(self._folder / "keyring")
        self._run(
            "ceph-authtool",
            "--create-keyring",
            keyring,
            "--gen-key",
            "-n",
            "mon.",
            "--cap",
            "mon",
            "allow *",
        )
        rights = [word for kind in ("mon", "osd", "mgr") for word in ("--cap", kind, "allow *")]
        for user in USERS:
            self._run("ceph-authtool", keyring, "--gen-key", "-n", user, *rights)
        monmap = str(self._folder / "monmap")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", monitor, monmap)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")
        return done.stdout

    def _ask(self, *command: str) -> str | None:
        try:
            return self._run(*command)
        except RuntimeError:
            return None

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self._folder / "ceph.conf")}

    def _spawn(self, *command: str) -> None:
        with (self._folder / "out").open("ab") as out:
            self._processes.append(
                subprocess.Popen(
                    [*command, "-f"],
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                )
            )

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
        while not is_ready():
            if time.monotonic() > give_up_at or self._processes[-1].poll() is not None:
                raise RuntimeError(f"Ceph did not start: see {self._folder}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End all its processes; a second call does nothing."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait()
