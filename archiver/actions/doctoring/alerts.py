"""Looks at those who are told: their addresses can be read, and, when asked, a message arrives.

Nobody is called otherwise: a check that sends messages would be an alert of its own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from archiver.actions.doctoring.finding import About, Findings, Verdict
from archiver.actions.doctoring.secret import examine_secret
from archiver.alerts.address import WebAddress
from archiver.alerts.base import Message, Messenger, Severity
from archiver.errors import MessageNotSent
from archiver.secrets import SecretSource, describe_access

_NO_WEB_ADDRESS = ("password", "apprise")


def examine_alerts(about: About, sources: Mapping[str, SecretSource]) -> Findings:
    """Read each address and look at its form; `sources` are named by their options."""
    for option, source in sources.items():
        findings = list(examine_secret(about, option, source))
        yield from findings
        check = option.rpartition(".")[2]
        is_read = all(finding.verdict is not Verdict.PROBLEM for finding in findings)
        if is_read and not check.startswith(_NO_WEB_ADDRESS):
            try:
                WebAddress(source).read()
            except MessageNotSent as error:
                yield about.problem(check, str(error), "put a whole address there: https://…")


def examine_textfile(about: About, path: Path) -> Findings:
    """Tell whether the metrics can be written; a run that cannot only warns."""
    folder = path.parent
    if os.access(folder, os.W_OK | os.X_OK):
        yield about.ok("textfile", f"{path} can be written")
        return
    yield about.problem(
        "textfile",
        f"{folder} cannot be written ({describe_access(folder)})"
        if folder.exists()
        else f"there is no folder {folder}",
        "make the folder for the user that runs archiver, or correct alerts.textfile",
    )


def examine_messenger(about: About, messenger: Messenger) -> Findings:
    """Send a message that says that it is a test."""
    host = socket.gethostname()
    message = Message(
        severity=Severity.RECOVERY,
        title=f"archiver on {host}: a test",
        body="`archiver doctor --send-test` has sent this. Nothing is wrong.",
        host=host,
        sent_at=datetime.now(UTC),
        notices=(),
    )
    try:
        messenger.send(message)
    except MessageNotSent as error:
        yield about.problem(
            "test message", str(error), "correct its address in [alerts], or see whether it is up"
        )
    else:
        yield about.ok("test message", "was taken: see whether it has arrived")
