"""Temporal as the gateway sees it: real incidents of the domain, kept in memory, and faults on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.commands import COMMANDS
from domain.commands.base import check_request, parse_body
from domain.declaring import parse_declaration
from domain.errors import IncidentError, TransitionError
from domain.heartbeat import Definition, Heartbeat
from domain.incident import Incident
from domain.maintaining import ADD, REMOVE, MadeWindows, parse_maintenance
from domain.policy.model import Policy
from domain.policy.slice import slice_for
from domain.raising import Origin, raise_incident
from domain.reporting import Decision, Report
from domain.timeline import Entry
from starter.temporal_link import RefusedError, WorkflowGoneError
from workflows.contract import ReportBatch, ReportInput, SubscriptionInput

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def refused(error: IncidentError) -> RefusedError:
    """As a workflow refuses."""
    details: dict[str, Any] = {"problems": [p.model_dump(mode="json") for p in error.problems()]}
    if isinstance(error, TransitionError):
        details |= {"status": error.status, "allowed": error.allowed}
    return RefusedError(type(error).__name__, str(error), details)


class FakeClient:
    """What reports use of Temporal's own client."""

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.subscriptions: list[str] = []
        """Subscribers who are to be asked."""
        self.error: Exception | None = None

    async def start_workflow(
        self, name: str, start: ReportInput | SubscriptionInput, **options: Any
    ) -> None:
        if self.error is not None:
            raise self.error
        if isinstance(start, SubscriptionInput):
            self.subscriptions.append(start.subscriber)
            return
        if options["id"] in self.reports:
            raise WorkflowAlreadyStartedError(options["id"], name)
        self.reports[options["id"]] = start.report.model_copy(deep=True)

    async def list_workflows(self, query: str, limit: int) -> AsyncIterator[FakeRow]:
        if self.error is not None:
            raise self.error
        for report in list(self.reports.values()):
            yield FakeRow(report)


class FakeRow:
    """A row of Temporal's list."""

    def __init__(self, report: Report) -> None:
        self._report = report

    async def memo(self) -> dict[str, Any]:
        return {"report": self._report.view()}


class FakeTemporal:
    """A `TemporalLink`.

    `update_error`, `signal_error` and `query_error` are raised instead of an answer while they are set.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.incidents: dict[str, Incident] = {}
        self.timelines: dict[str, list[Entry]] = {}
        self.postmortems: dict[str, dict[str, Any]] = {}
        self.signals: list[tuple[str, str, dict[str, Any]]] = []
        self.updates: list[tuple[str, str, dict[str, Any], str]] = []
        self.answers: dict[str, Any] = {}
        self.roster: Any = None
        """A `FakeRoster`, where a test needs one."""
        self.windows: dict[str, MadeWindows] = {}
        self.client = FakeClient()
        self.monitors: dict[str, Heartbeat] = {}
        self.update_error: Exception | None = None
        self.signal_error: Exception | None = None
        self.query_error: Exception | None = None

    def batches(self) -> list[dict[str, Any]]:
        """The reports that desks got, as they read them."""
        return [
            ReportBatch.model_validate(body).model_dump(mode="json")
            for _, name, body in self.signals
            if name == "report"
        ]

    def alerts(self) -> list[dict[str, Any]]:
        return [alert for batch in self.batches() for alert in batch["alerts"]]

    def end(self, incident_id: str) -> None:
        """The workflow is over and gone."""
        del self.incidents[incident_id], self.timelines[incident_id]

    async def is_reachable(self) -> bool:
        return self.query_error is None

    async def update(self, workflow_id: str, name: str, body: dict[str, Any], key: str) -> Any:
        self.updates.append((workflow_id, name, body, key))
        if self.update_error is not None:
            raise self.update_error
        if workflow_id in self.client.reports:
            report = self.client.reports[workflow_id]
            report.decide(Decision.model_validate(body), NOW)
            return report.view()
        if workflow_id in self.postmortems:
            view = self.postmortems[workflow_id]
            view["version"] += 1
            return dict(view)
        incident = self._incident(workflow_id)
        known = f"{workflow_id}:{key}"  # as Temporal, by workflow
        if known not in self.answers:
            request = parse_body(COMMANDS[name], body)
            try:
                check_request(request, incident, COMMANDS)
            except IncidentError as error:
                raise refused(error) from error
            self._record(
                incident, request.command.decide(incident, request.actor, NOW), request.actor
            )
            self.answers[known] = True
        return incident.view()

    async def update_desk(self, service: str, name: str, body: dict[str, Any], key: str) -> Any:
        self.updates.append((f"desk/{service}", name, body, key))
        if self.update_error is not None:
            raise self.update_error
        if name in (ADD, REMOVE):
            return self._change_windows(service, name, body, key)
        if key not in self.answers:
            declaration = parse_declaration(body, service)
            number = sum(1 for one in self.incidents.values() if one.service == service) + 1
            incident_id = f"{service}-{number}"
            origin = Origin(declaration=declaration.body, actor=declaration.actor)
            incident, facts = raise_incident(
                incident_id, origin, slice_for(self.policy, service), "", NOW
            )
            self.incidents[incident_id], self.timelines[incident_id] = incident, []
            self._record(incident, facts, declaration.actor)
            self.answers[key] = {"id": incident_id}
        return self.answers[key]

    async def update_roster(self, name: str, body: dict[str, Any], key: str) -> Any:
        self.updates.append(("roster", name, body, key))
        if self.update_error is not None:
            raise self.update_error
        assert self.roster is not None
        return await self.roster.update(name, body, key)

    async def signal_roster(self, name: str, body: dict[str, Any]) -> None:
        if self.signal_error is not None:
            raise self.signal_error
        self.signals.append(("roster", name, body))

    async def signal(self, workflow_id: str, name: str, body: dict[str, Any]) -> None:
        if self.signal_error is not None:
            raise self.signal_error
        if workflow_id not in self.postmortems:
            self._incident(workflow_id)
        self.signals.append((workflow_id, name, body))

    async def signal_desk(self, service: str, name: str, body: dict[str, Any]) -> None:
        if self.signal_error is not None:
            raise self.signal_error
        self.signals.append((f"desk/{service}", name, body))

    def _change_windows(self, service: str, name: str, body: dict[str, Any], key: str) -> Any:
        if key not in self.answers:
            made = self.windows.setdefault(service, MadeWindows())
            try:
                request = parse_maintenance(name, body)
                change = made.add if name == ADD else made.remove
                window = change(request, datetime.now(UTC))
            except IncidentError as error:
                raise refused(error) from error
            self.answers[key] = {"service": service, "window": window.model_dump(mode="json")}
        return self.answers[key]

    async def signal_monitor(
        self, name: str, definition: Definition, signal: str, body: dict[str, Any]
    ) -> None:
        if self.signal_error is not None:
            raise self.signal_error
        self.signals.append((f"heartbeat/{name}", signal, body))
        assert definition.monitor is not None
        monitor = self.monitors.setdefault(name, Heartbeat(name=name, monitor=definition.monitor))
        if signal == "beat":
            monitor.beat(datetime.fromisoformat(body["at"]), datetime.now(UTC))

    async def query(self, workflow_id: str, name: str) -> Any:
        if self.query_error is not None:
            raise self.query_error
        kind, _, of = workflow_id.partition("/")
        if kind == "desk" and of in self.windows:
            windows = self.windows[of].windows
            return {"maintenance": [one.model_dump(mode="json") for one in windows]}
        if kind == "heartbeat" and of in self.monitors:
            return self.monitors[of].view()
        if workflow_id in self.client.reports:
            return self.client.reports[workflow_id].view()
        if workflow_id in self.postmortems:
            return dict(self.postmortems[workflow_id])
        incident = self._incident(workflow_id)
        if name == "timeline":
            return [entry.model_dump(mode="json") for entry in self.timelines[workflow_id]]
        if name == "pages":
            return [
                run.model_dump(mode="json") | {"active": run.is_active} for run in incident.pages
            ]
        return incident.view()

    def _incident(self, workflow_id: str) -> Incident:
        if workflow_id not in self.incidents:
            raise WorkflowGoneError(f"workflow {workflow_id} not found")
        return self.incidents[workflow_id]

    def _record(self, incident: Incident, facts: list[Any], actor: str) -> None:
        for fact in facts:
            entry = incident.record(fact, NOW, actor)
            if entry is not None:
                self.timelines[incident.id].append(entry)
