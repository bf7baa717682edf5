"""Where keys come from: the environment, a file, a systemd credential or a command (promise 8).

The config names the place; the value is read only when it is needed, is remembered for
redaction, and never stands in an error message.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from archiver.errors import ConfigInvalid
from archiver.redaction import remember_secret

COMMAND_TIMEOUT_SECONDS = 30


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
        return self

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

    def _read(self) -> str:
        if self.env:
            return os.environ.get(self.env, "")
        if self.file:
            return _read_file(self.file)
        if self.credential:
            return _read_file(_credential_path(self.credential))
        if self.command:
            return _run(self.command)
        return self.value or ""


def _credential_path(name: str) -> Path:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigInvalid(
            f"credential {name} needs systemd: $CREDENTIALS_DIRECTORY is not set (LoadCredential=)"
        )
    return Path(folder) / name


def _read_file(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except RuntimeError as error:  # "~nobody/key"
        raise ConfigInvalid(f"{str(path)!r} is no path of a secret file: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigInvalid(f"cannot read the secret file {path}: {reason}") from None


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
        raise ConfigInvalid(f"secret command {command[0]} ended with exit code {done.returncode}")
    return done.stdout
