"""Every error of the rules, as one tree. No HTTP status and no exit code here: API and CLI map them.

TocsinError
  ├── IncidentError            somebody asked for something that cannot be done
  │     ├── TransitionError    the state forbids it
  │     ├── UnknownNameError   a person, service, role, … that the policy does not have
  │     ├── CommandError       a body of the wrong shape
  │     ├── ConflictError      it contradicts what somebody else has already decided
  │     ├── ActorRequiredError the command needs to know who acts
  │     └── ForbiddenError     whoever asks may not do that
  ├── PolicyError              the policy file has mistakes
  ├── IntakeError              an alert payload that is not even its own format
  └── DeliveryError            a message did not go out
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """One mistake in something a person wrote: where it stands, what is wrong, what to do."""

    model_config = ConfigDict(frozen=True)

    where: str
    """A path such as `services.checkout.team`, or a JSON pointer for request bodies."""
    detail: str
    near: tuple[str, ...] = ()
    """The nearest valid names, best first."""
    file: str = ""
    line: int | None = None
    warning: bool = False

    def __str__(self) -> str:
        place = (
            f"{self.file}:{self.line}: " if self.line else (f"{self.file}: " if self.file else "")
        )
        hint = f"; did you mean {' or '.join(self.near)}?" if self.near else ""
        return f"{place}{self.where}: {self.detail}{hint}"


class TocsinError(Exception):
    """Base of all."""


class IncidentError(TocsinError):
    """Base of what a responder can cause."""

    def problems(self) -> list[Problem]:
        """The mistakes in the form that the API and the CLI print."""
        return [Problem(where="", detail=str(self))]


class TransitionError(IncidentError):
    """The incident's state forbids the command. Not retried: it stays wrong until the state changes."""

    def __init__(self, command: str, status: str, allowed: Sequence[str], why: str = "") -> None:
        self.command, self.status, self.allowed = command, status, list(allowed)
        reason = why or f"{command} is not possible while the incident is {status}"
        super().__init__(f"{reason}; allowed now: {', '.join(allowed) or 'nothing'}")


class UnknownNameError(IncidentError):
    """A name that the policy does not have. Not retried."""

    def __init__(self, kind: str, name: str, near: Sequence[str] = (), field: str = "") -> None:
        self.kind, self.name, self.near, self.field = kind, name, tuple(near), field
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}")

    def problems(self) -> list[Problem]:
        detail = f"unknown {self.kind} {self.name!r}"
        return [Problem(where=f"/{self.field}", detail=detail, near=self.near)]


class CommandError(IncidentError):
    """A command body of the wrong shape. Not retried."""

    def __init__(self, command: str, problems: Sequence[Problem]) -> None:
        self.command, self._problems = command, list(problems)
        super().__init__(f"{command}: " + "; ".join(f"{p.where} {p.detail}" for p in problems))

    def problems(self) -> list[Problem]:
        return self._problems


class ConflictError(IncidentError):
    """It contradicts something that is there already. Not retried: one of the two has to go first."""

    def __init__(self, detail: str, where: str = "") -> None:
        self._where = where
        super().__init__(detail)

    def problems(self) -> list[Problem]:
        return [Problem(where=self._where, detail=str(self))]


class ActorRequiredError(IncidentError):
    """The command says who does it, so it cannot come from the operator."""

    def __init__(self, command: str) -> None:
        super().__init__(f"{command} needs `actor`: the person who does it")

    def problems(self) -> list[Problem]:
        return [Problem(where="/actor", detail=str(self))]


class ForbiddenError(IncidentError):
    """Whoever asks may not do that: a role is missing, or nobody signed for it. Not retried."""


class PolicyError(TocsinError):
    """The policy has mistakes; carries all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class IntakeError(TocsinError):
    """A payload that is not the format it claims to be; the sender gets a 400."""


class DeliveryReason(StrEnum):
    """Why a message did not go out. A closed list: it becomes facts and metric labels."""

    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    UNAUTHORISED = "unauthorised"
    TIMED_OUT = "timed_out"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    NOT_CONFIGURED = "not_configured"
    NO_CONTACT = "no_contact"


class DeliveryError(TocsinError):
    """A channel could not send.

    Args:
        reason: one of `DeliveryReason`.
        retryable: whether the same message may succeed later.
        retry_after_seconds: what the vendor asked for, if it did.
    """

    def __init__(
        self,
        reason: DeliveryReason,
        detail: str,
        *,
        retryable: bool,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.reason, self.detail = reason, detail
        self.retryable, self.retry_after_seconds = retryable, retry_after_seconds
        super().__init__(f"{reason}: {detail}")


REFUSALS = (
    "TransitionError",
    "UnknownNameError",
    "CommandError",
    "ConflictError",
    "ActorRequiredError",
    "ForbiddenError",
)
"""Names as Temporal sees them: it matches error types by name, not by inheritance."""
