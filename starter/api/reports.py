"""Reports over HTTP, for responders: what waits, confirm, join, dismiss."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from domain.commands.judgement import Priority
from domain.commands.texts import ShortText
from domain.errors import CommandError
from domain.names import require_known
from domain.policy.slice import slice_for
from domain.shape import shape_problems
from starter.api.bodies import Body, Key, NoQuery, key_for, no_query
from starter.api.names import check_actor
from starter.api.problems import ProblemError
from starter.api.schemas import body_of
from starter.api.services import Services, services_of
from starter.gateway import is_incident_id
from starter.reports.desk import NoSuchReportError
from starter.reports.form import is_reference

T = TypeVar("T", bound=BaseModel)
router = APIRouter(prefix="/reports", tags=["reports"])


class ReportsQuery(NoQuery):
    """Which reports."""

    every: bool = Field(
        False, description="Those that were answered too, as long as Temporal has them"
    )


class Confirm(BaseModel):
    """Make a report an incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: str | None = None
    priority: Priority | None = None
    type: str | None = None


class Join(BaseModel):
    """A report is part of an open incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    incident: ShortText


class Dismiss(BaseModel):
    """A report is no incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: ShortText


@router.get("", summary="Reports that wait for somebody to look at them", operation_id="reports")
async def reports(request: Request, query: Annotated[ReportsQuery, Query()]) -> dict[str, Any]:
    return {"reports": await services_of(request).reports.listed(every=query.every)}


@router.get(
    "/{ref}", summary="One report", operation_id="one_report", dependencies=[Depends(no_query)]
)
async def report(request: Request, ref: str) -> dict[str, Any]:
    services = services_of(request)
    found = await services.reports.one(_known(ref))
    return found | {"open_incidents": await _beside(services, str(found["service"]))}


@router.post(
    "/{ref}/confirm",
    summary="Make it an incident, which pages as any other",
    operation_id="confirm_report",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(Confirm),
)
async def confirm(request: Request, ref: str, body: Body, header: Key) -> dict[str, Any]:
    services = services_of(request)
    asked, actor = _read(services, Confirm, body)
    policy = slice_for(services.policy(), "unknown")
    if asked.severity is not None:
        require_known("severity", asked.severity, policy.severities, "severity")
    if asked.type is not None:
        require_known("type", asked.type, policy.types, "type")
    said = asked.model_dump(exclude_none=True)
    return await services.reports.confirm(_known(ref), actor, said, key_for(body, header))


@router.post(
    "/{ref}/join",
    summary="It is part of an incident that is open already",
    operation_id="join_report",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(Join),
)
async def join(request: Request, ref: str, body: Body, header: Key) -> dict[str, Any]:
    services = services_of(request)
    asked, actor = _read(services, Join, body)
    if not is_incident_id(asked.incident):
        raise ProblemError(404, "not_found", f"{asked.incident!r} is no incident's id")
    return await services.reports.join(_known(ref), actor, asked.incident, key_for(body, header))


@router.post(
    "/{ref}/dismiss",
    summary="It is no incident; whoever reported hears so, without the reason",
    operation_id="dismiss_report",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(Dismiss),
)
async def dismiss(request: Request, ref: str, body: Body, header: Key) -> dict[str, Any]:
    services = services_of(request)
    asked, actor = _read(services, Dismiss, body)
    return await services.reports.dismiss(_known(ref), actor, asked.reason, key_for(body, header))


def _known(ref: str) -> str:
    if not is_reference(ref.upper()):
        raise NoSuchReportError(
            f"{ref[:40]!r} is no reference of a report: one looks like R-7K3M9QX2"
        )
    return ref.upper()


def _read(services: Services, kind: type[T], body: dict[str, Any]) -> tuple[T, str]:
    """The fields of a body and who asks. Raises CommandError, UnknownNameError."""
    fields = {name: value for name, value in body.items() if name not in ("actor", "key")}
    actor = str(body.get("actor") or "operator")
    check_actor(services.policy(), actor)
    try:
        return kind.model_validate(fields), actor
    except ValidationError as error:
        raise CommandError(kind.__name__.lower(), shape_problems("report", kind, error)) from None


async def _beside(services: Services, service: str) -> list[dict[str, Any]]:
    """What is open for its service: a report may be part of it."""
    shown = ("id", "severity", "status", "summary", "raised_at")
    views = await services.reports.open_incidents(service)
    return [{field: view.get(field) for field in shown} for view in views]
