"""The one door to the workflows: declare, command, report, read. Used by the API.

An answer comes within two seconds, or what was asked is left as a signal under the same key and the
caller hears that it was accepted. The workflows count update and signal of one key once. How a call is
made and repeated is `temporal_link.py`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from domain.alert import Alert, AlertStatus
from domain.errors import TransitionError
from domain.grouping import rule_of
from domain.incident import Status
from domain.names import nearest
from domain.timeline import Entry
from records.database import RecordsUnavailableError
from records.policy_store import PolicyStore
from records.reads import TIMELINE_LIMIT
from starter.hastening import Hastening
from starter.page_check import PageCheck
from starter.records_access import RecordsAccess, View
from starter.temporal_link import (
    GatewayUnavailableError,
    NotAnsweredError,
    TemporalLink,
    WorkflowGoneError,
)
from workflows.contract import ReportBatch, postmortem_id

INCIDENT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}-[1-9][0-9]{0,17}")
OVER = (Status.CLOSED, Status.CANCELLED)
_ENTRIES = TypeAdapter(list[Entry])


class Answered(BaseModel):
    """It was done: the view afterwards."""

    view: View


class Accepted(BaseModel):
    """It is kept and will be done when a worker is up."""

    id: str | None = None
    """The incident, where it is known already."""


class NoSuchIncidentError(LookupError):
    """Nobody ever knew an incident, or a postmortem, of this id."""


def is_incident_id(text: str) -> bool:
    """Whether it can name an incident; everything else never reaches Temporal."""
    return INCIDENT_ID.fullmatch(text) is not None


class Gateway:
    """Speaks to desks, incidents and postmortems for the outside.

    Every method raises `GatewayUnavailableError` when Temporal takes nothing, and `RefusedError` when a
    workflow says no.
    """

    def __init__(
        self,
        link: TemporalLink,
        records: RecordsAccess,
        policies: PolicyStore,
        pager: PageCheck | None = None,
    ) -> None:
        self._link, self.records, self.policies = link, records, policies
        self.pager = pager
        self._hastening = Hastening(link)

    @property
    def link(self) -> TemporalLink:
        """For what is no incident: desks' windows, monitors."""
        return self._link

    async def is_reachable(self) -> bool:
        return await self._link.is_reachable()

    async def declare(self, body: dict[str, Any], key: str | None = None) -> Answered | Accepted:
        """Raise an incident. The names in the body have been checked.

        Args:
            body: fields of `Declare` with `actor`.
            key: the caller's own id; the same one answers the same incident.
        """
        key = key or str(uuid.uuid4())
        body, service = {**body, "key": key}, str(body["service"])
        await self._hastening.before(service, is_urgent=True)
        try:
            answer = await self._link.update_desk(service, "declare", body, key)
        except NotAnsweredError:
            await self._link.signal_desk(service, "declare", body)
            return Accepted()
        incident_id = str(answer["id"])
        try:
            view = await self._link.query(incident_id, "status")
        except (NotAnsweredError, WorkflowGoneError, GatewayUnavailableError):
            return Accepted(id=incident_id)
        await self.records.store_incident(view)
        return Answered(view=view)

    async def command(
        self, incident_id: str, name: str, body: dict[str, Any], key: str | None = None
    ) -> Answered | Accepted:
        """Give an incident a command.

        Raises:
            TransitionError: it is over. Not retried.
            NoSuchIncidentError: there never was one. Not retried.
        """
        self._require_incident_id(incident_id)
        # One key on two different commands is two wishes.
        key = f"{name}/{key or uuid.uuid4()}"
        try:
            view = await self._send(incident_id, name, body, key)
        except WorkflowGoneError:
            return await self._answer_without_workflow(incident_id, name, key)
        if view is None:
            return Accepted()
        await self.records.store_incident(view)
        return Answered(view=view)

    async def postmortem_command(
        self, incident_id: str, name: str, body: dict[str, Any], key: str | None = None
    ) -> Answered | Accepted:
        """Give an incident's postmortem a command.

        Raises:
            TransitionError: it is closed. Not retried.
            NoSuchIncidentError: there is none. Not retried.
        """
        self._require_incident_id(incident_id)
        # One key on two different commands is two wishes.
        key = f"{name}/{key or uuid.uuid4()}"
        timeline_id = postmortem_id(incident_id)
        try:
            view = await self._send(timeline_id, name, body, key)
        except WorkflowGoneError:
            known = await self.records.read(self.records.reader.postmortem, incident_id)
            if known is None:
                raise NoSuchIncidentError(f"{incident_id} has no postmortem") from None
            is_what_it_is = name == "close" and known.get("status") == "closed"
            if is_what_it_is or await self._was_answered(timeline_id, key):
                return Answered(view=known)
            status = str(known.get("status"))
            why = f"{name} is not possible: the postmortem is {status} and its workflow is gone"
            raise TransitionError(name, status, [], why=why) from None
        if view is None:
            return Accepted()
        await self.records.store_postmortem(incident_id, view)
        return Answered(view=view)

    async def report(self, service: str, alerts: Sequence[Alert], key: str | None = None) -> None:
        """Hand alerts to a service's desk. Returns when Temporal has them."""
        _, policy = self.policies.current()
        known = policy.service(service)
        batch = ReportBatch(
            key=key or str(uuid.uuid4()),
            alerts=list(alerts),
            fold=known.fold,
            rule=rule_of(known),
        )
        worst, usual = next(iter(policy.severities)), policy.organisation.default_severity
        is_urgent = any(
            alert.status is AlertStatus.FIRING and (alert.severity or usual) == worst
            for alert in alerts
        )
        await self._hastening.before(service, is_urgent=is_urgent)
        # What goes without saying is not sent: a storm's alerts are half as long, here and in the history.
        body = batch.model_dump(mode="json", exclude_defaults=True)
        await self._link.signal_desk(service, "report", body)

    async def page_runs(self, incident_id: str) -> list[dict[str, Any]] | None:
        """The page runs of an incident, as its workflow has them; None where none answers."""
        if not is_incident_id(incident_id):
            return None
        try:
            return list(await self._link.query(incident_id, "pages"))
        except (NotAnsweredError, WorkflowGoneError, GatewayUnavailableError):
            return None

    async def receipt(self, incident_id: str, key: str, state: str, detail: str) -> bool:
        """Hand over what a vendor says became of a page; False where the incident is gone.

        Args:
            state: `delivered` or `failed`.
        """
        self._require_incident_id(incident_id)
        known = await self._tell_receipt(incident_id, key, state, detail)
        # One message may have held the pages of several incidents; the vendor knows of one.
        try:
            others = await self.records.read_if_up(self.records.reader.bundled_with, key)
        except RecordsUnavailableError:
            others = []  # they hear nothing, and try the next contact
        for other, its_key in others:
            await self._tell_receipt(other, its_key, state, detail)
        return known

    async def _tell_receipt(self, incident_id: str, key: str, state: str, detail: str) -> bool:
        body = {"key": key, "state": state, "detail": detail}
        try:
            await self._link.signal(incident_id, "delivery_receipt", body)
        except WorkflowGoneError:
            return False
        return True

    async def set_contact(self, person: str, channel: str, enabled: bool) -> None:
        """Switch a person's contacts of one channel off or on; the roster keeps it."""
        body = {"person": person, "channel": channel, "enabled": enabled, "actor": person}
        await self.change_roster("set_contact", body, str(uuid.uuid4()))

    async def change_roster(
        self, name: str, body: dict[str, Any], key: str
    ) -> dict[str, Any] | None:
        """Change overrides, temporary schedules or contacts; None when no worker is up and it was left.

        Args:
            name: one of `domain.roster_changes.ROSTER_CHANGES`.
        """
        body = {**body, "key": key}
        try:
            answer: dict[str, Any] = await self._link.update_roster(name, body, f"{name}/{key}")
        except NotAnsweredError:
            await self._link.signal_roster(name, body)
            return None
        return answer

    async def refresh_calendars(self) -> None:
        """Have the calendar feeds of the policy in force read now, where there are any."""
        schedules = self.policies.current()[1].schedules.values()
        if any(one.calendar is not None and one.calendar.url for one in schedules):
            await self._link.signal_roster("refresh", {})

    async def incident(self, incident_id: str) -> View:
        """One incident, from its workflow; from the records where it does not answer.

        Raises:
            NoSuchIncidentError: there never was one.
            RecordsUnavailableError: neither answers.
        """
        self._require_incident_id(incident_id)
        stored, failure = await self._stored(incident_id)
        if stored is not None and stored["status"] in OVER:
            return stored
        try:
            view: View = await self._link.query(incident_id, "status")
        except WorkflowGoneError:
            view = {}
        except (NotAnsweredError, GatewayUnavailableError):
            if stored is None and failure is None:
                # The records know nothing of it and nobody answers: it may be a moment old.
                raise
            view = {}
        if view and stored is not None and view["version"] >= stored["version"]:
            return view | {"rank": stored["rank"]}  # the records rank as of now
        if view and stored is None:
            return view
        if stored is None:
            raise failure or NoSuchIncidentError(f"unknown incident {incident_id}")
        return stored

    async def timeline(
        self, incident_id: str, after: int = 0, limit: int = TIMELINE_LIMIT
    ) -> tuple[list[Entry], int | None]:
        """Facts after the one numbered `after`, and the number to go on from when there are more.

        Raises:
            NoSuchIncidentError: there never was such an incident.
            RecordsUnavailableError: neither the records nor the workflow answer.
        """
        self._require_incident_id(incident_id)
        limit = max(1, min(limit, TIMELINE_LIMIT))
        # The workflow first: what it forgets in between is in the records by then.
        running = await self._facts_of_workflow(incident_id)
        try:
            recorded = await self.records.read_if_up(
                self.records.reader.timeline, incident_id, after, limit
            )
        except RecordsUnavailableError:
            if running is None:
                raise
            recorded = []
        if running is None and not recorded and (await self._stored(incident_id))[0] is None:
            raise NoSuchIncidentError(f"unknown incident {incident_id}")
        merged = {entry.seq: entry for entry in running or [] if entry.seq > after}
        merged |= {entry.seq: entry for entry in recorded}
        page = [merged[seq] for seq in sorted(merged)][:limit]
        has_more = len(merged) > limit or (
            len(recorded) == limit and await self._has_more(incident_id, page[-1].seq)
        )
        return page, page[-1].seq if has_more else None

    async def near_ids(self, text: str) -> tuple[str, ...]:
        """Ids of open incidents that look like what somebody asked for; none while the records are away."""
        try:
            rows = await self.records.read_if_up(self.records.reader.open_incidents)
        except RecordsUnavailableError:
            return ()
        return nearest(text, [row.id for row in rows])

    async def whole_timeline(self, incident_id: str) -> list[Entry]:
        """Every fact. Raises as `timeline`."""
        entries: list[Entry] = []
        after: int | None = 0
        while after is not None:
            page, after = await self.timeline(incident_id, after)
            entries += page
        return entries

    async def postmortem(self, incident_id: str) -> View:
        """The postmortem of an incident.

        Raises:
            NoSuchIncidentError: it has none.
            RecordsUnavailableError: neither the records nor the workflow answer.
        """
        self._require_incident_id(incident_id)
        try:
            view: View = await self._link.query(postmortem_id(incident_id), "status")
            return view
        except (NotAnsweredError, WorkflowGoneError, GatewayUnavailableError):
            stored = await self.records.read(self.records.reader.postmortem, incident_id)
        if stored is None:
            raise NoSuchIncidentError(f"{incident_id} has no postmortem")
        return stored

    async def _send(
        self, workflow_id: str, name: str, body: dict[str, Any], key: str
    ) -> View | None:
        """The view that a command was answered with; None when it was left as a signal."""
        body = {**body, "key": key}
        try:
            view: View = await self._link.update(workflow_id, name, body, key)
        except NotAnsweredError:
            await self._link.signal(workflow_id, name, body)
            return None
        return view

    async def _answer_without_workflow(self, incident_id: str, name: str, key: str) -> Answered:
        """What the records say of a command to an incident whose workflow has ended."""
        stored = await self.records.read(self.records.reader.incident, incident_id)
        if stored is None:
            raise NoSuchIncidentError(f"unknown incident {incident_id}")
        if await self._was_answered(incident_id, key):
            return Answered(view=stored)
        status = str(stored["status"])
        why = (
            "" if status in OVER else f"the workflow of {incident_id} is gone while it is {status}"
        )
        raise TransitionError(name, status, [], why=why)

    async def _was_answered(self, timeline_id: str, key: str) -> bool:
        result = await self.records.read(self.records.reader.result, timeline_id, key)
        return result is not None and not result.get("refusal")

    async def _stored(self, incident_id: str) -> tuple[View | None, Exception | None]:
        """The incident in the records, and why they do not answer."""
        try:
            view = await self.records.read_if_up(self.records.reader.incident, incident_id)
            return view, None
        except RecordsUnavailableError as error:
            return None, error

    async def _facts_of_workflow(self, incident_id: str) -> list[Entry] | None:
        """The facts that the running workflow still has; None when it does not answer."""
        try:
            return _ENTRIES.validate_python(await self._link.query(incident_id, "timeline"))
        except (NotAnsweredError, WorkflowGoneError, GatewayUnavailableError):
            return None

    async def _has_more(self, incident_id: str, after: int) -> bool:
        try:
            reader = self.records.reader
            return bool(await self.records.read_if_up(reader.timeline, incident_id, after, 1))
        except RecordsUnavailableError:
            return False

    def _require_incident_id(self, text: str) -> None:
        if not is_incident_id(text):
            raise NoSuchIncidentError(f"{text[:100]!r} is no id of an incident")
