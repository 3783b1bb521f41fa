"""The policy: which one is in force, and reading it anew."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from starter.api.bodies import Body, no_query
from starter.api.services import services_of
from starter.intake import CAN_SIGN
from starter.template_check import check_texts
from starter.temporal_link import GatewayUnavailableError

router = APIRouter(prefix="/policy", tags=["policy"])


@router.get(
    "",
    summary="The policy in force, without contacts and keys",
    operation_id="policy",
    dependencies=[Depends(no_query)],
)
async def policy(request: Request) -> dict[str, Any]:
    policies = services_of(request).policies
    version, found = policies.current()
    shown = found.model_dump(mode="json", by_alias=True, exclude={"integrations", "stakeholders"})
    for person in shown["people"].values():
        person["contacts"] = [{"channel": contact["channel"]} for contact in person["contacts"]]
    for schedule in shown["schedules"].values():
        if (schedule["calendar"] or {}).get("url"):
            # The address of a private calendar is its password.
            schedule["calendar"]["url"] = "(hidden)"
    return {"version": version, "fault": policies.fault, "policy": shown}


@router.post(
    "/reload",
    summary="Read the policy anew; with mistakes the last good one stays in force",
    operation_id="reload_policy",
    dependencies=[Depends(no_query)],
)
async def reload_policy(request: Request, body: Body) -> dict[str, Any]:
    services = services_of(request)
    before, old = services.policies.current()
    loaded = await asyncio.to_thread(
        services.policies.reload,
        services.settings.policy,
        formats=CAN_SIGN,
        texts=check_texts(services.settings.templates, is_fatal=False),
    )
    untold = await services.standing.follow(old, services.policy())
    try:
        await services.gateway.refresh_calendars()
    except GatewayUnavailableError as error:
        untold = [
            *untold,
            f"the calendar feeds are read again within a quarter of an hour: {error}",
        ]
    warnings = [warning.model_dump(mode="json") for warning in loaded.warnings]
    return {
        "version": loaded.version,
        "is_changed": loaded.version != before,
        "warnings": warnings,
        "untold": untold,
    }
