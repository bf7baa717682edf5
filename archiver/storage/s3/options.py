"""Config of a destination in an S3 bucket: checked in full before anything starts (promise 8)."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from archiver.errors import KeyInvalid
from archiver.keys import MAX_KEY_BYTES, validate_key
from archiver.options import Size
from archiver.secrets import SecretSource

MIN_PART_BYTES = 5 * 1024**2
MAX_PART_BYTES = 5 * 1024**3
MAX_PREFIX_BYTES = 1024 - MAX_KEY_BYTES - 1
"""A name in S3 has 1,024 bytes at most; the key and a slash come behind the prefix."""


class ObjectLock(BaseModel):
    """How long the store itself refuses to delete a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    mode: Literal["GOVERNANCE", "COMPLIANCE"] = Field(
        description="COMPLIANCE cannot be lifted by anyone, not even by the bucket's owner"
    )
    days: int = Field(ge=1, le=36500, description="days from the moment a file is stored")


class Options(BaseModel):
    """Config of a destination in an S3 bucket."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["s3"] = Field(description="keep files in a bucket of an S3-compatible store")
    bucket: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$",
        description="the bucket; it must exist",
    )
    prefix: str = Field(default="", description="folder inside the bucket that holds all files")
    endpoint_url: str | None = Field(
        default=None, description="address of the store; none means AWS (or $AWS_ENDPOINT_URL_S3)"
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="region of the bucket, where the store asks",
    )
    access_key: SecretSource | None = Field(
        default=None, description="where the access key id is kept; none means boto3's usual chain"
    )
    secret_key: SecretSource | None = Field(
        default=None, description="where the secret key is kept"
    )
    session_token: SecretSource | None = Field(
        default=None, description="where the token of temporary credentials is kept"
    )
    storage_class: str | None = Field(
        default=None,
        pattern=r"^[A-Z][A-Z0-9_]*$",
        description="such as STANDARD_IA; none is the bucket's",
    )
    sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, description="encryption by the store; none is the bucket's own setting"
    )
    kms_key_id: str | None = Field(
        default=None, description="key for sse aws:kms; none is the account's"
    )
    object_lock: ObjectLock | None = Field(
        default=None,
        description="protect every file; the bucket must have been created with object lock",
    )
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="auto is virtual at AWS and path elsewhere"
    )
    checksum: Literal["auto", "when_required", "when_supported"] = Field(
        default="auto",
        description="checksum that is sent along: when_supported is SHA-256, when_required is "
        "Content-MD5, which every store knows; auto is SHA-256 at AWS only",
    )
    part_size: Size = Field(
        default=MIN_PART_BYTES,
        ge=MIN_PART_BYTES,
        le=MAX_PART_BYTES,
        description="a larger file goes up in parts of this size (10,000 at most); all "
        "uploads together hold five parts in memory",
    )
    connections: int = Field(default=32, ge=1, le=1024, description="connections kept open at most")
    allow_http: bool = Field(
        default=False, description="allow a plain http endpoint_url beyond this machine"
    )

    @property
    def place(self) -> str:
        """Where files lie, as a person writes it."""
        return f"s3://{self.bucket}/{self.prefix}"

    @field_validator("prefix")
    @classmethod
    def _end_with_slash(cls, prefix: str) -> str:
        folder = prefix.strip("/")
        if len(folder.encode()) > MAX_PREFIX_BYTES:
            raise ValueError(f"should have {MAX_PREFIX_BYTES} bytes at most")
        return f"{_validate_folder(folder)}/" if folder else ""

    @field_validator("endpoint_url")
    @classmethod
    def _be_an_origin(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError('should be an address such as "https://s3.example.com"')
            if parts.username or parts.query or parts.fragment:
                raise ValueError("should hold no user, query or fragment")
        return url

    @model_validator(mode="after")
    def _fit_together(self) -> Options:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together")
        if self.session_token is not None and self.access_key is None:
            raise ValueError("session_token needs access_key and secret_key")
        if self.kms_key_id is not None and not (self.sse or "").startswith("aws:kms"):
            raise ValueError('kms_key_id needs sse = "aws:kms"')
        if self.endpoint_url and not self.allow_http and not is_private_way(self.endpoint_url):
            raise ValueError(
                "endpoint_url is plain http to another machine: use https, or set allow_http = true"
            )
        return self


def _validate_folder(folder: str) -> str:
    """Return the folder, or raise ValueError as pydantic wants it."""
    try:
        return validate_key(folder)
    except KeyInvalid as error:
        raise ValueError(str(error)) from None


def is_private_way(url: str) -> bool:
    """Tell whether nobody can read along: https, or http that does not leave this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
