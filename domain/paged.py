"""One person who is being paged: their planned contacts, which of these went out, and what comes next.

The plan is made when the step is resolved (`contact_rules.py`). Here is what happens to it: a contact
goes out when its wait is over, or at once when the one before fails; one that arrived makes those
before it needless. Every instant is absolute, so that an outage and a roll-over resume right.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel

from domain.messages import PlannedContact

FAILING_AT_ATTEMPT = 2
"""From this attempt on a contact counts as failed, though it is still retried: 2 s are no outage."""
CONFIRM_WITHIN = timedelta(seconds=60)
"""A vendor that promised a receipt and sends none for so long: the page is unconfirmed."""


class PagedPerson(BaseModel):
    """One person of a step and what became of each of their planned contacts."""

    person: str
    channels: list[str]
    plan: list[PlannedContact] = []
    tried: int = 1
    """How many of the contacts have been started, in order."""
    failed: int = 0
    """How many of them failed for good."""
    failing: list[int] = []
    """Those that failed more than once and are being retried."""
    arrived: list[int] = []
    """Those over which a page left, as far as is known."""
    sent: bool = False
    next_at: datetime | None = None
    """When the next planned contact goes out without an acknowledgement; None: only when one fails."""
    is_quiet: bool = False
    """They have acknowledged; others still have to."""
    round: int = 1
    step: str = ""
    """Label of the step that pages them: `s2`, or `catch-all`."""

    @property
    def is_unreachable(self) -> bool:
        """Nothing left, and every contact failed: some of them are perhaps retried."""
        return not self.sent and self.failed + len(self.failing) >= len(self.channels)

    @property
    def is_given_up(self) -> bool:
        """Every contact failed for good."""
        return not self.sent and self.failed >= len(self.channels)

    def wait_before(self, position: int) -> timedelta | None:
        """The planned wait before a contact; None when it is only for the failure of others."""
        seconds = self.plan[position].after_seconds if position < len(self.plan) else None
        return timedelta(seconds=seconds) if seconds is not None else None

    def end_of_group(self, position: int) -> int:
        """Last of the contacts that go out together with one."""
        while position + 1 < len(self.channels) and self.wait_before(position + 1) == timedelta(0):
            position += 1
        return position

    def start_of_group(self, position: int) -> int:
        """First of the contacts that go out together with one."""
        while position > 0 and self.wait_before(position) == timedelta(0):
            position -= 1
        return position

    def begin(self, at: datetime) -> None:
        """The step is paged now: the first contacts go out, or wait as planned."""
        first = self.wait_before(0)
        if first:
            self.tried, self.next_at = 0, at + first
        else:
            self.start(0, at)

    def start(self, position: int, at: datetime) -> None:
        """A contact goes out now, with those that are planned beside it."""
        self.tried = max(self.tried, self.end_of_group(position) + 1)
        self._plan_next(at)

    def next_after_failure(self, position: int) -> int | None:
        """The contact to start now because one failed or is unconfirmed; None when it is out already."""
        is_last_started = self.end_of_group(position) + 1 >= self.tried
        has_more = self.tried < len(self.channels)
        return self.tried if is_last_started and has_more and not self.is_quiet else None

    def overtaken(self, now: datetime) -> list[int]:
        """The contacts whose time has come, in order: after an outage only the last goes out."""
        found: list[int] = []
        position, at = self.tried, self.next_at
        while at is not None and at <= now and position < len(self.channels):
            found.append(position)
            position = self.end_of_group(position) + 1
            wait = self.wait_before(position)
            at = at + wait if wait is not None else None
        return found

    def arrive(self, position: int, at: datetime) -> None:
        """A page left over one contact: what failure had brought forward waits its turn again."""
        self.sent = True
        self.arrived = sorted({*self.arrived, position})
        self.failing = [other for other in self.failing if other != position]
        end = self.end_of_group(position)
        if self.tried > end + 1 and self.arrived[-1] <= end:
            self.tried = end + 1
            self._plan_next(at)

    def fail(self, position: int, *, is_final: bool, attempt: int) -> None:
        """An attempt failed, or a vendor says that what left has not arrived."""
        self.arrived = [other for other in self.arrived if other != position]
        self.sent = self.sent and bool(self.arrived)
        if is_final:
            self.failed += 1
            self.failing = [other for other in self.failing if other != position]
        elif attempt >= FAILING_AT_ATTEMPT and position not in self.failing:
            self.failing.append(position)

    def needs(self, position: int) -> bool:
        """Whether a contact that fails is worth a retry: nothing as strong has arrived."""
        first = self.start_of_group(position)
        return not self.is_quiet and max(self.arrived, default=-1) < first

    def go_quiet(self) -> None:
        """They have answered: nothing more goes out to them."""
        self.is_quiet, self.next_at = True, None

    def _plan_next(self, at: datetime) -> None:
        wait = self.wait_before(self.tried) if self.tried < len(self.channels) else None
        self.next_at = at + wait if wait is not None and not self.is_quiet else None


class AwaitedReceipt(BaseModel):
    """A page that left and whose vendor will say whether it has arrived."""

    run: str
    person: str
    channel: str
    contact: int
    """Position in the person's plan."""
    round: int
    step: str
    sent_at: datetime
    bundle: str | None = None
    """Id of the message that held it with the pages of other incidents."""
    confirm_by: datetime | None = None
    """Then it counts as unconfirmed; None once it has."""


class DeliveryReceipt(BaseModel):
    """What a vendor posted. Body of the signal `delivery_receipt`."""

    key: str
    state: str
    """`delivered` or `failed`; anything else is no news."""
    detail: str = ""
