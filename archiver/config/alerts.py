"""Section `alerts` of the config: who is told when something goes wrong, and how (promise 9)."""

from __future__ import annotations

import ipaddress
import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from archiver.config.section import MAX_PORT, Section
from archiver.options import Duration
from archiver.secrets import SecretSource

_MAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def _check_web_address(source: SecretSource) -> SecretSource:
    """Refuse what is plainly no address; one that is kept elsewhere is looked at when it is read.

    Plain http is allowed: a receiver in one's own network has no certificate as a rule.
    """
    if source.value is not None and not source.value.startswith(("https://", "http://")):
        raise ValueError("should begin with https:// (or http://), or say where it is kept")
    return source


WebAddress = Annotated[SecretSource, AfterValidator(_check_web_address)]
"""An address with a secret in it, as those of pings and webhooks are."""


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class MailSection(Section):
    """The mail server that takes messages, and whom they go to."""

    host: str = Field(description="mail server")
    port: int = Field(587, ge=1, le=MAX_PORT, description="465 is usual for tls, 25 for none")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="none: in the clear, for a server on this machine or in the LAN"
    )
    username: str | None = Field(None, description="name to log in with; else no login")
    password: SecretSource | None = Field(None, description="where its password is kept")
    sender: str = Field(alias="from", description="address that the messages come from")
    to: tuple[str, ...] = Field(min_length=1, description="addresses that they go to")

    @field_validator("host")
    @classmethod
    def _be_a_host(cls, host: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._:-]+", host):
            raise ValueError('should be the name of a server such as "smtp.example.com"')
        return host

    @field_validator("sender", "to")
    @classmethod
    def _be_addresses(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (given,) if isinstance(given, str) else given:
            if not _MAIL_ADDRESS.fullmatch(parseaddr(address)[1]) or not address.isprintable():
                raise ValueError(f'has {address!r}, which is no address such as "me@example.com"')
        return given

    @model_validator(mode="after")
    def _fit_together(self) -> MailSection:
        if (self.username is None) != (self.password is None):
            raise ValueError("needs username and password, or neither")
        if self.password is not None and self.security == "none" and not is_loopback(self.host):
            raise ValueError(
                f"would send the password to {self.host} in the clear: "
                'use security = "starttls" or "tls"'
            )
        return self


class AlertsSection(Section):
    """Who is told, and when."""

    at_risk: Duration = Field(
        "24h", description="unsecured this close to its deadline", validate_default=True
    )
    ping_url: WebAddress | None = Field(
        None, description="told of each run: healthchecks style, or a push address of Uptime Kuma"
    )
    webhook: tuple[WebAddress, ...] = Field(
        (), description="each message is posted to these addresses as JSON"
    )
    apprise: tuple[SecretSource, ...] = Field((), description="apprise addresses (extra)")
    textfile: Path | None = Field(None, description="metrics for node_exporter, after each run")
    mail: MailSection | None = Field(None, description="messages by mail")

    @property
    def name_somebody(self) -> bool:
        """Whether there is anybody to tell anything."""
        single = (self.ping_url, self.textfile, self.mail)
        return any(one is not None for one in single) or bool(self.webhook or self.apprise)
