"""nginx as the media host: plain and TLS, of a folder."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.failure import Unmeasurable
from benchmarks.harness.peers import need
from tests.servers import find_free_port, is_listening

_CONFIG = """
{user}worker_processes 2;
daemon off;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=20000 inactive=600s;
  open_file_cache_valid 600s;
  keepalive_requests 10000000;
  client_body_temp_path temporary; proxy_temp_path temporary; fastcgi_temp_path temporary;
  uwsgi_temp_path temporary; scgi_temp_path temporary;
  types {{ image/png png; video/mp4 mp4; }}
  server {{
    listen 127.0.0.1:{plain} backlog=1024;
    listen 127.0.0.1:{tls} ssl backlog=1024;
    ssl_certificate host.crt; ssl_certificate_key host.key;
    root media;
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class MediaHost:
    """A running nginx; files below `root` are served under both addresses."""

    root: Path
    plain_url: str
    tls_url: str
    certificate: Path


@contextmanager
def media_host(folder: Path) -> Iterator[MediaHost]:
    """Serve `folder`/media until the end."""
    (folder / "media").mkdir(parents=True)
    plain, tls = find_free_port(), find_free_port()
    user = "user root;\n" if Path.home().owner() == "root" else ""
    config = _CONFIG.format(plain=plain, tls=tls, user=user)
    (folder / "nginx.conf").write_text(config, encoding="utf-8")
    _make_certificate(folder)
    command = [need("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            plain_url = f"http://127.0.0.1:{plain}"
            _wait_for(plain_url, process)
            yield MediaHost(
                folder / "media", plain_url, f"https://127.0.0.1:{tls}", folder / "host.crt"
            )
        finally:
            process.terminate()


def _make_certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=media host", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", "host.key", "-out", "host.crt"]
    subprocess.run(
        [*command.split(), *names, *files], cwd=folder, check=True, capture_output=True, timeout=60
    )


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + 10
    while not is_listening(url):
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise Unmeasurable("nginx did not start: see its words above")
        time.sleep(0.05)
