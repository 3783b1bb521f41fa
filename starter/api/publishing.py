"""The public status page as a static file, so that it can stand where everything of ours is down."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from starter.api.bodies import Body, no_query
from starter.api.people import render_status
from starter.api.services import services_of

router = APIRouter(prefix="/status-page", tags=["status page"])
FOLDER = "status-page"


@router.post(
    "/publish",
    summary="Write the public status page as a static file into the data folder",
    operation_id="publish_status_page",
    dependencies=[Depends(no_query)],
)
async def publish(request: Request, body: Body) -> dict[str, Any]:
    services = services_of(request)
    records = services.gateway.records
    views, _ = await records.read(records.reader.incidents, "open", limit=200)
    html = render_status(services.renderer, services.policy(), views, datetime.now(UTC))
    path = services.settings.data_dir / FOLDER / "index.html"
    await asyncio.to_thread(_write, path, html)
    return {"files": [str(path)], "bytes": len(html.encode())}


def _write(path: Path, html: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(".index.html.new")
    temporary.write_text(html, encoding="utf-8")
    temporary.replace(path)
