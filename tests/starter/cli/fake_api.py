"""An API that is as strict as the real one about what the CLI sends, and answers from memory."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from domain.commands import COMMANDS
from domain.commands.base import parse_body
from domain.errors import IncidentError
from domain.postmortem.commands import parse_postmortem_command
from domain.raising import Declare

TOKEN = "tocsin_test"


def ago(**length: float) -> str:
    at = datetime.now(UTC) - timedelta(**length)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def an_incident(incident_id: str = "checkout-17", **changes: Any) -> dict[str, Any]:
    """A view as the API shows it, in the middle of the night."""
    view = {
        "id": incident_id, "service": "checkout", "service_name": "Checkout",
        "summary": "Checkout answers 500 to every third customer", "description": "",
        "severity": "SEV1", "priority": "P1", "type": "default", "major": True, "status": "fixing",
        "rank": {"position": 1, "of": 3}, "raised_at": ago(minutes=34), "detected_at": ago(minutes=34),
        "detected_by": "technology", "reporter": "alert:prometheus", "impact_started_at": ago(minutes=41),
        "impact_ended_at": None, "acknowledged_at": ago(minutes=31), "confirmed_at": ago(minutes=24),
        "resolved_at": None, "closed_at": None, "resolution": None, "incident_manager": "alice",
        "roles": [
            {"role": "incident_manager", "person": "alice", "state": "accepted", "at": ago(minutes=31)},
            {"role": "tech_lead", "person": "bob", "state": "accepted", "at": ago(minutes=20)},
            {"role": "communications_manager", "person": "carol", "state": "offered",
             "at": ago(minutes=12)},
        ],
        "responders": [{"person": "alice", "joined_at": ago(minutes=31)},
                       {"person": "bob", "joined_at": ago(minutes=22)}],
        "alert_count": 12, "firing_count": 3,
        "assessment": {"customer_impact": "About a third of all payments fail at the last step",
                       "affected": "some", "factors": ["social_media"]},
        "open_questions": ["How many support cases have been opened?"],
        "updates": [
            {"at": ago(minutes=24), "audience": "internal", "text": "We are looking into failing payments.",
             "status": "investigating", "actor": "tocsin", "next_update_at": ago(minutes=4)},
            {"at": ago(minutes=23), "audience": "external", "status": "investigating", "actor": "alice",
             "text": "Some payments fail. We are investigating and will report again in 20 minutes.",
             "next_update_at": ago(minutes=-6)},
        ],
        "theories": [{"id": "t1", "text": "The 01:30 release broke the card adapter", "state": "open",
                      "reason": None}],
        "experiments": [{"id": "e1", "theory": "t1", "text": "Roll back on one node", "result": None}],
        "links": [{"target": "https://tickets.example.com/PAY-12", "kind": "ticket"}],
        "next_update_due": {"internal": ago(minutes=4), "external": ago(minutes=-6)},
        "communications": {"room": "#inc-checkout-17", "bridge": None, "document": None},
        "policy_version": "3f1c", "url": "http://127.0.0.1:8420/i/checkout-17?t=x", "version": 31,
    }  # fmt: skip
    return view | changes


def a_timeline() -> list[dict[str, Any]]:
    """The facts of that night."""
    told = [
        {"key": "checkout-17/update/internal/1/stakeholders:leadership/0/email",
         "recipient": "stakeholders:leadership/0", "channel": "email", "state": "sent"},
        {"key": "checkout-17/update/internal/1/person:dana/sms", "recipient": "person:dana",
         "channel": "sms", "state": "failed", "reason": "rejected"},
    ]  # fmt: skip
    rows = [
        (34, "raised", "tocsin", "SEV1 P1 on checkout raised by alert:prometheus: Checkout answers 500", {}),
        (34, "page_sent", "tocsin", "Paged alice by sms", {}),
        (31, "acknowledged", "alice", "alice acknowledged after 3 minutes, incident manager", {}),
        (24, "update_published", "tocsin", "Initial internal update (investigating): We are looking "
         "into failing payments.", {"audience": "internal"}),
        (24, "message_failed", "tocsin", "Internal update not delivered (person:dana: rejected)",
         {"purpose": "internal_update", "deliveries": told}),
        (23, "update_published", "alice", "Initial external update: Some payments fail.",
         {"audience": "external"}),
        (23, "message_sent", "tocsin", "External update sent to status_page by status_page",
         {"purpose": "external_update", "deliveries": [
             {"key": "checkout-17/update/external/2/status_page/status_page",
              "recipient": "status_page", "channel": "status_page", "state": "sent"}]}),
        (9, "noted", "bob", "Rollback of one node started\nwatching its error rate", {}),
    ]  # fmt: skip
    return [
        {"seq": seq, "at": ago(minutes=row[0]), "fact": row[1], "actor": row[2], "text": row[3],
         "data": row[4]}
        for seq, row in enumerate(rows, start=1)
    ]  # fmt: skip


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class FakeApi:
    """The API's memory, and what it is to answer next."""

    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    next_answer: tuple[int, Any] | None = None
    """Given to the next request whatever it is."""
    page_size: int = 200
    refused: list[dict[str, Any]] = field(default_factory=list)
    strangers: list[dict[str, Any]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    url: str = ""
    delay_seconds: float = 0.0

    def answer(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        if self.next_answer is not None:
            answer, self.next_answer = self.next_answer, None
            return answer
        if request.path == "/readyz":
            return 200, {"status": "ready", "delivery": "outbox", "checks": {"temporal": "ok"}}
        if request.path == "/status/api/v2/summary.json":
            return 200, a_public_page()
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return problem(401, "the token is wrong")
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        assert parts[:2] == ["api", "v1"], request.path
        return getattr(self, f"_{request.method.lower()}")(parts[2:], request)

    def _get(self, parts: list[str], request: Request) -> tuple[int, Any]:
        match parts:
            case ["incidents"]:
                return self._list(request.query)
            case ["incidents", incident_id, *rest]:
                if incident_id not in self.incidents:
                    return problem(404, f"there is no incident {incident_id!r}")
                return self._about(incident_id, rest, request.query)
            case ["oncall"]:
                target = {"person": "alice", "schedule": "payments", "until": ago(hours=-7)}
                steps = [{"after": "0s", "targets": [target]}, {"after": "5m", "targets": []}]
                service = request.query["service"]
                return 200, {"service": service, "at": ago(), "steps": steps}
            case ["oncall", "gaps"]:
                return 200, {"gaps": [{"schedule": "night", "from": ago(), "to": ago()}]}
            case ["oncall", "load"]:
                alice = {"person": "alice", "name": "Alice", "pages": 9, "at_night": 4, "incidents": 5,
                         "per_shift": 3, "pages_per_shift": 6, "is_over": True}  # fmt: skip
                return 200, {"from": ago(), "to": ago(), "limit": 2, "people": [alice]}
            case ["oncall", "overrides"]:
                made = {
                    "id": "o1",
                    "schedule": "payments",
                    "what": "bob for alice",
                    "swap": None,
                    "starts_at": ago(),
                    "ends_at": ago(hours=-7),
                    "made_by": "carol",
                }
                off = {"person": "bob", "channel": "sms", "enabled": False, "actor": "bob"}
                return 200, {"overrides": [made, made | {"id": None}], "contacts": [off]}
            case ["oncall", schedule]:
                shift = {"person": "alice", "from": ago(), "to": ago(hours=-7)}
                zone = "Pacific/Kiritimati"  # far from any machine's
                return 200, {"schedule": schedule, "shifts": [shift], "timezone": zone}
            case ["maintenance"]:
                window = {"service": "checkout", "id": "m1", "to": ago(hours=-1), "reason": "r"}
                return 200, {"windows": [window], "unanswered": []}
            case ["heartbeats"]:
                late = {"name": "backup", "state": "late", "last_beat": ago(hours=2), "due_at": None,
                        "late_since": ago(hours=1), "every": "1h", "grace": "1m",
                        "service": "checkout"}  # fmt: skip
                return 200, {"heartbeats": [late]}
            case ["intake", "refused"]:
                rows = {
                    "refused": self.refused,
                    "strangers": self.strangers,
                    "closed": self.closed,
                }
                return 200, {"count": len(self.refused), **rows}
            case ["policy"]:
                shown = {
                    "people": {"alice": {}, "bob": {}},
                    "organisation": {"timezone": "Pacific/Kiritimati"},
                }
                return 200, {"version": "3f1c", "fault": None, "policy": shown}
        return problem(404, f"no such route: {request.path}")

    def _list(self, query: dict[str, str]) -> tuple[int, Any]:
        known = {"status", "service", "severity", "limit", "cursor", "prefix"}
        assert set(query) <= known, query
        status, start = query.get("status", "open"), int(query.get("cursor", "0"))
        found = [
            one for one in self.incidents.values()
            if (status == "all" or (one["status"] in ("raised", "fixing")) == (status == "open"))
            and one["id"].startswith(query.get("prefix", ""))
            and query.get("service", one["service"]) == one["service"]
            and query.get("severity", one["severity"]) == one["severity"]
        ]  # fmt: skip
        end = start + min(int(query.get("limit", "50")), self.page_size)
        cursor = str(end) if end < len(found) else None
        return 200, {"incidents": found[start:end], "next_cursor": cursor}

    def _about(self, incident_id: str, rest: list[str], query: dict[str, str]) -> tuple[int, Any]:
        match rest:
            case []:
                return 200, self.incidents[incident_id]
            case ["timeline"]:
                entries, start = a_timeline(), int(query.get("cursor", "0"))
                end = start + min(int(query.get("limit", "1000")), self.page_size)
                cursor = str(end) if end < len(entries) else None
                return 200, {"entries": entries[start:end], "next_cursor": cursor}
            case ["postmortem"]:
                return 200, a_postmortem(incident_id)
            case ["postmortem", "export"]:
                return 200, f"# Postmortem of {incident_id} ({query['format']})\n"
        return problem(404, "no such route")

    def _post(self, parts: list[str], request: Request) -> tuple[int, Any]:
        body = request.body
        assert request.headers.get("content-type") == "application/json"
        try:
            match parts:
                case ["incidents"]:
                    Declare.model_validate({n: v for n, v in body.items() if n != "actor"})
                    return 201, an_incident("checkout-18", status="raised", incident_manager=None)
                case ["incidents", incident_id, "postmortem", name]:
                    parse_postmortem_command(name.replace("-", "_"), body)
                    return 200, a_postmortem(incident_id)
                case ["incidents", incident_id, "preview-update"]:
                    parse_body(COMMANDS["publish_update"], body)
                    if incident_id not in self.incidents:
                        return problem(404, f"there is no incident {incident_id!r}")
                    return 200, a_preview(incident_id, body)
                case ["incidents", incident_id, name]:
                    parse_body(COMMANDS[name.replace("-", "_")], body)
                    if incident_id not in self.incidents:
                        return problem(404, f"there is no incident {incident_id!r}")
                    return 200, self.incidents[incident_id]
                case ["oncall", "test"]:
                    sent = {"recipient": "person:alice", "channel": "email", "state": "sent"}
                    return 200, {"person": body["person"], "deliveries": [sent]}
                case ["oncall", "overrides", number, "remove"]:
                    return 200, {"removed": [number], "warnings": [], "copied": True}
                case ["oncall", "people", _, "contacts"]:
                    said = ["bob has no other contact: nothing reaches them now"]
                    return 200, {"warnings": said, "copied": False}
                case ["oncall", schedule, "swaps"]:
                    pair = [{"id": one, "person": "bob", "instead_of": "alice", "from": "x",
                             "to": "y"} for one in ("o2", "o3")]  # fmt: skip
                    return 201, {"schedule": schedule, "overrides": pair, "copied": True}
                case ["oncall", schedule, "temporary" | "overrides"]:
                    return 201, {"id": "o1", "schedule": schedule, "copied": True, "warnings": []}
                case ["maintenance"]:
                    return 201, {"service": body["service"], "id": "m1", "to": body["to"]}
                case ["policy", "reload"]:
                    return 200, {"version": "3f1d"}
                case ["policy", "explain"]:
                    return 200, {
                        "integration": "prometheus",
                        "format": "alertmanager",
                        "alerts": [],
                    }
                case ["status-page", "publish"]:
                    return 200, {
                        "files": ["/srv/www/index.html"],
                        "bytes": 10,
                        "targets": [
                            {
                                "target": "folder:/srv/www",
                                "files": 517,
                                "changed": 2,
                                "removed": 0,
                                "bytes": 95_123,
                            }
                        ],
                    }
        except IncidentError as error:
            listed = [{"pointer": p.where, "detail": p.detail, "near": list(p.near)}
                      for p in error.problems()]  # fmt: skip
            return problem(422, str(error), errors=listed)
        return problem(404, f"no such route: {request.path}")

    def _delete(self, parts: list[str], request: Request) -> tuple[int, Any]:
        match parts:
            case ["maintenance", service, window]:
                return 200, {"service": service, "id": window, "state": "removed"}
        return problem(404, f"no such route: {request.path}")


def a_postmortem(incident_id: str) -> dict[str, Any]:
    action = {"id": "a1", "text": "Test the card adapter", "owner": "bob", "due_at": ago(days=-7),
              "kind": "priority", "done_at": None}  # fmt: skip
    return {
        "incident_id": incident_id, "status": "draft", "owner": "alice", "due_at": ago(days=-3),
        "fields": {"summary": "Payments failed", "root_cause": ""}, "actions": [action],
        "open_actions": 1, "version": 4,
    }  # fmt: skip


def a_preview(incident_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """What would be sent, with the text that was asked about in every form."""
    form = {"template": "external_update", "subject": "Investigating issues with Checkout",
            "text": body["text"], "html": "<p>", "chat": body["text"], "short": None,
            "fault": None}  # fmt: skip
    press = {"name": "press", "places": ["status_page"], "contacts": {"x": 2},
             "needs_approval": True, "template": None}  # fmt: skip
    length = {"channel": "x", "title": "X", "length": 300, "most": 280, "unit": "characters",
              "fits": False}  # fmt: skip
    item = {"question": "What is the cause?", "answer": None, "found_in_text": False}
    known = {"question": "What is the impact?", "answer": "No cards", "found_in_text": True}
    refused = ["the text is too long for X"] if len(body["text"]) > 280 else []
    return {"incident": incident_id, "audience": body["audience"], "variant": "follow_up",
            "status": "identified", "next_update_at": None, "refused": refused,
            "hearers": [press], "awaits_approval": ["press"], "forms": [form],
            "lengths": [length], "checklist": [item, known]}  # fmt: skip


def a_public_page() -> dict[str, Any]:
    """What the public reads, in Statuspage's shape."""
    said = {"status": "identified", "body": "Cards \x1b[31mfail", "created_at": ago(minutes=4)}
    return {
        "page": {"name": "Example"},
        "status": {"indicator": "major", "description": "Partial System Outage"},
        "components": [{"name": "Shop", "status": "partial_outage", "group": True},
                       {"name": "Checkout", "status": "partial_outage", "group": False},
                       {"name": "Search", "status": "operational", "group": False}],
        "incidents": [{"id": "i1", "name": "Issues with Checkout", "status": "identified",
                       "incident_updates": [said]}],
        "scheduled_maintenances": [{"name": "Maintenance of Search", "status": "scheduled",
                                    "scheduled_for": ago(hours=-2)}],
    }  # fmt: skip


def problem(status: int, detail: str, **more: Any) -> tuple[int, Any]:
    return status, {
        "type": "about:blank",
        "title": "Refused",
        "status": status,
        "detail": detail,
        **more,
    }


class _Quiet(ThreadingHTTPServer):
    """Says nothing on stderr, which a test may be reading, when somebody goes away in the middle."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FakeServer:
    """Serves a `FakeApi` on a free port of this machine."""

    def __init__(self, api: FakeApi) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(length)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(raw) if raw else None
                request = Request(
                    self.command, parts.path, dict(parse_qsl(parts.query)), headers, body
                )
                status, answer = api.answer(request)
                if api.delay_seconds:
                    stopped.wait(api.delay_seconds)
                    self.close_connection = True
                    return  # whoever asked has long given up
                is_text = isinstance(answer, str)
                content = answer.encode() if is_text else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "text/plain" if is_text else "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _serve

            def log_message(self, format: str, *args: Any) -> None:
                pass

        stopped = self._stopped = threading.Event()
        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        api.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
