"""The nginx of docs/deploy.md, as it stands there, hands webhooks on over TLS."""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archiver.simulator import tampering
from tests.conftest import require
from tests.daemon.conftest import Start
from tests.daemon.hooked import Hooked
from tests.daemon.manager import free_port, get, until
from tests.stories.house import House

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy.md"
HOST = "archive.example.com"
Ask = Callable[[str, bytes, dict[str, str]], int]


def make_config(folder: Path, port: int, daemon_port: int) -> Path:
    """Take the block of the page, with the places and ports of this test."""
    found = re.search(r"```nginx\n(.*?)```", DEPLOY.read_text(encoding="utf-8"), re.DOTALL)
    assert found, "docs/deploy.md shows nginx"
    block = found[1].replace(f"/etc/letsencrypt/live/{HOST}", str(folder))
    block = block.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
        "8787", f"{daemon_port}"
    )
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log {folder}/access.log;\n{temporary}{block}}}\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def hooked(house: House, start: Start) -> Hooked:
    """A daemon that takes webhooks."""
    hooked = Hooked(house, start)
    hooked.begin()
    return hooked


@pytest.fixture
def ask(hooked: Hooked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Start nginx before the daemon; gives a function that posts over TLS."""
    nginx, openssl = shutil.which("nginx"), shutil.which("openssl")
    require("nginx", nginx and openssl, "nginx or openssl is not installed")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    files = ["-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"]
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    subprocess.run(
        [str(openssl), "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *names],
        check=True,
        capture_output=True,
    )
    trusted = ssl.create_default_context(cafile=folder / "fullchain.pem")
    trusted.check_hostname = False  # it is reached by its address

    def post(path: str, body: bytes, headers: dict[str, str]) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trusted)
        try:
            connection.request("POST", path, body, {**headers, "Host": HOST})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    config = make_config(folder, port, hooked.port)
    process = subprocess.Popen([str(nginx), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: post("/hooks/nobody", b"{}", {}) == 404, "nginx hands on")
        yield post
    finally:
        process.terminate()
        process.wait(20)


def test_webhooks_get_through_nginx_and_the_health_pages_do_not(hooked: Hooked, ask: Ask) -> None:
    """Genuine ones are captured, forged ones refused by us, oversized ones by nginx itself."""
    item = hooked.add("sync")
    delivery = hooked.house.simulator.webhooks.make(item)
    forged, path = tampering.forged(delivery), "/hooks/lips"

    assert 401 == ask(path, forged.body, dict(forged.headers))
    assert 413 == ask(path, b" " * 2_000_000, dict(delivery.headers))
    assert 200 == ask(path, delivery.body, dict(delivery.headers))

    hooked.until_archived(item, provider="sync")
    assert 200 == get(hooked.pages, "/readyz")[0]
    assert 404 == ask("/metrics", b"", {})
