"""How a vendor's refusal is sorted, the same for every channel that speaks HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from activities.channels.base import AnswerLostError
from activities.egress import EgressError, EgressLostError, EgressRefusedError, EgressTimedOutError
from domain.errors import DeliveryError, DeliveryReason

_LONGEST_WAIT_SECONDS = 3600.0


def from_egress(error: EgressError) -> DeliveryError:
    """Sort a request to an address that somebody chose, of which no answer came back."""
    if isinstance(error, EgressRefusedError):
        return DeliveryError(DeliveryReason.REJECTED, str(error), retryable=False)
    if isinstance(error, EgressTimedOutError):
        return AnswerLostError(DeliveryReason.TIMED_OUT, str(error))
    if isinstance(error, EgressLostError):
        return AnswerLostError(DeliveryReason.UNREACHABLE, str(error))
    return DeliveryError(DeliveryReason.UNREACHABLE, str(error), retryable=True)


def from_status(vendor: str, status: int, wait: str | None = None, why: str = "") -> DeliveryError:
    """Sort an answer that is no success.

    Args:
        vendor: for the sentence.
        wait: the header `Retry-After`.
        why: what the vendor said; it is told to people, so no secret may stand in it.
    """
    why = " ".join(why.split())[:300]
    detail = f"{vendor} answered {status}" + (f": {why}" if why else "")
    if status in (420, 429):  # 420 is how Statuspage says it
        return DeliveryError(
            DeliveryReason.RATE_LIMITED,
            detail,
            retryable=True,
            retry_after_seconds=retry_after(wait),
        )
    if status in (401, 403):
        return DeliveryError(DeliveryReason.UNAUTHORISED, detail, retryable=False)
    if status >= 500:
        return DeliveryError(
            DeliveryReason.SERVER_ERROR,
            detail,
            retryable=True,
            retry_after_seconds=retry_after(wait),
        )
    return DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)


def retry_after(value: str | None) -> float | None:
    """`Retry-After` as seconds from now; it is a number or a date. At most an hour, never below zero."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        seconds = (at - datetime.now(UTC)).total_seconds()
    if seconds != seconds:
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)


def until(value: str | None) -> str | None:
    """`Retry-After` of a vendor that names the instant instead: ISO 8601, or seconds of the epoch."""
    if not value:
        return None
    try:
        at = float(value)
    except ValueError:
        try:
            at = datetime.fromisoformat(value).timestamp()
        except ValueError:
            return None
    return f"{max(0.0, at - datetime.now(UTC).timestamp()):.0f}"
