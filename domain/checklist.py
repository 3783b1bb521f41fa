"""What an update should say: six questions beside a draft, answered from what the incident knows.

Source: Atlassian's incident handbook, "Communicate": what happens to whom, what is being done, when and
where there is more. Whether a text answers a question is a guess from its words, for an author who reads
it again; nothing is refused because of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.updates import Audience

View = Mapping[str, Any]


class Item(BaseModel):
    """One question of the checklist."""

    model_config = ConfigDict(frozen=True)

    question: str
    answer: str | None = None
    """What the incident knows, for the author: None is unknown, and the text should say so. It may be
    internal."""
    found_in_text: bool = False
    """Whether the text seems to answer it, or says that it is not known."""


_IMPACT = (
    r"cannot|can't|can not|unable|unavailable|down|fail\w*|error\w*|slow\w*|delay\w*|refus\w*|"
    r"los[te]\w*|affect\w*|impact\w*|works?|working|restored|degraded|problem"
)
_MANY = (
    r"\d[\d.,]*\s?(?:%|percent\b|(?:\w+ )?(?:customers|users|people|orders|requests)\b)|"
    r"all|every\w*|some|most|many|few|"
    r"half|none|nobody|no one|how many|one in \w+"
)
_CAUSE = r"cause\w*|because|due to|owing to|reason|why|root"
_STEPS = (
    r"we (?:are|have|will|look)\b|looking into|investigat\w+|fix\w*|restor\w+|replac\w+|roll\w* (?:back|out)|"
    r"working on|next step\w*|next:|mitigat\w+|monitor\w*"
)
_NEXT = r"next update|update (?:at|by|in)|no more updates|last update|\d{1,2}:\d{2}|within \w+|updates here"


def checklist(
    view: View, text: str, side: Audience, next_update_at: str | None = None
) -> list[Item]:
    """The questions in the order in which a reader asks them.

    Args:
        view: the incident's view (see `domain/incident.py`).
        text: the draft; empty where nothing is written yet.
        side: inside, the summary says what happened; outside, nothing but the product's name does.
        next_update_at: where it stands beside the text already.
    """
    assessed = view.get("assessment") or {}
    product = str(view.get("service_name") or view.get("service") or "")
    what = f"{product}: {view.get('summary') or ''}" if side is Audience.INTERNAL else product
    due = next_update_at or (view.get("next_update_due") or {}).get(side.value)
    rows: list[tuple[str, object, str]] = [
        ("What happens?", what, re.escape(product) if product else _IMPACT),
        (
            "What is the impact?",
            assessed.get("customer_impact") or assessed.get("symptoms"),
            _IMPACT,
        ),
        (
            "How many are affected?",
            assessed.get("affected_count") or assessed.get("affected"),
            _MANY,
        ),
        ("What is the cause?", _texts(view, "theories", state="supported"), _CAUSE),
        ("What is being done next?", _texts(view, "experiments", result=None), _STEPS),
        ("When and where is the next update?", _where(view, side, due), _NEXT),
    ]
    return [
        Item(
            question=question,
            answer=str(answer) if answer not in (None, "") else None,
            found_in_text=_says(text, words) or (words is _NEXT and next_update_at is not None),
        )
        for question, answer, words in rows
    ]


def _says(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w)(?:{words})(?!\w)", text, re.IGNORECASE) is not None


def _texts(view: View, field: str, **wanted: object) -> str | None:
    """The newest of a list of the view that looks like that."""
    found = [
        str(one.get("text") or "")
        for one in view.get(field) or []
        if all(one.get(name) == value for name, value in wanted.items())
    ]
    return found[-1] if found else None


def _where(view: View, side: Audience, due: str | None) -> str | None:
    if not due:
        return None
    where = (view.get("communications") or {}).get("room") if side is Audience.INTERNAL else None
    place = f" in {where}" if where else ""
    return f"{datetime.fromisoformat(due).astimezone(UTC):%Y-%m-%d %H:%M} UTC{place}"
