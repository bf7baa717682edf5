"""Looks at everything that an archive needs, and says what is wrong and what to do (promise 9).

Nothing is changed: no index or marker is made, no counter counts, a provider is asked for one page
of its history, and what is put at a destination is removed again. No lock is needed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from archiver.actions.doctoring.finding import About, Finding, Findings, Verdict
from archiver.errors import ArchiverError

_FIX_SLOW = "see whether it answers by hand; --timeout lets doctor wait longer"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to be looked at: its name, how that is done, and what it costs to give up."""

    name: str
    examine: Callable[[About], Findings]
    when_given_up: str = ""


def doctor(
    subjects: Sequence[Subject], last: Sequence[Subject], patience_seconds: float
) -> Iterator[Finding]:
    """Look at all subjects at once, then at those that need what the others found.

    The findings of one subject come together, when it ends. One that has not ended when the
    patience is over is a finding itself, behind what it did find, and is left behind.
    """
    yield from _examine_all(subjects, patience_seconds)
    yield from _examine_all(last, patience_seconds)


def _examine_all(subjects: Sequence[Subject], patience_seconds: float) -> Iterator[Finding]:
    examinations = [_Examination(subject) for subject in subjects]
    ended: SimpleQueue[_Examination] = SimpleQueue()
    for one in examinations:
        # Daemons: one that hangs keeps neither the report nor the process.
        threading.Thread(target=one.run, args=(ended,), name=one.subject.name, daemon=True).start()
    give_up_at = time.monotonic() + patience_seconds
    waiting = list(examinations)
    while waiting:
        try:
            one = ended.get(timeout=max(0.0, give_up_at - time.monotonic()))
        except Empty:
            break
        waiting.remove(one)
        yield from one.report()
    for one in waiting:
        yield from one.report()
        told = f"did not end within {patience_seconds:.0f} seconds{one.subject.when_given_up}"
        yield one.about.problem("time", told, _FIX_SLOW)


class _Examination:
    """One subject under examination, in a thread of its own."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.about = About(subject.name)
        self._findings: list[Finding] = []
        self._bug: Exception | None = None

    def run(self, ended: SimpleQueue[_Examination]) -> None:
        """Collect the findings; what fails is a finding too."""
        try:
            for finding in self.subject.examine(self.about):
                self._findings.append(finding)  # what came before an error counts
        except ArchiverError as error:
            self._findings.append(self.about.failure("check", error, "see the message"))
        except OSError as error:
            message = f"{error.filename or 'the system'}: {error.strerror or error}"
            fix = "let the user that runs archiver use it"
            self._findings.append(self.about.problem("check", message, fix))
        except Exception as error:
            self._bug = error
        ended.put(self)

    def report(self) -> Iterator[Finding]:
        """Give back what was found until now; raises what is a mistake of ours."""
        yield from tuple(self._findings)
        if self._bug is not None:
            raise self._bug


def is_well(findings: Sequence[Finding]) -> bool:
    """Tell whether nothing is broken; warnings do not count."""
    return all(finding.verdict is not Verdict.PROBLEM for finding in findings)
