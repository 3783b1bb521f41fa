"""Reports on their way: kept as workflows, listed, decided."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from temporalio.client import RPCError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.access.tokens import REPORTING
from domain.policy.model import Policy
from domain.policy.reports import LandsAs
from domain.reporting import Report, ReportState, Said, report_id
from records.database import RecordsUnavailableError
from records.reporters import Reporters
from starter.access.signing import acting
from starter.gateway import Accepted, Answered, Gateway
from starter.temporal_link import GatewayUnavailableError, WorkflowGoneError
from workflows.contract import REPORT, TASK_QUEUE, TASK_TIMEOUT, ReportInput

START_WITHIN = timedelta(seconds=4)
LISTED = 200
log = structlog.get_logger(__name__)


class NoSuchReportError(LookupError):
    """Nobody reported anything under that reference, or it is closed for long."""


class ReportDesk:
    """Takes reports, and lets responders decide about them.

    Raises what the gateway raises.
    """

    def __init__(
        self,
        gateway: Gateway,
        reporters: Reporters,
        policy: Callable[[], Policy],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway, self._reporters = gateway, reporters
        self._policy, self._now = policy, now

    async def take(self, ref: str, said: Said, email: str) -> Report:
        """Keep a report; it is on disk when this returns. The same reference is one report.

        Raises:
            GatewayUnavailableError: nothing was kept; whoever sent it sends it again.
        """
        if email:
            said = await self._with_address(ref, said, email)
        policy = self._policy()
        report = Report(
            ref=ref,
            said=said,
            received_at=self._now(),
            remind_every=policy.reports.remind_every,
        )
        if policy.reports.lands_as is LandsAs.INCIDENT:
            with acting(REPORTING):
                incident = await self._as_incident(report, policy)
            # Without a worker nobody knows its id yet: it waits, and confirming it finds the same incident.
            if incident is not None:
                report.state, report.incident = ReportState.CONFIRMED, incident
                report.decided_by, report.decided_at = "tocsin", report.received_at
        await self._start(report)
        return report

    async def _with_address(self, ref: str, said: Said, email: str) -> Said:
        """The address goes into a file of its own; a disk that is full must not lose the report."""
        try:
            await asyncio.to_thread(self._reporters.keep, ref, email)
        except OSError as error:
            log.error("a reporter's address cannot be kept", ref=ref, why=error.strerror)  # noqa: TRY400
            return said
        return said.model_copy(update={"has_address": True})

    async def _as_incident(self, report: Report, policy: Policy) -> str | None:
        """The open incident of its service, or a new one; None where no worker answers to say which."""
        said = report.said
        open_ones = await self.open_incidents(said.service)
        for view in open_ones[:1]:
            if await self._link(str(view["id"]), report.ref):
                return str(view["id"])
        body = {
            "service": said.service,
            "severity": policy.reports.severity or policy.organisation.default_severity,
            "summary": said.summary,
            "description": said.description or None,
            "reporter": f"{said.reported_by} ({report.ref})",
            "detected_by": said.reported_by,
        }
        answer = await self._gateway.declare(
            {name: value for name, value in body.items() if value is not None},
            report_id(report.ref),
        )
        if isinstance(answer, Accepted):
            return answer.id
        return str(answer.view["id"])

    async def _start(self, report: Report) -> None:
        try:
            async with asyncio.timeout(START_WITHIN.total_seconds() + 0.5):
                await self._gateway.link.client.start_workflow(
                    REPORT,
                    ReportInput(report=report),
                    id=report_id(report.ref),
                    task_queue=TASK_QUEUE,
                    task_timeout=TASK_TIMEOUT,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    memo={"report": report.view()},
                    static_summary=f"Report {report.ref} about {report.said.service}",
                    rpc_timeout=START_WITHIN,
                )
        except WorkflowAlreadyStartedError:
            return  # the button was pressed twice
        except (RPCError, TimeoutError, RuntimeError) as error:
            raise GatewayUnavailableError(f"the report was not kept: {error}") from error

    # What responders do.

    async def listed(self, *, every: bool = False) -> list[dict[str, Any]]:
        """Reports that wait, the oldest first; with `every` all that Temporal still has."""
        query = f"WorkflowType = '{REPORT}'" + ("" if every else " AND ExecutionStatus = 'Running'")
        found: list[dict[str, Any]] = []
        try:
            async for row in self._gateway.link.client.list_workflows(query, limit=LISTED * 5):
                view = (await row.memo()).get("report")
                if view and (every or view["state"] == ReportState.WAITING.value):
                    found.append(view)
        except (RPCError, RuntimeError) as error:
            raise GatewayUnavailableError(f"reports cannot be listed: {error}") from error
        return sorted(found, key=lambda view: str(view["received_at"]))[:LISTED]

    async def one(self, ref: str) -> dict[str, Any]:
        """One report.

        Raises:
            NoSuchReportError: there is none, or Temporal has forgotten it.
        """
        try:
            view: dict[str, Any] = await self._gateway.link.query(report_id(ref), "status")
        except WorkflowGoneError:
            raise NoSuchReportError(f"unknown report {ref}") from None
        return view

    async def confirm(
        self, ref: str, actor: str, said: dict[str, Any], key: str | None
    ) -> dict[str, Any]:
        """Make it an incident.

        Args:
            said: `severity`, `priority`, `type` of the incident where the responder says them.
        """
        report = await self.one(ref)
        if report["incident"] is None and report["state"] == ReportState.WAITING.value:
            body = {
                "service": report["service"],
                "summary": report["summary"],
                "description": report["description"] or None,
                "reporter": f"{report['reported_by']} ({ref})",
                "detected_by": report["reported_by"],
                "actor": actor,
                **said,
            }
            answer = await self._gateway.declare(
                {name: value for name, value in body.items() if value is not None}, report_id(ref)
            )
            incident = answer.id if isinstance(answer, Accepted) else str(answer.view["id"])
            if incident is None:
                raise GatewayUnavailableError("no worker is up to raise the incident: try again")
            await self._link(incident, ref)
        else:
            incident = report["incident"]
        return await self._decide(ref, {"actor": actor, "incident": incident}, key)

    async def join(self, ref: str, actor: str, incident: str, key: str | None) -> dict[str, Any]:
        """It is part of an incident that is there already."""
        await self._gateway.incident(incident)
        body = {"actor": actor, "target": report_id(ref), "kind": "support_case"}
        await self._gateway.command(incident, "link", body, report_id(ref))
        return await self._decide(ref, {"actor": actor, "incident": incident}, key)

    async def dismiss(self, ref: str, actor: str, reason: str, key: str | None) -> dict[str, Any]:
        """It is no incident."""
        return await self._decide(ref, {"actor": actor, "incident": None, "reason": reason}, key)

    async def _decide(self, ref: str, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        key = f"decide/{key or uuid.uuid4()}"
        try:
            view: dict[str, Any] = await self._gateway.link.update(
                report_id(ref), "decide", body, key
            )
        except WorkflowGoneError:
            raise NoSuchReportError(f"no open report {ref}") from None
        return view

    async def _link(self, incident: str, ref: str) -> bool:
        """Let the incident show the report; False where it does not take it, or it is not known to."""
        body = {"target": report_id(ref), "kind": "support_case"}
        try:
            answer = await self._gateway.command(incident, "link", body, report_id(ref))
        except Exception:
            log.exception("the report is not linked", incident=incident, ref=ref)
            return False
        return isinstance(answer, Answered)

    async def open_incidents_of_all(self) -> list[dict[str, Any]]:
        """What is open now; nothing while the records are away."""
        return await self.open_incidents(None)

    async def open_incidents(self, service: str | None) -> list[dict[str, Any]]:
        """What is open for a service now, the first in rank first; nothing while the records are away."""
        records = self._gateway.records
        with suppress(RecordsUnavailableError):
            views, _ = await records.read_if_up(
                records.reader.incidents, "open", service=service, limit=100
            )
            return sorted(views, key=lambda view: (view.get("rank") or {}).get("position") or 999)
        return []
