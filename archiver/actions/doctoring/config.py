"""Looks at the config file and what it names: its mode, its secrets, the extras that it needs."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from archiver.actions.doctoring.finding import About, Findings
from archiver.secrets import SecretSource


def examine_config(about: About, path: Path, secrets: Mapping[str, SecretSource]) -> Findings:
    """Tell who else can read or change the config; `secrets` are all that it names, by option."""
    plain = [option for option, source in secrets.items() if source.value is not None]
    mode = path.stat().st_mode
    shown = stat.filemode(mode)
    if mode & stat.S_IWOTH:
        yield about.problem(
            "mode",
            f"every user of this machine can change {path} ({shown}), which may name commands",
            f"chmod o-w {path}",
        )
    if plain and mode & stat.S_IROTH:
        yield about.warning(
            "mode",
            f"every user of this machine can read {path} ({shown}), and with it {_named(plain)}",
            f"chmod o-rwx {path}, or keep the secret in a file of its own",
        )
    if not mode & stat.S_IWOTH and not (plain and mode & stat.S_IROTH):
        yield about.ok("mode", f"{path} is {shown}")


def _named(options: Sequence[str]) -> str:
    more = f" and {len(options) - 1} more" if len(options) > 1 else ""
    return f"{options[0]}{more} in plain text"


def examine_extras(about: About, needed: Mapping[str, str]) -> Findings:
    """Tell which extras are missing; `needed` maps an option to the extra that it needs."""
    for option, extra in needed.items():
        if find_spec(extra) is None:
            yield about.problem(
                option,
                f"needs the extra {extra}, which is not installed",
                f'pip install "archiver[{extra}]" where archiver is installed, or leave '
                f"{option} out",
            )
        else:
            yield about.ok(option, f"the extra {extra} is installed")
