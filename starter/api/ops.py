"""For whoever runs it: does it live, is it ready, which version, how much."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from domain.errors import PolicyError
from records.database import RecordsUnavailableError
from starter.api.bodies import NoQuery, no_query
from starter.api.problems import RETRY_AFTER_SECONDS, problem_response
from starter.api.services import Services, services_of

router = APIRouter(tags=["operations"])
OK = "ok"
NEEDED = ("temporal", "policy")


class ReadyQuery(NoQuery):
    """How much to tell."""

    verbose: str | None = None


@router.get("/livez", operation_id="livez", summary="Lives", dependencies=[Depends(no_query)])
async def livez() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz", operation_id="readyz", summary="Takes alerts and commands")
async def readyz(request: Request, query: Annotated[ReadyQuery, Query()]) -> Response:
    services = services_of(request)
    checks = await run_checks(services)
    said: dict[str, Any] = {"delivery": services.settings.delivery.value}
    notice = services.settings.delivery_notice()
    if notice is not None:
        said["notice"] = notice
    if query.verbose is not None:
        said["checks"] = checks
    # Without records, or with the last good policy, alerts and pages go on: told, and no reason to stop.
    wrong = [f"{name}: {checks[name]}" for name in NEEDED if checks[name] != OK]
    if wrong:
        wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        detail = "; ".join(wrong)
        return problem_response(request, 503, "not_ready", detail, headers=wait, **said)
    return JSONResponse({"status": "ready", **said})


@router.get(
    "/version", operation_id="version", summary="Which version", dependencies=[Depends(no_query)]
)
async def which_version() -> dict[str, str]:
    return {"version": own_version()}


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Counters",
    dependencies=[Depends(no_query)],
    response_class=PlainTextResponse,
)
async def metrics(request: Request) -> Response:
    return Response(services_of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def run_checks(services: Services) -> dict[str, str]:
    """Each thing that this process needs: `ok`, or what is wrong with it."""
    reachable = await services.gateway.is_reachable()
    checks = {"temporal": OK if reachable else "does not answer", "policy": OK, "records": OK}
    try:
        services.policy()
        checks["policy_files"] = services.policies.fault or OK
    except PolicyError as error:
        checks["policy"] = str(error)
    checks["journal"] = services.durable.standing().sentence()
    records = services.gateway.records
    try:
        await records.read_if_up(records.reader.stored_version, "")
    except RecordsUnavailableError as error:
        checks["records"] = str(error)
    return checks


def own_version() -> str:
    """That of the installed package."""
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "0+source"
