"""A finding: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from archiver.errors import ArchiverError, ProviderError

_NO_ADVICE = "; the next run tries again"
_LATER = "it is tried again later"


class Verdict(StrEnum):
    """How a thing is. Only a problem makes `doctor` fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. What is not ok has a `fix`."""

    subject: str
    check: str
    verdict: Verdict
    message: str
    fix: str = ""


Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class About:
    """Makes the findings about one subject, such as "destination vault"."""

    subject: str

    def ok(self, check: str, message: str) -> Finding:
        """Say that something is well."""
        return self._make(check, Verdict.OK, message, "")

    def warning(self, check: str, message: str, fix: str) -> Finding:
        """Say that something works, but not as well as it should, or not for long."""
        return self._make(check, Verdict.WARNING, message, fix)

    def problem(self, check: str, message: str, fix: str) -> Finding:
        """Say that something does not work."""
        return self._make(check, Verdict.PROBLEM, message, fix)

    def failure(self, check: str, error: ArchiverError, fix: str) -> Finding:
        """Say what an error says. Its own advice, behind a semicolon, comes before `fix`.

        A provider's own words may hold a semicolon too, so of its errors only the text is taken.
        """
        name = self.subject.rpartition(" ")[2]
        message, _, advice = str(error).removeprefix(f"{name}: ").partition("; ")
        if isinstance(error, ProviderError):
            message, advice = str(error).removesuffix(_NO_ADVICE), ""
        return self.problem(check, message, fix if advice in ("", _LATER) else advice)

    def _make(self, check: str, verdict: Verdict, message: str, fix: str) -> Finding:
        return Finding(subject=self.subject, check=check, verdict=verdict, message=message, fix=fix)
