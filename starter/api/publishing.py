"""The public status page as static files, so that it can stand where everything of ours is down.

The worker writes it after every update and keeps it as it should be; this is for a person who asks for it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from activities.publishing import (
    FolderTarget,
    Place,
    PublishError,
    Site,
    StoreSettings,
    Targets,
    Written,
    write_everywhere,
)
from domain.errors import Problem
from records.status_page import StatusPageReader
from starter.api.bodies import Body, no_query
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of
from starter.settings import Delivery, with_files
from templates.status_addresses import Addresses
from templates.status_site import build_site

router = APIRouter(prefix="/status-page", tags=["status page"])
FOLDER = "status-page"
"""In the data folder, where the policy names no place."""


@router.post(
    "/publish",
    summary="Write the public status page as static files to every place of the policy",
    operation_id="publish_status_page",
    dependencies=[Depends(no_query)],
)
async def publish(request: Request, body: Body) -> dict[str, Any]:
    services = services_of(request)
    site = await _make(services)
    places = _places(services)
    outcomes = await write_everywhere(site, places)
    failed = {name: one for name, one in outcomes.items() if isinstance(one, PublishError)}
    written = {name: one for name, one in outcomes.items() if isinstance(one, Written)}
    targets = [{"target": name, **one._asdict()} for name, one in written.items()]
    if failed:
        raise ProblemError(
            502,
            "not_published",
            f"{len(failed)} of {len(outcomes)} places could not be written: "
            + "; ".join(str(error) for error in failed.values()),
            [Problem(where=name, detail=str(error)) for name, error in failed.items()],
            targets=targets,
        )
    return {
        "files": [f"{_root(place)}/{path}" for place in places for path in site],
        "bytes": sum(len(file.body) for file in site.values()),
        "targets": targets,
    }


async def _make(services: Services) -> Site:
    records, windows = services.gateway.records, await services.status.windows()
    reader = StatusPageReader(records.reader)
    page = await records.read(reader.page, services.policy(), windows, datetime.now(UTC))
    public_url = services.settings.public_url
    addresses = Addresses(live=public_url.rstrip("/") if public_url else None)
    return await asyncio.to_thread(build_site, page, services.renderer, addresses)


def _places(services: Services) -> list[Place]:
    """Where the policy says, else a folder of our own. In delivery `outbox` nothing leaves this machine."""
    settings = services.settings
    is_live = settings.delivery is Delivery.LIVE
    stores = StoreSettings.from_environment(with_files(services.environ)) if is_live else None
    found = Targets(settings.data_dir, stores).of(services.policy().status_page.publish_to)
    return found or [Place(FolderTarget(settings.data_dir / FOLDER))]


def _root(place: Place) -> str | Path:
    target = place.target
    return target.folder if isinstance(target, FolderTarget) else place.name.rstrip("/")
