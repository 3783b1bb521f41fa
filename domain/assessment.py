"""The six questions of the assessment, answered in pieces and revised; what is unknown says so.

Source: Atlassian's incident handbook, "Assess".
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

QUESTIONS: dict[str, str] = {
    "customer_impact": "What is the impact on customers, and on employees?",
    "symptoms": "What do customers see?",
    "affected": "How many are affected: none, some, all, or a number?",
    "started_at": "When did it start?",
    "support_cases": "How many support cases have been opened?",
    "factors": "Are there other factors: security, social media, data loss?",
}
"""Question by the field that answers it."""


class Affected(StrEnum):
    NONE = "none"
    SOME = "some"
    ALL = "all"


class Assessment(BaseModel):
    """The answers so far; None is "unknown"."""

    customer_impact: str | None = None
    employee_impact: str | None = None
    symptoms: str | None = None
    affected: Affected | None = None
    affected_count: int | None = None
    started_at: datetime | None = None
    support_cases: int | None = None
    factors: list[str] = []

    def answered(self) -> dict[str, Any]:
        """Only what has been answered, as it goes over the wire."""
        return {k: v for k, v in self.model_dump(mode="json").items() if v not in (None, [])}

    def open_questions(self) -> list[str]:
        """The questions nobody has answered yet, in their order."""
        answers = self.answered()
        if "affected_count" in answers:
            answers["affected"] = answers["affected_count"]
        return [question for field, question in QUESTIONS.items() if field not in answers]

    def merged(self, answers: dict[str, Any]) -> Assessment:
        """These answers on top; factors add up, everything else is revised."""
        factors = list(dict.fromkeys([*self.factors, *answers.get("factors", [])]))
        data = {**self.model_dump(), **answers, "factors": factors}
        return Assessment.model_validate(data)
