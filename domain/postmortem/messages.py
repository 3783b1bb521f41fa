"""What the postmortem's activities are asked and what they answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class DraftPostmortem(BaseModel):
    """Ask for a first draft from the incident and its timeline (read from the records)."""

    incident: dict[str, Any]


class DraftedPostmortem(BaseModel):
    """Texts by field, and what went wrong on the way."""

    fields: dict[str, str] = {}
    faults: list[str] = []


class ExportPostmortem(BaseModel):
    """Ask for the document as files in the data folder."""

    postmortem: dict[str, Any]
    """The postmortem's view, with the incident's."""


class ExportedPostmortem(BaseModel):
    """Names of the files, relative to the data folder."""

    files: list[str] = []
    faults: list[str] = []
