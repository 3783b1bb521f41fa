"""Hostile requests against a real system: it goes on, every alert is somewhere, and no secret is anywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from starter.intake import FORMATS
from tests.security.corpus import MEGABYTE, RAW
from tests.starter.intake.examples import DATA
from tests.system import System, a_policy, a_system, an_alert_group, eventually

KEYS = {f"{name.upper()}_KEY": f"canary-{name}-key-0123456789abcdef"[:32] for name in FORMATS}
SECRETS = {
    "SLACK_SIGNING_SECRET": "canary-slack-signing",
    "SLACK_BOT_TOKEN": "xoxb-canary-slack-token",
    "TWILIO_ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
    "TWILIO_AUTH_TOKEN": "canary-twilio-token",
    "SMTP_URL": "smtp://canary-user:canary-password@127.0.0.1:9",
    "TOCSIN_EGRESS_PROXY": "http://canary-user:canary-proxy@127.0.0.1:9",
    "TOCSIN_API_TOKEN": "tocsin_canary-api-token",
}
PHONE = "+4915550001234"
CASES = [case for case in RAW if len(case.body) < 2 * MEGABYTE][::2]
HOOKS = [name for name, one in FORMATS.items() if one.is_hook and name != "sns"]
"""What SNS sends is checked with Amazon, who is not there."""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    usual = json.loads((DATA / "integrations.json").read_text())
    policy = a_policy(
        tmp_path / "policy.json",
        {"checkout": [("ann", "1h")], "search": [("ann", "1h")]},
        people={"ann": {"contacts": [{"channel": "sms", "to": PHONE}]}},
        limits={"storm": "none"},
        integrations={
            name: {"format": name, "key": f"env:{name.upper()}_KEY", **usual.get(name, {})}
            for name in FORMATS
        },
    )
    with a_system(tmp_path, policy, **KEYS, **SECRETS) as running:
        yield running


def send_corpus(system: System) -> tuple[int, list[httpx2.Response]]:
    """The cases, to one hook after the other; how many alerts were taken, and the answers."""
    taken, answers = 0, []
    with httpx2.Client(base_url=system.api_url, trust_env=False, timeout=60) as client:
        for number, case in enumerate(CASES):
            name = HOOKS[number % len(HOOKS)]
            key = KEYS[f"{name.upper()}_KEY"]
            headers = {**case.headers, "authorization": f"Bearer {key}"}
            method = FORMATS[name].methods[0]
            answer = client.request(method, f"/hooks/{name}", content=case.body, headers=headers)
            assert answer.status_code < 500, (name, case.name, answer.text)
            if answer.status_code == FORMATS[name].status:
                taken += answer.json()["alerts"]
            elif answer.status_code == 413:
                taken += 1
            answers.append(answer)
        for key in ("guess", *KEYS.values()):
            bearer = {"authorization": f"Bearer {key}"}
            answers += [client.get(path, headers=bearer) for path in ("/api/v1/people", "/nothing")]
        answers += [client.get(path) for path in ("/openapi.json", "/metrics", "/readyz", "/i/x/y")]
    return taken, answers


def test_it_goes_on(system: System) -> None:
    """No server error; every alert taken is one of an incident; the next one is paged and acknowledged."""
    taken, answers = send_corpus(system)
    assert len(CASES) >= 30
    assert taken > 30

    def attributed() -> int:
        every = [system.incidents(name) for name in ("unknown", "checkout", "search")]
        return sum(int(one["alert_count"]) for some in every for one in some)

    eventually(lambda: attributed() == taken, 60, f"{taken} alerts in incidents", every=0.5)
    body = an_alert_group("search", "after-all-that")
    assert system.call("POST", "/hooks/alertmanager", body).status_code == 202
    incident = eventually(lambda: system.incidents("search"), 60, "an incident of search")[0]["id"]
    began = time.monotonic()
    assert system.acknowledge(str(incident), "ann")["status"] == "fixing"
    assert time.monotonic() - began < 10
    # A workflow that is parked says so in the worker's log, again and again.
    for sign in ("Traceback", "Failed activation", "Nondeterminism"):
        assert sign not in system.said(), sign
    no_canary(system, answers)


def no_canary(system: System, answers: list[httpx2.Response]) -> None:
    """No secret stands in the log, an answer, the metrics, a process's arguments or what is kept."""
    secrets = [*KEYS.values(), *SECRETS.values(), "canary-password", "canary-proxy"]
    secrets.remove(SECRETS["TWILIO_ACCOUNT_SID"])  # an account's name, which its addresses hold
    shown: dict[str, str] = {"the log": system.said(), "the ready file": ""}
    for answer in answers:
        # What was sent comes back only to whoever sent it, and never a header of it.
        shown[f"the answer of {answer.request.url.path}"] = f"{answer.headers} {answer.text}"
    for pid in system.pids().values():
        shown[f"arguments of {pid}"] = Path(f"/proc/{pid}/cmdline").read_text()
    for file in system.data.rglob("*"):
        if file.is_file():
            shown[str(file.relative_to(system.data))] = file.read_bytes().decode(errors="replace")
    for where, text in shown.items():
        for secret in secrets:
            assert secret not in text, f"{secret} in {where}"
    places = ("the log", *(one for one in shown if one.startswith("the answer")))
    assert not [where for where in places if PHONE in shown[where]]
