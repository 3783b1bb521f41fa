"""People who were paged, on real records and a real policy, with Temporal in memory and vendors that sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from domain.facts import StepPaged
from domain.messages import PageTarget, PageText
from domain.recording import RecordBatch
from domain.timeline import Entry
from records.policy_file import LoadedPolicy, read_policy
from records.writes import RecordsWriter
from starter.api.app import create_app
from starter.gateway import Gateway
from starter.records_access import RecordsAccess
from starter.security import PageRef
from starter.settings import load_settings
from tests.starter.conftest import KEY, ROOT, TOKEN
from tests.starter.fakes import NOW, FakeTemporal

PUBLIC = "https://tocsin.example.com"
AUTH_TOKEN, SIGNING_SECRET = "twilio-auth-token", "slack-signing-secret"
ALICE, BOB, SHARED, UNPROVEN = "+4915550001", "+15550002", "+15550003", "+15550004"
SLACK_ALICE = "U0ALICE"
COMMAND_PATH = "/answer/slack/command"


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> LoadedPolicy:
    """The example; alice has Slack as well, bob telephones, and two people share one."""
    text = (ROOT / "policy" / "example.yaml").read_text(encoding="utf-8")
    for before, after in (
        (
            "{channel: email, to: alice@example.com}",
            f"{{channel: email, to: alice@example.com}}, {{channel: slack, to: {SLACK_ALICE}}}",
        ),
        (
            "{channel: email, to: bob@example.com}",
            f'{{channel: voice, to: "{BOB}"}}, {{channel: sms, to: "{SHARED}"}}',
        ),
        (
            "{channel: email, to: dana@example.com}",
            f'{{channel: sms, to: "{SHARED}"}}, '
            f'{{channel: sms, to: "{UNPROVEN}", verified: false}}',
        ),
    ):
        assert before in text
        text = text.replace(before, after)
    file = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    return read_policy(file)


class Clock:
    """Says what time it is, and can be moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def skip(self, **length: float) -> None:
        self.now += timedelta(**length)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(gateway: Gateway, tmp_path: Path, clock: Clock) -> Any:
    settings = load_settings(
        {
            "TOCSIN_DATA_DIR": str(tmp_path),
            "TOCSIN_API_TOKEN": TOKEN,
            "TOCSIN_POLICY": str(ROOT / "policy" / "example.yaml"),
            "TOCSIN_PUBLIC_URL": PUBLIC,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        }
    )
    app = create_app(settings, gateway, {"AM_KEY": KEY})
    services = app.state.services
    app.state.services = replace(services, answers=replace(services.answers, clock=clock))
    return app


class Switchboard:
    """The paged incidents, and what people and vendors send."""

    def __init__(
        self, api: TestClient, temporal: FakeTemporal, records: RecordsAccess, clock: Clock
    ) -> None:
        self.api, self.temporal, self.records, self.clock = api, temporal, records, clock
        self.desk = api.app.state.services.answers  # type: ignore[attr-defined]
        self.sids = itertools.count(1)
        self.seq = itertools.count(1000)
        self.switched: list[tuple[str, str, bool]] = []

    # What happened before.

    def raised(self, service: str = "checkout", summary: str = "Cards are refused") -> str:
        body = {"service": service, "severity": "SEV1", "summary": summary}
        answer = self.api.post("/api/v1/incidents", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def paged(
        self, person: str = "alice", incident: str = "", channel: str = "email",
        *others: str, state: str = "sent", step: int = 1, bundle: str | None = None,
    ) -> PageRef:  # fmt: skip
        """Somebody was paged: in the workflow and in the records."""
        incident = incident or self.raised()
        targets = [PageTarget(person=one, channels=[channel]) for one in (person, *others)]
        text = PageText(subject="page", text="page")
        fact = StepPaged(run="p1", round=1, step=step, targets=targets, text=text)
        self.temporal._record(self.temporal.incidents[incident], [fact], "tocsin")
        page = PageRef(incident, person, f"{incident}/p1/r1/s{step}/{person}/{channel}-0")
        delivery = {
            "key": page.key, "recipient": f"person:{person}", "channel": channel, "state": state,
            "at": (self.clock.now + timedelta(seconds=next(self.seq))).isoformat(),
            "bundle": bundle,
        }  # fmt: skip
        entry = Entry(
            seq=next(self.seq), at=self.clock.now, fact="page_sent", actor="tocsin", text="Paged",
            data={"purpose": "page", "deliveries": [delivery]},
        )  # fmt: skip
        writer: RecordsWriter = self.records._writer
        view = self.temporal.incidents[incident].view()
        writer.write(
            RecordBatch(
                subject="incident", id=incident, version=view["version"], view=view, entries=[entry]
            )
        )
        return page

    def token(self, page: PageRef) -> str:
        return str(self.desk.signer.sign(page, self.clock.now))

    def link(self, page: PageRef) -> str:
        return f"/answer/{self.token(page)}"

    # What vendors send.

    def twilio(self, path: str, *, auth: str = AUTH_TOKEN, **fields: str) -> Any:
        """A request as Twilio signs it; the signature is computed here, not by Tocsin."""
        said = PUBLIC + path + "".join(name + fields[name] for name in sorted(fields))
        mac = hmac.new(auth.encode(), said.encode(), hashlib.sha1).digest()
        headers = {
            "X-Twilio-Signature": base64.b64encode(mac).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "",
        }
        return self.api.post(path, content=urlencode(fields), headers=headers)

    def text(self, body: str, sender: str = ALICE, sid: str = "") -> str:
        """A text message; answers what comes back, without the XML around it."""
        sid = sid or f"SM{next(self.sids):032d}"
        answer = self.twilio("/answer/sms", From=sender, To="+15550100", Body=body, MessageSid=sid)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("application/xml")
        return reply_in(answer.text)

    def slack(
        self, token: str, *, user: str = SLACK_ALICE, action: str = "acknowledge", age: float = 0,
        secret: str = SIGNING_SECRET, response_url: str = "", trigger: str = "",
    ) -> Any:  # fmt: skip
        """A press as Slack signs it."""
        payload = {
            "type": "block_actions",
            "user": {"id": user},
            "actions": [{"action_id": action, "value": token, "type": "button"}],
            "message": {
                "text": "SEV1 checkout-1",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}},
                           {"type": "actions", "elements": []}],
            },
            "response_url": response_url,
            "trigger_id": trigger,
        }  # fmt: skip
        return self.slack_raw(urlencode({"payload": json.dumps(payload)}), age=age, secret=secret)

    def typed(
        self, text: str, *, user: str = SLACK_ALICE, channel: str = "C0GENERAL", age: float = 0,
        secret: str = SIGNING_SECRET, response_url: str = "",
    ) -> Any:  # fmt: skip
        """A command as Slack signs it; each one is another request."""
        fields = {
            "command": "/tocsin", "text": text, "user_id": user, "channel_id": channel,
            "response_url": response_url, "trigger_id": str(next(self.sids)),
        }  # fmt: skip
        return self.slack_raw(urlencode(fields), age=age, secret=secret, path=COMMAND_PATH)

    def slack_raw(
        self,
        body: str,
        *,
        age: float = 0,
        secret: str = SIGNING_SECRET,
        path: str = "/answer/slack",
    ) -> Any:
        stamp = str(int(self.clock.now.timestamp() - age))
        digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256)
        headers = {
            "X-Slack-Signature": f"v0={digest.hexdigest()}",
            "X-Slack-Request-Timestamp": stamp,
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "",
        }
        return self.api.post(path, content=body, headers=headers)

    # What became of it.

    def commands(self, name: str = "acknowledge") -> list[tuple[str, dict[str, Any], str]]:
        """The commands that reached a workflow: incident, body, key."""
        return [(w, body, key) for w, n, body, key in self.temporal.updates if n == name]

    def facts(self, incident: str, name: str) -> list[Entry]:
        return [one for one in self.temporal.timelines[incident] if one.fact == name]


def reply_in(twiml: str) -> str:
    """The words of TwiML, without its tags."""
    found = twiml.removeprefix('<?xml version="1.0" encoding="UTF-8"?>')
    for tag in ("Response", "Message", "Say"):
        found = found.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    return "" if found == "<Response/>" else found.replace("<Hangup/>", "")


@pytest.fixture
def board(
    api: TestClient, temporal: FakeTemporal, records: RecordsAccess, clock: Clock,
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch,
) -> Switchboard:  # fmt: skip
    made = Switchboard(api, temporal, records, clock)

    async def set_contact(person: str, channel: str, enabled: bool) -> None:
        made.switched.append((person, channel, enabled))

    monkeypatch.setattr(gateway, "set_contact", set_contact)
    return made
