"""The hostile corpus against every address: no server error, and nothing that comes with a key is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from domain.alert import Alert
from starter.intake import FORMATS, sns_signature
from starter.records_access import RecordsAccess
from tests.security.corpus import MEGABYTE, RAW, Case, junk_in
from tests.security.doors import Door
from tests.starter.intake.examples import DATA, examples, multipart

JUNK = 60
"""Mutations of each format's examples: with the raw bodies more than two hundred cases for each."""
REFUSED = {400, 401, 413, 415, 422}
"""The explicit answers; 401 where the sender has to prove itself by what the payload holds."""
KEYS = {name: f"{name}-key-0123456789abcdef012345678"[:32] for name in FORMATS}
HOOKS = [name for name, one in FORMATS.items() if one.is_hook]


@pytest.fixture
def door(tmp_path: Path, records: RecordsAccess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """One integration of each format, by the rules that the formats' own examples have."""

    async def genuine(*_: object) -> None:
        """Amazon's certificate is not to be had here: what lies behind the check is what is tested."""

    monkeypatch.setattr(sns_signature, "check", genuine)
    usual = json.loads((DATA / "integrations.json").read_text())
    senders: dict[str, Any] = {
        name: {"format": name, "key": f"env:{name.upper()}_KEY", **usual.get(name, {})}
        for name in FORMATS
    }
    environ = {f"{name.upper()}_KEY": key for name, key in KEYS.items()}
    made = Door(tmp_path / "door", records, senders, environ)
    with made.api:
        yield made


def forget(door: Door) -> None:
    """Each case is the first: no memory of repeats, of attempts, or of alerts."""
    services = door.app.state.services
    services.reception.admission._replays._done.clear()
    services.limits._strangers._buckets.clear()
    door.temporal.signals.clear()


def send(door: Door, method: str, path: str, case: Case, **own: str) -> httpx2.Response:
    forget(door)
    headers = {**case.headers, **own}
    return door.api.request(method, path, content=case.body, headers=headers)


def delivered(door: Door) -> int:
    """How many alerts Temporal has; each is whole and can be read by a desk."""
    alerts = door.alerts()
    for one in alerts:
        json.dumps(one, ensure_ascii=False).encode()  # no half characters
        assert not any("\x00" in text for text in one.values() if isinstance(text, str))
        assert Alert.model_validate(one).service in ("checkout", "search", "unknown")
    return sum(int(one["count"]) for one in alerts)


def junk_cases(name: str) -> list[Case]:
    """The format's own examples with hostile values in them."""
    cases: list[Case] = []
    mine = [one for one in examples() if one.format == name]
    for seed, one in enumerate(mine):
        count = -(-JUNK // len(mine))
        kind = one.received.headers.get("content-type", "")
        if kind.startswith("multipart"):
            form = json.loads((DATA / name / f"{one.name}.form.json").read_text())
            for what, fields in junk_in(form, count, seed):
                texts = {
                    key: value if isinstance(value, str) else json.dumps(value)
                    for key, value in fields.items()
                }
                made = multipart(texts)
                cases.append(Case(f"{one.name}: {what}", made.body, dict(made.headers)))
            continue
        for what, payload in junk_in(json.loads(one.received.body), count, seed):
            body = json.dumps(payload).encode()
            cases.append(Case(f"{one.name}: {what}", body, dict(one.received.headers)))
    return cases


@pytest.mark.parametrize("name", HOOKS)
def test_hooks(door: Door, name: str) -> None:
    """An alert in Temporal for each that the answer counts, or an explicit refusal; never a server error."""
    cases, seen = [*RAW, *junk_cases(name)], Counter[int]()
    assert len(cases) >= 200
    bearer = {"authorization": f"Bearer {KEYS[name]}"}
    for case in cases:
        answer = send(door, FORMATS[name].methods[0], f"/hooks/{name}", case, **bearer)
        got = delivered(door)
        seen[answer.status_code] += 1
        if answer.status_code == FORMATS[name].status:
            assert answer.json()["alerts"] == got, case.name
        else:
            assert answer.status_code in REFUSED, (case.name, answer.status_code, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            # What was too large has its incident; what was refused otherwise has nothing.
            assert got == (answer.status_code == 413), case.name
            assert (answer.status_code == 413) == (len(case.body) > MEGABYTE), case.name
    assert seen[FORMATS[name].status] > 30, seen


def test_opsgenie(door: Door) -> None:
    """Opsgenie's addresses, also those of one alert: Opsgenie's answers."""
    own = {"authorization": f"GenieKey {KEYS['opsgenie']}"}
    for case in [*RAW, *junk_cases("opsgenie")]:
        answer = send(door, "POST", "/v2/alerts", case, **own)
        assert answer.status_code in {202, *REFUSED}, (case.name, answer.text)
        assert bool(delivered(door)) == (answer.status_code in (202, 413)), case.name
    for verb in ("acknowledge", "close", "notes", "snooze", "nonsense"):
        for case in RAW[::7]:
            path = f"/v2/alerts/some-alias/{verb}?identifierType=alias"
            answer = send(door, "POST", path, case, **own)
            assert answer.status_code in {202, 404, 405, *REFUSED}, (verb, case.name, answer.text)


@pytest.mark.parametrize(
    "path", ["/v2/enqueue", "/v2/change/enqueue", "/generic/2010-04-15/create_event.json"]
)
def test_pagerduty(door: Door, path: str) -> None:
    """PagerDuty's addresses, whose key stands in the body: PagerDuty's answers."""
    keys = {"routing_key": KEYS["pagerduty"], "service_key": KEYS["pagerduty"]}
    keyed = []
    for case in junk_cases("pagerduty"):
        event = json.loads(case.body)
        body = json.dumps({**event, **keys}).encode() if isinstance(event, dict) else case.body
        keyed.append(case._replace(body=body))
    for case in [*RAW, *keyed]:
        answer = send(door, "POST", path, case)
        assert answer.status_code in {200, 202, *REFUSED}, (case.name, answer.text)
        if answer.status_code in (200, 202) and path != "/v2/change/enqueue":
            assert delivered(door) == 1, case.name


@pytest.mark.parametrize(
    "path",
    ["/report", "/answer/sms", "/answer/slack", "/answer/voice/x", "/answer/x", "/heartbeats/x"],
)
def test_addresses_without_a_key(door: Door, path: str) -> None:
    """Whatever strangers send there: an answer, never a server error, and nothing in Temporal."""
    for case in RAW[::3]:
        answer = send(door, "POST", path, case)
        assert answer.status_code < 500, (case.name, answer.text)
        assert door.temporal.signals == [], case.name
        assert door.temporal.updates == [], case.name


@pytest.mark.parametrize("path", ["/api/v1/incidents", "/api/v1/incidents/x/note"])
def test_the_api(door: Door, path: str) -> None:
    """The same with a token: refusals that name what is wrong."""
    bearer = {"authorization": "Bearer tocsin_canary-token"}
    for case in RAW:
        answer = send(door, "POST", path, case, **bearer)
        assert answer.status_code in {201, 404, *REFUSED} - {401}, (case.name, answer.text)
        if answer.status_code != 201:
            assert answer.json()["detail"], case.name


def test_the_apis_limits(door: Door) -> None:
    """256 KiB and twenty levels are taken, one more is not."""
    bearer = {"Authorization": "Bearer tocsin_canary-token", "Content-Type": "application/json"}
    url = "/api/v1/incidents"

    def post(body: bytes) -> httpx2.Response:
        return door.api.post(url, content=body, headers=bearer)

    def nested(levels: int) -> bytes:
        return b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    assert post(b"{" + b" " * (256 * 1024 - 2) + b"}").status_code == 422
    assert post(b"{" + b" " * (256 * 1024 - 1) + b"}").status_code == 413
    assert post(nested(20)).status_code == 422
    refused = post(nested(21))
    assert (refused.status_code, refused.json()["code"]) == (400, "not_json")
    assert "20 levels" in refused.json()["detail"]
