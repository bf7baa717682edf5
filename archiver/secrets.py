"""Where keys come from: the environment, a file, a systemd credential or a command (promise 8).

The config names the place; the value is read only when it is needed, is remembered for
redaction, and never stands in an error message.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from archiver.errors import ConfigInvalid
from archiver.redaction import remember_secret

COMMAND_TIMEOUT_SECONDS = 30
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"(?!\.{1,2}$)[^/\0]+")


class SecretSource(BaseModel):
    """One of `env`, `file`, `credential` and `command`; a plain string is taken as the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = Field(None, description="name of an environment variable")
    file: Path | None = Field(None, description="file that holds nothing but the secret")
    credential: str | None = Field(None, description="name of a systemd credential")
    command: tuple[str, ...] | None = Field(
        None, description="program and arguments that print the secret", min_length=1
    )
    value: str | None = Field(
        None, description="the secret itself (better kept elsewhere)", repr=False
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_text(cls, given: object) -> object:
        return {"value": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _name_one_place(self) -> SecretSource:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("needs exactly one of env, file, credential, command")
        if self.env and not _VARIABLE.fullmatch(self.env):
            # It may be the key itself, pasted here: no message shows it.
            raise ValueError("env takes the name of a variable such as STUDIO_KEY")
        if self.credential and not _CREDENTIAL.fullmatch(self.credential):
            raise ValueError("credential takes the name of a systemd credential, not a path")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell editors what is accepted: one place, or plain text."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        one_place = schema | {"minProperties": 1, "maxProperties": 1}
        schema.clear()
        schema["anyOf"] = [one_place, {"type": "string", "minLength": 1}]
        return reference

    @property
    def place(self) -> str:
        """Say where the secret is kept, without the secret."""
        if self.env:
            return f"environment variable {self.env}"
        if self.file:
            return f"file {self.file}"
        if self.credential:
            return f"systemd credential {self.credential}"
        return f"command {self.command[0]}" if self.command else "config"

    def read(self) -> str:
        """Fetch the secret; raises ConfigInvalid that names the place, never the value."""
        value = self._read().strip()
        if not value:
            raise ConfigInvalid(f"the {self.place} holds no secret: it is empty or not set")
        if not value.isprintable():
            raise ConfigInvalid(f"the {self.place} holds characters that no key may have")
        remember_secret(value)
        return value

    def read_public(self) -> str:
        """Fetch what is no secret, such as a public key: it may have several lines."""
        return self._read().strip()

    def _read(self) -> str:
        if self.env:
            return os.environ.get(self.env, "")
        if self.file:
            return _read_file(self.file)
        if self.credential:
            return _read_credential(self.credential)
        if self.command:
            return _run(self.command)
        return self.value or ""


def _read_credential(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigInvalid(
            f"credential {name} needs systemd: $CREDENTIALS_DIRECTORY is not set (LoadCredential=)"
        )
    return _read_file(
        Path(folder) / name, if_missing=f"; the unit needs LoadCredential={name}:/path/of/the/file"
    )


def _read_file(path: Path, if_missing: str = "") -> str:
    try:
        path = path.expanduser()
        return path.read_text(encoding="utf-8")
    except RuntimeError as error:  # "~nobody/key"
        raise ConfigInvalid(f"{str(path)!r} is no path of a secret file: {error}") from None
    except UnicodeDecodeError:
        raise ConfigInvalid(f"cannot read the secret file {path}: not UTF-8 text") from None
    except OSError as error:
        more = if_missing if isinstance(error, FileNotFoundError) else ""
        if isinstance(error, PermissionError):
            more = f"; {describe_access(path)}"
        raise ConfigInvalid(f"cannot read the secret file {path}: {error.strerror}{more}") from None


def describe_access(path: Path) -> str:
    """Say who may read a file that we may not, or who may enter the folder that is closed to us."""
    closed = next((one for one in reversed(path.parents) if not _may_enter(one)), path)
    try:
        found = closed.stat()
    except OSError:  # a security module may hide even that
        return "not even its permissions can be read"
    owner = f"{name_user(found.st_uid)}:{_name_group(found.st_gid)}"
    what = "it" if closed == path else f"its folder {closed}"
    return (
        f"{what} is {stat.filemode(found.st_mode)} {owner}, "
        f"and this is {name_user(os.geteuid())}:{_name_group(os.getegid())}"
    )


def _may_enter(folder: Path) -> bool:
    return os.access(folder, os.X_OK, effective_ids=True)


def name_user(number: int) -> str:
    """Name a user, or give the number back where it has no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # in a container any number will do
        return str(number)


def _name_group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _run(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,  # ours may be data: `archiver ingest -`
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise ConfigInvalid(f"secret command {command[0]} did not run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ConfigInvalid(
            f"secret command {command[0]} did not end within {COMMAND_TIMEOUT_SECONDS} seconds"
        ) from None
    except UnicodeDecodeError:
        raise ConfigInvalid(f"secret command {command[0]} printed no UTF-8 text") from None
    if done.returncode != 0:
        how = (
            f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        )
        raise ConfigInvalid(
            f"secret command {command[0]} ended with {how}: run it by hand to see why"
        )
    return done.stdout
