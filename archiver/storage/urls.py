"""Opens a destination by its address alone: `restore --from` works without a config."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from archiver.errors import ConfigInvalid
from archiver.storage.base import Destination
from archiver.storage.local import destination as local
from archiver.storage.s3 import destination as s3


def open_url(
    url: str, *, endpoint_url: str | None = None, region: str | None = None
) -> Destination:
    """Open a directory, a `file:///…` or an `s3://bucket/prefix` address.

    Credentials come from boto3's usual chain. Raises ConfigInvalid for any other address.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme == "s3":
        return _open_s3(url, endpoint_url, region)
    if endpoint_url or region:
        raise ConfigInvalid(f"an endpoint and a region belong to s3:// addresses, not to {url}")
    if scheme not in ("", "file") or not url:
        raise ConfigInvalid(f"{url!r} is no directory, file:/// or s3://bucket/prefix address")
    return local.open_destination(url, local.Options(type="local", path=_make_path(url)))


def _make_path(url: str) -> Path:
    if "://" not in url:
        try:
            return Path(url).expanduser()
        except RuntimeError as error:  # "~nobody/archive"
            raise ConfigInvalid(f"{url!r} is no path: {error}") from None
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise ConfigInvalid(f"{url} leads to another machine; a path starts with file:///")
    return Path(unquote(parts.path))


def _open_s3(url: str, endpoint_url: str | None, region: str | None) -> Destination:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    try:
        options = s3.Options(
            type="s3", bucket=bucket, prefix=prefix, endpoint_url=endpoint_url, region=region
        )
    except ValidationError as error:
        problems = tuple(
            f"{'.'.join(map(str, found['loc'])) or 'address'}: {found['msg']}"
            for found in error.errors()
        )
        raise ConfigInvalid(f"{url} cannot be opened", problems) from None
    return s3.open_destination(url, options)
