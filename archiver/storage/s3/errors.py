"""What the errors of S3 stores and of botocore mean, and what to do about them (promise 8).

Only a store's own code and text are shown, never a request: requests hold signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archiver.errors import (
    CopyDamaged,
    CopyFrozen,
    CopyMissing,
    DestinationError,
    DestinationForbidden,
    DestinationUnavailable,
)
from archiver.redaction import hide_in_text

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_FORBIDDEN = (
    "AccessDenied",
    "AllAccessDisabled",
    "401",
    "Unauthorized",
    "403",
    "Forbidden",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
)
_FROZEN = ("InvalidObjectState", "ObjectNotInActiveTierError")
_KEY_MISSING = ("NoSuchKey", "NotFound", "404", "NoSuchVersion")
_CHANGED_ON_THE_WAY = (
    "BadDigest",
    "InvalidDigest",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
)
_CREATE = "create it: `{}`"
_PERMIT = "let these credentials list the bucket and its multipart uploads, and get and put objects"
_CREDENTIALS = "check access_key, secret_key and session_token"
_REGION = "set region to the bucket's own"
_LATER = "it is tried again later"
_SPACE = "make room or raise the quota"
_HINT_OF_CODE = {
    "NoSuchBucket": _CREATE,
    "NotFound": _CREATE,
    "404": _CREATE,
    "AccessDenied": _PERMIT,
    "AllAccessDisabled": _PERMIT,
    "401": _CREDENTIALS,
    "Unauthorized": _CREDENTIALS,
    "403": f"{_PERMIT}; {_CREDENTIALS}",
    "Forbidden": f"{_PERMIT}; {_CREDENTIALS}",
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "ExpiredToken": "the temporary credentials have run out: get new ones",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "SlowDown": _LATER,
    "InternalError": _LATER,
    "ServiceUnavailable": _LATER,
    "QuotaExceeded": _SPACE,
    "XMinioStorageFull": _SPACE,
    "InvalidStorageClass": "the store does not know this storage_class",
    "ConditionalRequestConflict": _LATER,
    "OperationAborted": _LATER,
}
_HINT_OF_CLASS = {
    "NoCredentialsError": "set access_key and secret_key, or give boto3's chain some",
    "PartialCredentialsError": _CREDENTIALS,
    "CredentialRetrievalError": _CREDENTIALS,
    "ProfileNotFound": "check $AWS_PROFILE",
    "NoRegionError": _REGION,
    "SSLError": "check the store's certificate, or $AWS_CA_BUNDLE for one of your own",
    "ProxyConnectionError": "check $HTTPS_PROXY and $NO_PROXY",
    "EndpointConnectionError": "check endpoint_url, the network and that the store is up",
    "ConnectTimeoutError": "check endpoint_url, the network and that the store is up",
}


@dataclass(frozen=True, slots=True)
class Where:
    """A bucket, as messages name it."""

    destination: str
    bucket: str
    endpoint_url: str | None

    def __str__(self) -> str:
        return f"{self.destination}: bucket {self.bucket} at {self.endpoint_url or 'AWS'}"

    @property
    def create_command(self) -> str:
        """What a person may type when the bucket is missing."""
        endpoint = f" --endpoint-url {self.endpoint_url}" if self.endpoint_url else ""
        return f"aws s3api create-bucket --bucket {self.bucket}{endpoint}"


@contextmanager
def s3_errors(where: Where, key: str | None = None) -> Iterator[None]:
    """Turn every error of a request into one of ours; `key` is the file it was about."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise _explain_answer(error, where, key) from error
    except RecursionError as error:  # botocore follows redirects between regions without end
        raise DestinationUnavailable(f"{where}: redirects in circles; {_REGION}") from error
    except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
        kind = type(error).__name__
        hint = _HINT_OF_CLASS.get(kind, _LATER)
        reason = hide_in_text(str(error)) or kind
        refusal = DestinationForbidden if kind in _FORBIDDEN else DestinationUnavailable
        raise refusal(f"{where}: {reason}; {hint}") from error


def code_of(error: ClientError) -> str:
    """Return the store's word for an error, or the HTTP status where there is none."""
    return str(error.response.get("Error", {}).get("Code") or _status_of(error) or "unknown")


def _status_of(error: ClientError) -> int | None:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")


def _explain_answer(error: ClientError, where: Where, key: str | None) -> DestinationError:
    code, status = code_of(error), _status_of(error)
    if key is not None and code in _KEY_MISSING:
        return CopyMissing(f"{where}: there is no {key}", http_status=status)
    if code in _CHANGED_ON_THE_WAY:
        return CopyDamaged(
            f"{where}: {key} did not arrive as it was sent ({code}); nothing was stored",
            http_status=status,
        )
    if key is not None and code in _FROZEN:
        return CopyFrozen(
            f"{where}: {key} lies in an archive tier; ask for it with `--request-thaw`, and run "
            "the same again some hours later",
            http_status=status,
        )
    text = hide_in_text(str(error.response.get("Error", {}).get("Message") or "")).strip(" .")
    answer = f"{code}: {text}" if text and text != code else code
    fallback = (
        _LATER if status is None or status >= 500 else "check the options of this destination"
    )
    hint = _HINT_OF_CODE.get(code, fallback).format(where.create_command)
    refusal = DestinationForbidden if code in _FORBIDDEN else DestinationUnavailable
    return refusal(f"{where}: {answer}; {hint}", http_status=status)
