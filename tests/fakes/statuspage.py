"""An Atlassian Statuspage that is as strict as the real one about incidents, on a real socket."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

KEY = "statuspage-fake-key"
PAGE = "kctbh9vrtdwd"
CHECKOUT, SEARCH = "8kbf7d35c070", "9ab1cd23ef45"
STATUSES = ("investigating", "identified", "monitoring", "resolved")
COMPONENT_STATUSES = (
    "operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage",
)  # fmt: skip
_FIELDS = {
    "name", "status", "body", "metadata", "deliver_notifications", "component_ids", "components",
}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass
class Page:
    """One page: its incidents, the newest first, and how its components stand."""

    incidents: list[dict[str, Any]] = field(default_factory=list)
    components: dict[str, str] = field(
        default_factory=lambda: {CHECKOUT: "operational", SEARCH: "operational"}
    )
    per_second: bool = False
    """Whether it insists on one request in a second."""
    asked_at: list[float] = field(default_factory=list)
    now: Callable[[], float] = time.monotonic
    reads: str = "answer"
    """`answer`; `away` refuses to list anything."""

    def by_hand(self, name: str, *components: str, metadata: dict[str, Any] | None = None) -> None:
        """An incident that somebody makes on the page itself."""
        self.incidents.insert(0, self._made({
            "name": name, "status": "investigating", "body": "b", "metadata": metadata or {},
            "component_ids": list(components),
        }))  # fmt: skip

    def bodies(self) -> list[str]:
        """Everything that the public has read, the oldest first."""
        said = [update for one in self.incidents for update in one["incident_updates"]]
        return [update["body"] for update in sorted(said, key=lambda update: update["id"])]

    # What the vendor does.

    def aside(self, request: Request) -> Refusal | str | None:
        """Lists of incidents; and what is asked too soon."""
        parts = urlsplit(request.path)
        too_soon = self._too_soon()
        if request.method != "GET":
            return too_soon
        refusal = too_soon or self._stranger(request)
        if refusal is not None:
            return refusal
        if self.reads == "away":
            return Refusal(503, "{}", "")
        query = parse_qs(parts.query)
        number = int(query.get("page", ["1"])[0])
        if parts.path == f"/v1/pages/{PAGE}/incidents/unresolved":
            found = [one for one in self.incidents if one["status"] != "resolved"]
            return json.dumps(_part(found, number, int(query.get("per_page", ["100"])[0])))
        if parts.path == f"/v1/pages/{PAGE}/incidents":
            return json.dumps(_part(self.incidents, number, int(query.get("limit", ["100"])[0])))
        return _no(404, "no such page")

    def check(self, request: Request) -> Refusal | Taken:
        """A new incident, or a change of one."""
        stranger = self._stranger(request)
        if stranger is not None:
            return stranger
        root = f"/v1/pages/{PAGE}/incidents"
        known = {f"{root}/{one['id']}": one for one in self.incidents}
        is_new = request.method == "POST"
        if (is_new and request.path != root) or (not is_new and request.path not in known):
            return _no(404, "no such incident")
        body = json.loads(request.body)
        wanted = body.get("incident")
        if set(body) != {"incident"} or not isinstance(wanted, dict):
            return _no(422, "incident is missing")
        wrong = self._wrong(wanted, is_new=is_new)
        if wrong:
            return _no(422, wrong)
        made = self._made(wanted) if is_new else self._changed(known[request.path], wanted)
        return Taken(made, json.dumps(made))

    def keep(self, made: dict[str, Any]) -> None:
        """The public sees it from now on."""
        self.incidents = [one for one in self.incidents if one["id"] != made["id"]]
        self.incidents.insert(0, made)
        self.incidents.sort(key=lambda one: str(one["created_at"]), reverse=True)
        self.components |= made.pop("_components")

    def _too_soon(self) -> Refusal | None:
        now = self.now()
        is_soon = bool(self.asked_at) and now - self.asked_at[-1] < 0.95
        self.asked_at.append(now)
        if self.per_second and is_soon:
            return Refusal(
                420, '{"error": "too many requests"}', "more than one request in a second"
            )
        return None

    @staticmethod
    def _stranger(request: Request) -> Refusal | None:
        if request.headers.get("Authorization") != f"OAuth {KEY}":
            return Refusal(401, '{"error": "Could not authenticate"}', "")
        return None

    def _wrong(self, wanted: dict[str, Any], *, is_new: bool) -> str:
        """What the real one would refuse."""
        if set(wanted) - _FIELDS:
            return f"fields nobody reads: {sorted(set(wanted) - _FIELDS)}"
        name, body = wanted.get("name"), wanted.get("body")
        if is_new and not str(name or "").strip():
            return "Name can't be blank"
        if len(str(name or "")) > 255 or len(str(body or "")) > 25_000:
            return "is too long"
        if _CONTROL.search(f"{name}{body}"):
            return "holds control characters"
        if not str(body or "").strip():
            return "Body can't be blank"
        if re.search(r"<[A-Za-z/!?]", str(body)):
            return "a tag that the page would show as markup"
        if wanted.get("status") not in STATUSES:
            return "status is not included in the list"
        metadata = wanted.get("metadata", {})
        if not all(isinstance(one, dict) for one in metadata.values()):
            return "each part of the metadata must be an object"
        named = [*wanted.get("component_ids", []), *wanted.get("components", {})]
        if any(one not in self.components for one in named):
            return "no such component"
        states = wanted.get("components", {}).values()
        if any(state not in COMPONENT_STATUSES for state in states):
            return "component status is not included in the list"
        return ""

    def _made(self, wanted: dict[str, Any]) -> dict[str, Any]:
        number = len(self.incidents) + 1
        made = {
            "id": f"inc{number:09d}",
            "created_at": _now(),
            "incident_updates": [],
            "metadata": {},
        }
        return self._changed(made, wanted)

    @staticmethod
    def _changed(before: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
        said = {"id": time.monotonic_ns(), "status": wanted["status"], "body": wanted["body"]}
        changed = {key: wanted[key] for key in ("name", "status", "metadata") if key in wanted}
        components = [{"id": one} for one in wanted.get("component_ids", [])]
        return {
            **before, **changed,
            "components": components or before.get("components", []),
            "incident_updates": [*before["incident_updates"], said],
            "updated_at": _now(),
            "_components": wanted.get("components", {}),
        }  # fmt: skip


def _part(incidents: list[dict[str, Any]], number: int, size: int) -> list[dict[str, Any]]:
    return incidents[(number - 1) * size : number * size]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _no(status: int, message: str) -> Refusal:
    return Refusal(status, json.dumps({"error": [message]}), message)


@contextmanager
def statuspage_fake(page: Page | None = None) -> Iterator[VendorFake]:
    """A running page; `accepted` holds its incidents after each change."""
    page = page or Page()
    with running(VendorFake(page.check, 201, aside=page.aside, keep=page.keep)) as fake:
        yield fake
