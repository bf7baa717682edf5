"""Where the objects of a bucket are asked for, and for which region that is signed.

botocore knows the rules: the bucket in the path or in the host's name, regions, dual stack, FIPS,
what an earlier redirect has told. So it is asked once, for a request that it does not send.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from archiver.errors import DestinationUnavailable

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3 import S3Client

_KEY = "object"
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=.*/(?P<region>[^/]+)/s3/aws4_request,")


@dataclass(frozen=True, slots=True)
class Route:
    """`origin` is scheme, host and port; `folder` is what stands before the names of objects."""

    origin: str
    folder: str
    region: str
    user_agent: str


def prepare_routes(client: S3Client) -> None:
    """Have a client show its requests for the head of an object, and send none of them."""
    client.meta.events.register("before-send.s3.HeadObject", _show)


def find_route(client: S3Client, bucket: str) -> Route:
    """Ask a client that was prepared; raises DestinationUnavailable for other ways of signing."""
    try:
        client.head_object(Bucket=bucket, Key=_KEY)
    except _Shown as shown:
        request = shown.request
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    scope = _SCOPE.match(headers.get("authorization", ""))
    if scope is None:
        raise DestinationUnavailable(
            f"bucket {bucket} needs another signature than AWS4-HMAC-SHA256 for S3, which archiver "
            "does not know; use a general purpose bucket"
        )
    parts = urlsplit(request.url)
    return Route(
        origin=f"{parts.scheme}://{parts.netloc}",
        folder=parts.path.removesuffix(f"/{_KEY}"),
        region=scope["region"],
        user_agent=headers["user-agent"],
    )


class _Shown(Exception):
    """No error: the way out of botocore."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        self.request = request


def _show(request: AWSPreparedRequest, **_: Any) -> NoReturn:
    raise _Shown(request)


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value
