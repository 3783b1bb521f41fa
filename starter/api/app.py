"""The application: routes, errors, and the OpenAPI document. Nothing is started here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI

from starter.api import (
    answers,
    calendar_export,
    callbacks,
    document,
    events,
    heartbeats,
    hooks,
    incidents,
    load,
    mail_events,
    maintenance,
    oncall,
    ops,
    opsgenie,
    pagerduty,
    people,
    policies,
    postmortems,
    previewing,
    publishing,
    refused,
    report,
    reports,
    roster,
    signing_in,
    slack_commands,
    status,
    subscribers,
    subscribing,
    tokens,
    trying,
    webhooks,
)
from starter.api.authorisation import require_token
from starter.api.bodies import within_rate
from starter.api.frame import Frame
from starter.api.problems import install
from starter.api.services import build_services
from starter.gateway import Gateway
from starter.settings import Settings

API = "/api/v1"
DESCRIPTION = (
    "Raises and runs major incidents. Every write takes `actor` in its body and `Idempotency-Key` as a "
    "header; errors are RFC 9457 problem documents. Source of the command bodies: the commands themselves."
)


def create_app(
    settings: Settings, gateway: Gateway, environ: Mapping[str, str] | None = None
) -> FastAPI:
    """Put the application together.

    Args:
        environ: where the keys of integrations are found; left out: the process's environment.
    """
    services = build_services(settings, gateway, os.environ if environ is None else environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await services.durable.start()
        yield
        services.beats.close()
        await services.durable.close()
        services.reception.admission.close()
        gateway.records.close()

    app = FastAPI(
        title="Tocsin",
        version="1",
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        # Looking for each of them at every request costs a sixth of a storm's work, and there is none.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=lifespan,
    )
    app.state.services = services
    install(app)
    document.install(app)
    api = APIRouter(prefix=API, dependencies=[Depends(require_token), Depends(within_rate)])
    for module in (postmortems, incidents, trying, load, roster, oncall, maintenance, heartbeats):
        api.include_router(module.router)
    for module in (
        policies,
        previewing,
        publishing,
        events,
        refused,
        tokens,
        reports,
        subscribers,
        webhooks,
    ):
        api.include_router(module.router)
    app.include_router(calendar_export.router)
    app.include_router(api)
    for module in (hooks, pagerduty, opsgenie, ops, people, report, signing_in):
        app.include_router(module.router)
    app.include_router(slack_commands.router)
    for module in (callbacks, mail_events, answers):
        app.include_router(module.router)
    app.include_router(heartbeats.door)
    app.include_router(subscribing.router)
    app.include_router(status.router)  # the last: it answers whatever is left under /status
    app.add_middleware(Frame, metrics=services.metrics)
    return app
