"""Every error the product raises, and the exit code each leads to.

ArchiverError                       1   failed
├── ConfigInvalid                   78  the config cannot be used; all its mistakes at once
├── ArchiveMissing                  10  an archive or index that should be there is not
├── IndexUnavailable                1   the index cannot be read or written just now
├── LockHeld                        11  another run is at work
├── AddressInUse                    1   where the daemon should listen, another program does
├── Interrupted                     130 somebody asked it to stop (143 for SIGTERM)
├── MessageNotSent                  1   an alert or a ping did not arrive
├── ProviderError                   3   one account's API
│   ├── CredentialsRejected         12  the provider refuses the key
│   ├── RateLimited                     asked too often; says when to come back
│   ├── ProviderUnavailable             no answer, or a 5xx
│   ├── AnswerInvalid                   an answer that is not what the API promises
│   ├── MakingUncertain                 it may or may not be making what it was asked for
│   └── GenerationNotFound              the provider does not know this id
├── MediaError                      3   one file of one generation
│   ├── LinkRefused                     401, 403, 404 or 410 on a media link
│   ├── MediaUnavailable                no answer, a 5xx, or a broken connection
│   ├── MediaRejected                   an answer that is not the whole file
│   └── AddressForbidden                a link to where no link may lead
└── DestinationError                3   one destination
    ├── DestinationUnavailable          cannot be reached or written just now
    │   └── DestinationForbidden    12  refuses the credentials, or has none to try
    ├── CopyMissing                     holds no such file
    ├── CopyExists                      holds a file where a new one was to be made
    ├── CopyFrozen                      lies in an archive tier and must be thawed first
    ├── CopyDamaged                     holds something else than was stored
    │   └── SidecarTooNew               a sidecar of a format that only a newer archiver reads
    └── KeyInvalid                      a name that no destination may hold

Two questions decide what happens next, and each class answers them: `is_transient` (the same
call may succeed later, after `retry_after_seconds` when that is known), and whose fault it is
(the branch of the tree). A message says what happened, to which item, and what to do.
"""

from __future__ import annotations

import re


class ArchiverError(Exception):
    """The root: one message for a person, one exit code for a script."""

    exit_code = 1
    is_transient = False

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.http_status = http_status

    @property
    def label(self) -> str:
        """The class in the words of metrics, such as `link_refused`: one of a small closed set."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()


class ConfigInvalid(ArchiverError):
    """The config cannot be used. `problems` lists every mistake, one line each."""

    exit_code = 78

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((message, *(f"  {problem}" for problem in problems))))
        self.problems = problems


class ArchiveMissing(ArchiverError):
    """An archive or an index that should be there is not."""

    exit_code = 10


class IndexUnavailable(ArchiverError):
    """The index cannot be read or written just now: its disk is full, failing or locked."""

    is_transient = True


class LockHeld(ArchiverError):
    """Another run is at work on the same state directory."""

    exit_code = 11


class AddressInUse(ArchiverError):
    """The address at which the daemon should listen cannot be had."""

    is_transient = True


class Interrupted(ArchiverError):
    """Somebody asked the program to stop: Ctrl-C, or a service manager."""

    exit_code = 130


class MessageNotSent(ArchiverError):
    """An alert or a ping did not arrive, as far as is known. It never ends a run."""


class ProviderError(ArchiverError):
    """Something about one account's API; the other accounts go on."""

    exit_code = 3


class CredentialsRejected(ProviderError):
    """The provider refuses the key: no retry helps, a person must act."""

    exit_code = 12


class RateLimited(ProviderError):
    """The provider, or our own budget, says not now."""

    is_transient = True


class ProviderUnavailable(ProviderError):
    """No connection, no answer in time, or a 5xx."""

    is_transient = True


class AnswerInvalid(ProviderError):
    """An answer that is not what the API promises: HTML for JSON, a missing field."""


class MakingUncertain(ProviderError):
    """The provider was asked to make something, and nobody knows whether it does.

    The same request is never sent again by itself: it could be made, and paid for, twice.
    """

    label = "uncertain"


class GenerationNotFound(ProviderError):
    """The provider does not know this generation (any more)."""


class MediaError(ArchiverError):
    """Something about one file; the other files go on."""

    exit_code = 3


class LinkRefused(MediaError):
    """The media host refuses the link: a fresh one may work, once."""


class MediaUnavailable(MediaError):
    """No connection, a 5xx, or a body that broke off and could not be resumed."""

    is_transient = True


class MediaRejected(MediaError):
    """The answer is not the whole file: an error page, a cut container, a wrong length."""

    is_transient = True


class AddressForbidden(MediaError):
    """A link that leads to a private address, another scheme or too many redirects."""


class DestinationError(ArchiverError):
    """Something about one destination; the others go on."""

    exit_code = 3


class DestinationUnavailable(DestinationError):
    """Cannot be reached or written just now: down, full, read-only, forbidden."""

    is_transient = True


class DestinationForbidden(DestinationUnavailable):
    """The store refuses the credentials, or what they may do: a person must act.

    A command that needs this one place ends with 12. A run leaves it out like one that is down.
    """

    exit_code = 12
    is_transient = False


class CopyMissing(DestinationError):
    """The destination holds no file under that key."""


class CopyExists(DestinationError):
    """The destination holds a file where a new one was to be made; it was left alone."""


class CopyFrozen(DestinationError):
    """The file lies in an archive tier: it can be read some hours after a thaw was asked for."""

    is_transient = True


class CopyDamaged(DestinationError):
    """What the destination holds, or took, is not what was meant."""


class SidecarTooNew(CopyDamaged):
    """A newer archiver wrote this sidecar: it may say more than this one could ever write."""


class KeyInvalid(DestinationError):
    """A key that could leave the root or that some file system cannot hold."""
