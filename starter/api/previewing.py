"""An update as each of its readers would get it, without telling any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import APIRouter, Depends
from starlette.requests import Request

from domain.checklist import checklist
from domain.commands.base import parse_body
from domain.commands.communication import PublishUpdate
from domain.errors import UnknownNameError
from domain.policy.model import Policy
from domain.policy.slice import PolicySlice, slice_for
from domain.previewing import Hearer, following_at, hearers, refusals, stage_of
from domain.text_limits import NETWORKS, fits, problems, quiet
from domain.updates import Audience
from starter.api.authorisation import authorise
from starter.api.bodies import Body, no_query
from starter.api.names import check_command
from starter.api.schemas import body_of
from starter.api.services import Services, services_of
from templates.renderer import (
    Rendered,
    Renderer,
    TemplateFaultError,
    for_the_outside,
    overridable,
)

router = APIRouter(prefix="/incidents", tags=["incidents"])
log = structlog.get_logger(__name__)
View = Mapping[str, Any]


@router.post(
    "/{incident_id}/preview-update",
    summary="What publishing this update would send, and to whom; nothing is sent",
    operation_id="preview_update",
    dependencies=[Depends(no_query)],
    openapi_extra=body_of(PublishUpdate),
)
async def preview_update(request: Request, incident_id: str, body: Body) -> dict[str, Any]:
    services = services_of(request)
    asked = parse_body(PublishUpdate, body)
    authorise(request, PublishUpdate.name, body, asked.actor)
    check_command(services.policy(), asked.command, asked.actor)
    assert isinstance(asked.command, PublishUpdate)
    view = await services.gateway.incident(incident_id)
    return await asyncio.to_thread(preview, services, view, asked.command, asked.actor)


def preview(services: Services, view: View, update: PublishUpdate, actor: str) -> dict[str, Any]:
    """Everything about an update that could be known before it is published."""
    policy, side, at = services.policy(), update.audience, datetime.now(UTC)
    pinned = _pinned(services, policy, view)
    heard_by = hearers(pinned, policy, view, side)
    stage = stage_of(view, side, update.status)
    following = following_at(pinned, view, side, at, update.next_update_minutes)
    is_first = not any(one.get("audience") == side for one in view.get("updates") or [])
    context: dict[str, Any] = {
        "incident": dict(view),
        "organisation": policy.organisation.name or "Tocsin",
        "text": update.text,
        "status": stage,
        "variant": "initial" if is_first else "follow_up",
        "by": actor,
        "next_update_at": following.isoformat() if following else None,
        "number": len(view.get("updates") or []) + 1,
        "at": at.isoformat(),
    }
    if side is Audience.EXTERNAL:
        context = for_the_outside(context)
    frames = dict.fromkeys([f"{side}_update", *(one.template for one in heard_by if one.template)])
    forms = [_form(services.renderer, frame, f"{side}_update", context) for frame in frames]
    channels = sorted({channel for one in heard_by for channel in one.contacts})
    return {
        "incident": view["id"],
        "audience": side,
        "variant": context["variant"],
        "status": stage,
        "next_update_at": context["next_update_at"],
        "refused": [
            *refusals(pinned, view, side),
            *(one.detail for one in problems(update.text, side, channels)),
        ],
        "hearers": [one.model_dump(mode="json") for one in heard_by],
        "awaits_approval": [one.name for one in heard_by if one.needs_approval],
        "forms": forms,
        "lengths": _lengths(update.text, channels, heard_by),
        "checklist": [
            item.model_dump()
            for item in checklist(view, update.text, side, context["next_update_at"])
        ],
    }


def _pinned(services: Services, policy: Policy, view: View) -> PolicySlice:
    """The incident's own policy, as far as it is kept; else the one in force."""
    version = str(view.get("policy_version") or "")
    try:
        policy = services.policies.version(version)
    except (UnknownNameError, OSError, ValueError) as error:
        log.info("previewed with the policy in force", version=version, reason=str(error))
    return slice_for(policy, str(view.get("service")), str(view.get("type") or "default"))


def _form(renderer: Renderer, frame: str, usual: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """One frame's message in each form, and what is wrong with the frame.

    Args:
        usual: the frame that is sent where an audience's own is broken (see `activities/wording.py`).
    """
    fault = None
    done: Rendered | None = None
    folders = dict.fromkeys((frame, usual)) if frame not in overridable() else (frame,)
    for folder in folders:
        for one in dict.fromkeys((renderer, renderer.built_in())):
            try:
                done = done or one.render(folder, context)
            except TemplateFaultError as error:
                fault = fault or f"{error}; the built-in text would be sent"
    said = done.model_dump() if done is not None else {}
    return {"template": frame, **said, "fault": fault}


def _lengths(
    text: str, channels: Iterable[str], heard_by: Iterable[Hearer]
) -> list[dict[str, Any]]:
    """How much of what each network takes the text would be."""
    used = [*channels, *(place for one in heard_by for place in one.places)]
    return [
        {
            "channel": name,
            "title": network.title,
            "length": network.length(quiet(text)) + network.link,
            "most": network.most,
            "unit": network.unit,
            "fits": fits(name, text) is None,
        }
        for name, network in NETWORKS.items()
        if name in used
    ]
