"""The Temporal server is killed, and stands still."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2

from tests.fakes.sendgrid import SendGridFake
from tests.system import System, eventually, never

LADDERS = {
    "outage": [("ann", "0s"), ("bob", "22s"), ("cyd", "1s"), ("dov", "2s"), ("eve", "30m")],
    "notes": [("fay", "0s")],
    "intake": [("fay", "0s")],
}


class Writer:
    """Somebody who writes notes without a pause, and repeats each until it is answered."""

    def __init__(self, system: System, incident: str) -> None:
        self.answered: list[str] = []
        self.repeats = 0
        self._system, self._incident = system, incident
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _write(self) -> None:
        path = f"/api/v1/incidents/{self._incident}/note"
        number = 0
        while not self._over.is_set():
            number += 1
            text = f"note {number}"
            while not self._answered(path, text):
                self.repeats += 1
                time.sleep(0.1)
            self.answered.append(text)
            time.sleep(0.05)

    def _answered(self, path: str, text: str) -> bool:
        with suppress(httpx2.HTTPError):
            answer = self._system.call("POST", path, {"text": text}, **{"Idempotency-Key": text})
            return answer.status_code in (200, 202)
        return False


def test_escalations_due_while_temporal_is_dead_page_the_step_due_now_once_and_late(
    system: System, vendor: SendGridFake
) -> None:
    """Ten incidents over an outage: overtaken steps are skipped, the page that is due now leaves late, and
    whoever it is for gets one message about all ten; no answer is lost."""
    began = time.monotonic()
    with ThreadPoolExecutor(5) as people:
        incidents = list(people.map(lambda n: system.declare("outage", f"{n}"), range(10)))
    raised = time.monotonic()
    noted = system.declare("notes")
    for incident in incidents:
        eventually(lambda one=incident: system.facts(one, "page_sent"), 30, "the first page")
    with Writer(system, noted) as writer:
        eventually(lambda: len(writer.answered) >= 5, 30, "some notes before the death")
        assert time.monotonic() - began < 21, "too slow: the second step is due already"
        old = system.kill("temporal")
        # The one that takes its place stands still: the outage lasts until the fourth step is due.
        system.signal("temporal", signal.SIGSTOP) if system.restarted("temporal", old) else None
        time.sleep(max(0.0, raised + 25.8 - time.monotonic()))
        system.kill("temporal")
        back = time.monotonic()
        for incident in incidents:
            eventually(
                lambda one=incident: len(system.facts(one, "page_sent")) >= 2,
                60 - (time.monotonic() - back),
                f"the page of {incident} after the outage",
            )
        eventually(lambda: len(writer.answered) >= 15, 30, "notes after the outage")
    for incident in incidents:
        sent = eventually(
            lambda one=incident: len(s := system.facts(one, "page_sent")) >= 2 and s, 30
        )
        assert [(f["data"]["person"], f["data"]["late"]) for f in sent] == [
            ("ann", False),
            ("dov", True),
        ]
        assert set(sent[1]["data"]["together_with"]) == set(incidents) - {incident}
        skipped = [
            (fact["data"]["step"], fact["data"]["reason"])
            for fact in system.facts(incident, "step_skipped")
        ]
        assert skipped == [(2, "overtaken"), (3, "overtaken")]
    told = [call for call in vendor.log if call.to == "dov@example.com"]
    assert len(told) == 1, "a burst after the outage"
    assert "late" in told[0].subject.lower()
    before = len(vendor.log)
    never(lambda: [c for c in vendor.log[before:] if c.incident in incidents], 1.5)

    def texts() -> list[str]:
        return [fact["data"]["text"] for fact in system.facts(noted, "noted")]

    eventually(lambda: set(writer.answered) <= set(texts()), 30, "every answered note")
    assert sorted(texts()) == sorted(set(texts())), "a note was counted twice"


def test_intake_keeps_what_temporal_cannot_take(system: System) -> None:
    """With Temporal standing still alerts are taken to the journal and people's own writes refused; the API
    itself is well."""
    with system.frozen("temporal"):
        assert system.alert("intake", "k1").status_code == 202
        body = {"service": "intake", "severity": "SEV1", "summary": "Cards are refused"}
        refused = system.call("POST", "/api/v1/incidents", body)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["Content-Type"].startswith("application/problem+json")
        assert system.call("GET", "/readyz").status_code == 503
        assert system.call("GET", "/livez").status_code == 200
    eventually(lambda: system.call("GET", "/readyz").status_code == 200, 30, "readiness")
    eventually(lambda: system.incidents("intake", "open"), 30, "the incident")
    assert system.alert("intake", "k1").status_code == 202
    assert len(system.incidents("intake", "all")) == 1
