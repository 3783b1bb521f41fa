"""The postmortem: drafted from the timeline, exported as files, its owner told and reminded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from temporalio import activity

from activities.announcing import Announcer
from domain.messages import Announce, Announced
from domain.postmortem.messages import (
    DraftedPostmortem,
    DraftPostmortem,
    ExportedPostmortem,
    ExportPostmortem,
)
from domain.timeline import Entry
from records.reads import RecordsReader
from templates.documents import draft_fields, postmortem_document
from templates.renderer import Renderer


class PostmortemActivities:
    """What happens outside while a postmortem runs."""

    def __init__(
        self, records: RecordsReader, renderer: Renderer, announcer: Announcer, folder: Path
    ) -> None:
        self._records, self._renderer = records, renderer
        self._announcer, self._folder = announcer, folder

    @activity.defn(name="draft_postmortem")
    async def draft_postmortem(self, request: DraftPostmortem) -> DraftedPostmortem:
        """Write a first draft. Raises while the records do not answer; the workflow asks again."""
        entries = await self._timeline(str(request.incident["id"]))
        fields, faults = draft_fields(self._renderer, request.incident, entries)
        return DraftedPostmortem(fields=fields, faults=faults)

    @activity.defn(name="export_postmortem")
    async def export_postmortem(self, request: ExportPostmortem) -> ExportedPostmortem:
        """Write the document as Markdown and HTML, replacing an earlier export."""
        incident_id = str(request.postmortem["incident_id"])
        entries = await self._timeline(incident_id)
        files = []
        for suffix in ("md", "html"):
            text = postmortem_document(self._renderer, request.postmortem, entries, suffix)
            path = self._folder / f"{incident_id}.{suffix}"
            await asyncio.to_thread(_write, path, text)
            files.append(f"{self._folder.name}/{path.name}")
        return ExportedPostmortem(files=files)

    @activity.defn(name="tell_owner")
    async def tell_owner(self, request: Announce) -> Announced:
        """Tell the owner of a postmortem, or of an action, what is due."""
        return await self._announcer.announce(request)

    async def _timeline(self, incident_id: str) -> list[dict[str, Any]]:
        entries: list[Entry] = []
        while True:
            after = entries[-1].seq if entries else 0
            page = await asyncio.to_thread(self._records.timeline, incident_id, after)
            entries += page
            if len(page) < 1000:
                return [entry.model_dump(mode="json") for entry in entries]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
