"""The image as it is built and run for real, where podman and root are (promise 9 and 10)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.container.engine import PATIENCE_SECONDS, ROOT, Engine, find_podman_compose
from tests.container.world import IMAGE, UID, Box, World

pytestmark = pytest.mark.timeout(PATIENCE_SECONDS)
LOCKED, REJECTED, INVALID = 11, 12, 78
TERMINATED = 143
OFTEN = """
[schedule]
every = "3s"
jitter = "0s"
"""


def image_config(engine: Engine) -> dict[str, Any]:
    """What the image says of itself."""
    [image] = json.loads(engine.must("podman", "image", "inspect", IMAGE))
    return dict(image["Config"]) | {"Healthcheck": image["Healthcheck"]}


def test_image_says_who_it_is_and_how_it_is_watched(engine: Engine) -> None:
    """Labels, a numeric user, an exec-form entrypoint and a health check stand in the image."""
    config = image_config(engine)
    labels = {name for name in config["Labels"] if name.startswith("org.opencontainers.image.")}
    assert {"title", "description", "licenses", "version", "revision"} == {
        name.rpartition(".")[2] for name in labels
    }
    assert f"{UID}:0" == config["User"]
    assert ["archiver"] == config["Entrypoint"]
    assert ["daemon"] == config["Cmd"]
    assert ["CMD", "archiver", "health"] == config["Healthcheck"]["Test"]
    assert "SIGTERM" == config["StopSignal"]


def test_image_holds_no_build_tools_and_no_caches(engine: Engine) -> None:
    """What built the image is not in it, and every module is compiled already."""
    tools = "/opt/archiver/lib/*/site-packages/{pip,setuptools,flit_core,av} /src /roo[t]/.cache"
    assert "" == look(engine, f"ls -d {tools} 2>/dev/null || true")
    modules = "import archiver, json; print(archiver.__cached__, json.__cached__)"
    compiled = f"ls $(/opt/archiver/bin/python -c '{modules}')"
    assert 2 == len(look(engine, compiled).splitlines())


def test_boto3_of_the_image_knows_what_it_needs(engine: Engine) -> None:
    """S3 and all that its chain of credentials speaks to are left of its 400 services."""
    services = "s3 sts sso sso-oidc signin"
    made = f"[boto3.client(one, region_name='us-east-1') for one in '{services}'.split()]"
    assert "5" == look(engine, f'python -c "import boto3; print(len({made}))"')


def look(engine: Engine, command: str) -> str:
    """Run a shell command inside the image; returns what it printed."""
    words = ("--rm", "--no-healthcheck", "--network=none", "--entrypoint=bash", IMAGE)
    return engine.must("podman", "run", *words, "-euc", command)


def test_pass_in_a_closed_container_archives_everything(box: Box) -> None:
    """No home, no rights, no writable root, 128 MB: one pass keeps all, the next finds nothing."""
    code, said = box.run("run", options=("--unsetenv=HOME",))
    assert 0 == code, said
    before = {path: path.stat().st_mtime_ns for path in box.files()}
    assert before
    assert {UID} == {path.stat().st_uid for path in before}
    assert (0, "") == box.run("-q", "run")
    assert before == {path: path.stat().st_mtime_ns for path in box.files()}


def test_any_user_id_works_with_its_own_folders(box: Box) -> None:
    """A user id that the image has never heard of writes to what belongs to it."""
    box.give_to(12345, 54321)
    code, said = box.run("run", options=("--user=12345:54321",))
    assert 0 == code, said
    assert {12345} == {path.stat().st_uid for path in box.files()}


def test_any_user_id_of_group_0_works_with_new_volumes(box: Box) -> None:
    """Volumes that are made from the image can be written by whoever is in group 0."""
    volumes = ("--volume=new-state:/state", "--volume=new-archive:/archive")
    kept = [word for word in box.options if not word.endswith((":/state", ":/archive"))]
    words = ("--rm", "--no-healthcheck", "--user=12345", *kept, *volumes)
    box.engine.must("podman", "run", *words, IMAGE, "run")
    box.engine.must("podman", "volume", "rm", "new-state", "new-archive")


def test_nothing_is_written_outside_the_volumes(box: Box) -> None:
    """Where the root could be written, it was not: the engine sees the mounts and nothing else."""
    kept = [word for word in box.options if not word.startswith("--read-only")]
    words = ("--no-healthcheck", "--name=writable", *kept)
    box.engine.must("podman", "run", *words, IMAGE, "run", "--sweep")
    lines = box.engine.must("podman", "diff", "writable").splitlines()
    # the engine makes these itself: the names of hosts, and the points where it mounts
    made = ("/etc", "/run", "/proc", "/sys", "/dev", "/config", "/state", "/archive")
    assert [] == [line for line in lines if not line.split()[1].startswith(made)]


def test_container_reaches_nothing_but_the_simulator(box: Box) -> None:
    """The network of these tests has a loopback device and no way out."""
    words = ("--rm", "--no-healthcheck", *box.options, "--entrypoint=cat", IMAGE)
    devices = box.engine.must("podman", "run", *words, "/proc/net/dev").splitlines()[2:]
    routes = box.engine.must("podman", "run", *words, "/proc/net/route").splitlines()[1:]
    assert (["lo"], []) == ([line.split(":")[0].strip() for line in devices], routes)


def test_times_are_told_in_the_zone_of_tz(engine: Engine) -> None:
    """TZ works, so the image has the zones."""
    assert "+0530" == look(engine, "TZ=Asia/Kolkata date +%z")


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [(0, ("--version",)), (2, ("run", "--no-such-option")), (10, ("status",))],
    ids=["well", "usage", "no index"],
)
def test_exit_codes_pass_through(box: Box, expected: int, arguments: tuple[str, ...]) -> None:
    """What the command ends with, the container ends with."""
    code, said = box.run(*arguments)
    assert expected == code, said


def test_config_that_is_wrong_ends_the_container_with_78(box: Box) -> None:
    """The key that is wrong is named in the container's log."""
    box.write_config("\n[schedule]\nevery_now = true\n")
    code, said = box.run("run")
    assert INVALID == code
    assert "every_now" in said


def test_key_that_is_refused_ends_the_container_with_12(box: Box) -> None:
    """A cron job or a Kubernetes rule can tell dead credentials from a dead network."""
    box.write_key("not-the-key")
    code, said = box.run("run")
    assert REJECTED == code, said


def test_volume_that_is_not_mounted_is_refused_not_lost(box: Box) -> None:
    """With a read-only root nothing is ever archived into the container's own layer."""
    kept = [word for word in box.options if not word.endswith(":/archive")]
    words = ("--rm", "--no-healthcheck", *kept, IMAGE)
    done = box.engine.call("podman", "run", *words, "run")
    assert done.returncode not in {0, 125}
    assert "/archive" in done.stderr


def test_second_container_of_one_archive_ends_with_11(box: Box) -> None:
    """The lock of a state volume holds between containers, and SIGTERM reaches PID 1."""
    box.world.freeze()
    first = box.start("run")
    wait_for((box.folder / "state" / "lock").exists)
    code, said = box.run("run")
    assert LOCKED == code, said
    assert TERMINATED == box.stop(first)


def test_daemon_is_well_or_not_as_its_provider_can_be_reached(box: Box) -> None:
    """The engine's own health check turns bad when no run succeeds, and good again by itself."""
    box.write_config(OFTEN)
    daemon = box.start("daemon")
    wait_for(lambda: box.is_well(daemon))
    assert box.files()
    box.world.part()
    wait_for(lambda: not box.is_well(daemon))
    box.world.join()
    wait_for(lambda: box.is_well(daemon))
    assert 0 == box.stop(daemon)


def test_daemon_lets_what_is_in_flight_end_before_it_stops(box: Box) -> None:
    """As PID 1 it hears SIGTERM, finishes the downloads that were under way, and exits 0."""
    box.write_config('\n[transfer]\nbandwidth = "1MB/s"\n')
    daemon = box.start("daemon")
    wait_for(box.files)
    assert 0 == box.stop(daemon)
    log = box.log(daemon)
    assert log.index("daemon.stopping") < log.index("run.finished")
    assert '"in_order": true' in log
    assert {".json", ".jpg", ".png", ".mp4"} >= {path.suffix for path in box.files()}


def test_cron_makes_a_pass_within_its_minute(box: Box) -> None:
    """Debian's cron fires the line of docs/deploy, and the pass fills the volume."""
    require("cron", shutil.which("cron"), "there is no cron")
    with cron_running(box, (ROOT / "docs/deploy/archiver.cron").read_text(encoding="utf-8")):
        wait_for(lambda: "archiver-archive" in box.engine.must("podman", "volume", "ls", "-q"))
        volume = box.engine.must("podman", "volume", "mount", "archiver-archive")
        wait_for(lambda: list(Path(volume).rglob("*.json")))
        wait_for(lambda: "" == box.engine.must("podman", "ps", "--quiet"))


@contextmanager
def cron_running(box: Box, crontab: str) -> Iterator[None]:
    """Let a cron of our own read one crontab: other jobs of this machine are out of its sight."""
    folder = box.folder / "cron.d"
    folder.mkdir()
    for theirs, ours in (
        ("*/15 * * * *", "* * * * *"),
        ("docker run", f"podman run {' '.join(box.world_options)}"),
        ("/srv/archiver/", f"{box.folder}/"),
    ):
        assert theirs in crontab
        crontab = crontab.replace(theirs, ours)
    stores = ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
    variables = [f"{name}={box.engine.environment[name]}\n" for name in stores]
    (folder / "archiver").write_text("".join(variables) + crontab, encoding="utf-8")
    hidden = (
        f"mount --bind {folder} /etc/cron.d && mount --bind /dev/null /etc/crontab && "
        "mount -t tmpfs tmpfs /var/spool/cron && exec cron -f"
    )
    command = [shutil.which("unshare") or "unshare", "--mount", "sh", "-c", hidden]
    cron = subprocess.Popen(command)
    yield
    assert cron.poll() is None, "cron has ended"
    cron.terminate()
    cron.wait(timeout=30)


def readme_block(heading: str) -> str:
    """The first shell block below a heading of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, found, section = readme.partition(f"\n{heading}\n")
    assert found, f"the README has no section {heading!r}"
    return str(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0])


def wait_for(condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.2)


def test_readme_can_be_followed_line_by_line(engine: Engine, world: World, tmp_path: Path) -> None:
    """The README's lines, with podman for docker, and the simulator for the provider."""
    require("compose", find_podman_compose(), "podman-compose is not installed")
    script = readme_block("## As a container")
    script = script.replace("docker compose", str(find_podman_compose()))
    script = script.replace("docker build", engine.build_command)
    more = tmp_path / "compose.world.yaml"
    service = {"network_mode": world.namespace, "environment": world.environment}
    more.write_text(json.dumps({"services": {"archiver": service}}), encoding="utf-8")
    engine.environment |= {
        "HOME": str(tmp_path),
        "COMPOSE_FILE": f"compose.yaml:{more}",
        "GEMINIGEN_API_KEY": world.api_key,
    }
    said = engine.must("bash", "-euxc", f"cd {ROOT}\n{script}")
    assert "0 problems" in said
    assert re.search(r"studio +6 +[456] ", said), said  # what `status` says: listed, archived
    assert "" == engine.must("podman", "ps", "--all", "--quiet")
