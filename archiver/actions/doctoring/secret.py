"""Looks at secrets and at the files that hold them: their place is told, never their value."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from archiver.actions.doctoring.finding import About, Findings
from archiver.errors import ConfigInvalid
from archiver.secrets import SecretSource

_MOUNTED_SECRETS = "/run/secrets/"
"""Where containers find theirs: open to all users of a container that has but one."""


def examine_secret(about: About, option: str, source: SecretSource) -> Findings:
    """Read the secret of an option; tell where it is, and who else can read it there."""
    check = option.rpartition(".")[2]
    try:
        source.read()
    except ConfigInvalid as error:
        yield about.problem(check, str(error), _advice(option, source))
        return
    yield about.ok(check, f"read from the {source.place}")
    if source.file is not None:
        yield from _examine_mode(about, check, source.file.expanduser())


def examine_secrets(about: About, secrets: Mapping[str, SecretSource]) -> Findings:
    """Read all secrets of a subject, each named by its option."""
    for option, source in secrets.items():
        yield from examine_secret(about, option, source)


def _examine_mode(about: About, check: str, path: Path) -> Findings:
    """Tell when a file that holds a secret can be read by every user of this machine."""
    if str(path).startswith(_MOUNTED_SECRETS):
        return
    mode = path.stat().st_mode
    if mode & stat.S_IROTH:
        yield about.warning(
            check,
            f"{path} can be read by every user of this machine ({stat.filemode(mode)})",
            f"chmod o-rwx {path}",
        )


def _advice(option: str, source: SecretSource) -> str:
    if source.env:
        return f"set {source.env} for the user that runs archiver, or change {option}"
    if source.file:
        return f"write the secret to {source.file} and let this user read it, or change {option}"
    if source.credential:
        return f"add LoadCredential={source.credential}:/path to the systemd unit"
    return f"run the command by hand as this user and see what it prints, or change {option}"
