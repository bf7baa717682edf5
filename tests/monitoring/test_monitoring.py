"""What docs/monitoring/ ships is true: its rules hold, its dashboard fits, its names exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from archiver.actions.metrics import make_metrics
from archiver.index import Index
from tests.actions.watching import WATCHED
from tests.conftest import require
from tests.index.conftest import index  # noqa: F401  # an empty index
from tests.index.making import NOW

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "monitoring" / "archiver-alerts.yml"
RULE_TESTS = Path(__file__).with_name("archiver-alerts.test.yml")
DASHBOARD = ROOT / "docs" / "monitoring" / "grafana-dashboard.json"
OPERATIONS = ROOT / "docs" / "operations.md"
OF_THE_DAEMON = {"archiver_config_last_reload_successful"}
"""What only a process that stays can tell."""
LABELS = {"provider", "account", "destination", "reason", "state", "kind", "version", "outcome"}


@pytest.fixture
def promtool() -> str:
    """Find Prometheus' own tool."""
    found = shutil.which("promtool")
    require("promtool", found, "promtool (Debian's prometheus) is not installed")
    return str(found)


def made(index: Index) -> set[str]:  # noqa: F811
    """The names of all metrics, as Prometheus stores them."""
    text = make_metrics(index, WATCHED, NOW).decode()
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(text)
    }


def named(text: str) -> set[str]:
    """The names of our metrics in a text."""
    return set(re.findall(r"\barchiver_[a-z_]+[a-z]\b", text))


def dashboard() -> dict[str, Any]:
    """The dashboard as it is imported."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def expressions() -> list[str]:
    """Every query of the dashboard."""
    return [
        target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())
    ]


def test_rules_are_valid(promtool: str) -> None:
    """As Prometheus itself reads them."""
    done = subprocess.run(
        [promtool, "check", "rules", RULES], capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_each_alert_fires_when_it_is_due_and_not_before(promtool: str, tmp_path: Path) -> None:
    """With made-up series, by Prometheus' own rule tests."""
    text = RULE_TESTS.read_text(encoding="utf-8")
    tests = tmp_path / "tests.yml"
    tests.write_text(text.replace("RULES", str(RULES)), encoding="utf-8")

    done = subprocess.run(
        [promtool, "test", "rules", tests], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def test_every_alert_has_a_test() -> None:
    """A rule that nobody saw fire may never do so."""
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8")))
    fired = re.findall(
        r"alertname: (\w+)\n\s+exp_alerts:\n", RULE_TESTS.read_text(encoding="utf-8")
    )

    assert alerts == set(fired)


def test_queries_of_the_dashboard_are_valid(promtool: str, tmp_path: Path) -> None:
    """Each is read by Prometheus as a rule, with the dashboard's variables filled in."""
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$instance", "nas")}
        for number, expression in enumerate(expressions())
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")

    done = subprocess.run(
        [promtool, "check", "rules", path], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def test_rules_name_metrics_that_exist(index: Index) -> None:  # noqa: F811
    """No alert waits for a number that nobody tells."""
    assert set() == named(RULES.read_text(encoding="utf-8")) - made(index) - OF_THE_DAEMON


def test_dashboard_shows_metrics_that_exist_and_all_of_them(index: Index) -> None:  # noqa: F811
    """Nothing is exported that is never looked at, and nothing is asked for in vain."""
    shown = named(" ".join(expressions()))

    assert made(index) == shown


def test_dashboard_can_be_imported_anywhere() -> None:
    """The data source is a variable, ids are unique, and no panel lies over another."""
    panels = dashboard()["panels"]

    sources = {panel["datasource"]["uid"] for panel in panels if "datasource" in panel}
    assert {"${datasource}"} == sources
    assert "datasource" == dashboard()["templating"]["list"][0]["name"]
    assert len(panels) == len({panel["id"] for panel in panels})
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_labels_are_few(index: Index) -> None:  # noqa: F811
    """Nothing that grows without bound, such as an id, is ever a label."""
    text = make_metrics(index, WATCHED, NOW).decode()
    found = {
        label
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for label in sample.labels
    }

    assert set() == found - LABELS


def test_every_metric_is_documented(index: Index) -> None:  # noqa: F811
    """The table in docs/operations.md has a row for each, and no other."""
    text = OPERATIONS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(archiver_[a-z_]+)", text, re.MULTILINE)

    assert sorted(made(index) | OF_THE_DAEMON) == sorted(rows)
