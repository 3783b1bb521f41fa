"""Two hundred broken payloads: no server error, and every alert with a key is accounted for."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.starter.conftest import KEY

GROUP = json.loads(
    (Path(__file__).parents[2] / "data/intake/alertmanager/two_firing.json").read_text()
)
JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    1e308,
    "",
    "\x00",
    "\ud800",
    "\u202e",
    "🔥" * 500,
    "x" * 20_000,
    [],
    [[]],
    {},
    {"a": {"b": []}},
    ["x"] * 50,
    "'; DROP TABLE incidents; --",
    "{{ 7 * 7 }}",
    "<script>",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a payload."""
    found = [path]
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            found += places(item, (*path, name))
    return found


def mutated(seed: int) -> bytes:
    """The payload with junk in one to three places, or some bytes of it broken."""
    dice = random.Random(seed)
    payload = copy.deepcopy(GROUP)
    for _ in range(dice.randint(1, 3)):
        path = dice.choice([place for place in places(payload) if place])
        target = payload
        for name in path[:-1]:
            target = target[name]
        if dice.random() < 0.25 and isinstance(target, dict):
            del target[path[-1]]
        else:
            target[path[-1]] = copy.deepcopy(dice.choice(JUNK))
    body = bytearray(json.dumps(payload).encode())
    if dice.random() < 0.3:
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
    return bytes(body[: dice.randint(1, len(body))] if dice.random() < 0.05 else body)


def test_intake(stranger, temporal):
    """202 means that Temporal has as many alerts as the answer says; the rest is 400 and not JSON."""
    headers, statuses = {"Authorization": f"Bearer {KEY}"}, []
    for seed in range(200):
        body = mutated(seed)
        before = sum(alert["count"] for alert in temporal.alerts())
        answer = stranger.post("/hooks/alertmanager", content=body, headers=headers)
        after = sum(alert["count"] for alert in temporal.alerts())
        statuses.append(answer.status_code)
        if answer.status_code == 202:
            assert after - before == answer.json()["alerts"], body
        else:
            assert (answer.status_code, after) == (400, before), body
            with pytest.raises(ValueError):
                json.loads(body.decode(errors="replace"))
    assert statuses.count(202) > 150
    json.dumps(temporal.alerts(), ensure_ascii=False).encode()


def test_commands(api, declared):
    """Whatever stands in a command's body: an answer, a refusal, never a server error."""
    paths = ("note", "assess", "delegate", "escalate", "publish-update", "resolve-theory", "link")
    fields = ("text", "actor", "role", "to", "reason", "severity", "started_at", "factors", "key")
    for seed in range(200):
        dice = random.Random(seed)
        body = {name: dice.choice(JUNK) for name in dice.sample(fields, dice.randint(1, 4))}
        url = f"/api/v1/incidents/checkout-1/{dice.choice(paths)}"
        answer = api.post(url, content=json.dumps(body).encode())
        assert answer.status_code in (200, 400, 409, 422), (url, body, answer.text)
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json"


def test_paths(api):
    """Nor for whatever stands in a path."""
    for junk in ("%00", "%ff", "..%2f..", "%F0%9F%94%A5", "a" * 5000, "desk%2Fcheckout", "%0d%0a"):
        for path in (f"/api/v1/incidents/{junk}", f"/i/{junk}/x", f"/api/v1/oncall/{junk}"):
            assert api.get(path).status_code in (404, 422), path
