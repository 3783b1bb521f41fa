"""A real `tocsin up` for tests: a folder of its own, free ports, real processes, and always an end.

Nothing in here reaches into Tocsin: it speaks HTTP, reads files and sends signals to processes by id.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from records.database import open_database
from records.reads import RecordsReader

T = TypeVar("T")
OURS = ("TOCSIN_", "TEMPORAL_", "SENDGRID_", "SMTP_", "EMAIL_", "AM_KEY")
PORTS = ("--api-port", "0", "--temporal-port", "0", "--temporal-ui-port", "0")


def eventually(look: Callable[[], T], within: float, what: str = "it", every: float = 0.02) -> T:
    """Look until there is something to see; fail with what was seen last."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {within:g} s for {what}, saw {found!r}"
        time.sleep(every)
    return found


def never(look: Callable[[], Any], during: float, every: float = 0.05) -> None:
    """Look for as long as that, and fail at the first thing seen."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        found = look()
        assert not found, f"nothing was expected, saw {found!r}"
        time.sleep(every)


def quickly(ask: Callable[[], T], within: float, tries: int = 3) -> list[T]:
    """Ask until one answer took less than that; all answers. What is slow by itself is slow each time.

    The machine may stand still for seconds, which is no fault of Tocsin's.
    """
    answers: list[T] = []
    took: list[float] = []
    while not took or (took[-1] >= within and len(took) < tries):
        began = time.monotonic()
        answers.append(ask())
        took.append(time.monotonic() - began)
    assert took[-1] < within, f"no answer within {within:g} s: {took}"
    return answers


def a_policy(file: Path, ladders: Mapping[str, list[tuple[str, str]]], **sections: Any) -> Path:
    """Write a policy whose delays are seconds.

    Args:
        ladders: for each service who is paged, and how long after the page before; `ann, 2s`.
        sections: further sections, or others than those made here; `people` adds to the contacts.
    """
    names = {person for steps in ladders.values() for person, _ in steps} | {"carol"}
    people = {
        name: {"contacts": [{"channel": "email", "to": f"{name}@example.com"}]}
        for name in sorted(names)
    }
    policy = {
        "version": 1,
        "organisation": {"name": "Example", "catch_all": ["person:carol"]},
        "people": people | sections.pop("people", {}),
        "escalation_policies": {
            service: {
                "repeat": 0,
                "repeat_after": "1h",
                "steps": [{"page": [f"person:{who}"], "after": after} for who, after in steps],
            }
            for service, steps in ladders.items()
        },
        "services": {service: {"escalation": service} for service in ladders},
        **sections,
    }
    file.write_text(json.dumps(policy, indent=1) + "\n", encoding="utf-8")
    return file


def environment(**changes: str) -> dict[str, str]:
    """The environment without anything that Tocsin reads, and with these."""
    return {k: v for k, v in os.environ.items() if not k.startswith(OURS)} | changes


def up_command(folder: Path, policy: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "starter.cli", "up"),
        *("--policy", str(policy), "--data-dir", str(folder), *(more or PORTS)),
    ]


class System:
    """One `tocsin up`, started again and again on one folder where a story wants it.

    Args:
        folder: gets `data`, the ready file and the log.
        settings: further variables of the environment.
    """

    def __init__(self, folder: Path, policy: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.policy = folder, policy
        self.data, self.ready_file, self.log = folder / "data", folder / "ready.json", folder / "up"
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self._known: set[int] = set()
        self._http = httpx2.Client(timeout=60.0, trust_env=False)
        self._reader = RecordsReader(open_database(f"sqlite:///{self.data / 'records.db'}"))

    # Its life.

    def start(self, within: float = 90.0) -> float:
        """Start it and answer how long it took until all was ready."""
        began = time.monotonic()
        command = [*up_command(self.data, self.policy), "--ready-file", str(self.ready_file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment(**self._settings),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while not self.ready_file.exists():
            assert self.process.poll() is None, f"up ended:\n{self.said()}"
            assert time.monotonic() - began < within, f"not up after {within} s:\n{self.said()}"
            time.sleep(0.02)
        self.pids()
        return time.monotonic() - began

    def stop(self, sig: signal.Signals = signal.SIGINT, within: float = 30.0) -> tuple[int, float]:
        """Ask it to end; its exit code and how long it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(sig)
        return self.process.wait(within), time.monotonic() - began

    def kill_all(self) -> set[int]:
        """Kill `up` itself, as the kernel would; the ids of what it leaves to the kernel."""
        children = set(self.pids().values())
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)
        self.ready_file.unlink(missing_ok=True)
        return children

    def close(self) -> None:
        """End everything that was started here, whatever has become of it."""
        if self.process is not None and self.process.poll() is None:
            self.pids()
            for pid in filter(self._is_ours, self._known):
                os.kill(pid, signal.SIGCONT)
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)
        for pid in filter(self._is_ours, self._known):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._http.close()

    def _is_ours(self, pid: int) -> bool:
        """Whether this process serves our folder: ids are given out again."""
        try:
            places = Path(f"/proc/{pid}/cmdline").read_bytes()
            places += Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        return str(self.data).encode() in places

    # Its processes.

    def pids(self) -> dict[str, int]:
        """As the ready file names them now."""
        try:
            found: dict[str, int] = json.loads(self.ready_file.read_text())["pids"]
        except FileNotFoundError:
            return {}
        self._known |= set(found.values())
        return found

    def signal(self, name: str, sig: signal.Signals) -> int:
        """Send one of its processes a signal; the id that it had."""
        pid = self.pids()[name]
        os.kill(pid, sig)
        return pid

    def kill(self, name: str) -> int:
        return self.signal(name, signal.SIGKILL)

    def restarted(self, name: str, old: int, within: float = 30.0) -> int:
        """Wait until the ready file names another process; its id."""
        return eventually(
            lambda: pid if (pid := self.pids()[name]) != old else 0, within, f"a new {name}"
        )

    @contextmanager
    def frozen(self, name: str) -> Iterator[int]:
        """Stop one of its processes without ending it, and let it go on afterwards."""
        pid = self.signal(name, signal.SIGSTOP)
        try:
            yield pid
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def said(self) -> str:
        """Everything that it printed."""
        return self.log.read_text(errors="replace")

    # Its door.

    @property
    def ready(self) -> dict[str, Any]:
        return dict(json.loads(self.ready_file.read_text()))

    @property
    def api_url(self) -> str:
        return str(self.ready["api_url"])

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One request with the token; without a repetition."""
        ready = self.ready
        headers = {"Authorization": f"Bearer {ready['token']}", **headers}
        return self._http.request(method, ready["api_url"] + path, json=body, headers=headers)

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """As `call`, for what must succeed; asked again, a write under one key, until it is answered.

        Whoever stands still for longer than the API waits leaves a write accepted, or a read without
        anybody who knows.
        """
        if method != "GET":
            headers = {"Idempotency-Key": uuid.uuid4().hex, **headers}

        def answered() -> list[dict[str, Any]]:
            answer = self.call(method, path, body, **headers)
            if answer.status_code in (202, 503):
                return []
            assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
            return [dict(answer.json())]

        return eventually(answered, 60, f"an answer to {method} {path}", every=0.1)[0]

    def declare(self, service: str, summary: str = "Cards are refused", **fields: Any) -> str:
        """Raise an incident by hand; its id."""
        body = {"service": service, "severity": "SEV1", "summary": summary, **fields}
        return str(self.ok("POST", "/api/v1/incidents", body)["id"])

    def command(self, incident: str, name: str, actor: str, **fields: Any) -> dict[str, Any]:
        path = f"/api/v1/incidents/{incident}/{name.replace('_', '-')}"
        return self.ok("POST", path, {"actor": actor, **fields})

    def acknowledge(self, incident: str, actor: str) -> dict[str, Any]:
        return self.command(incident, "acknowledge", actor)

    def alert(self, service: str, key: str = "", **more: Any) -> httpx2.Response:
        """Post an alert as Alertmanager does."""
        payload = an_alert_group(service, key or uuid.uuid4().hex, **more)
        return self.call("POST", "/hooks/alertmanager", payload)

    # What can be seen.

    def incidents(self, service: str, status: str = "all") -> list[dict[str, Any]]:
        found = self.ok("GET", f"/api/v1/incidents?service={service}&status={status}")
        return list(found["incidents"])

    def view(self, incident: str) -> dict[str, Any]:
        return self.ok("GET", f"/api/v1/incidents/{incident}")

    def facts(self, incident: str, *names: str) -> list[dict[str, Any]]:
        """The timeline, or only its facts of these names."""
        entries: list[dict[str, Any]] = []
        cursor: str | None = "0"
        while cursor is not None:
            path = f"/api/v1/incidents/{incident}/timeline?cursor={cursor}"
            found = self.ok("GET", path)
            entries, cursor = entries + found["entries"], found["next_cursor"]
        return [entry for entry in entries if not names or entry["fact"] in names]

    def recorded(self, incident: str) -> list[dict[str, Any]]:
        """The timeline as the records hold it, without asking any process."""
        return [entry.model_dump(mode="json") for entry in self._reader.timeline(incident)]

    def outbox(self, incident: str = "", purpose: str = "") -> list[dict[str, Any]]:
        """Messages that left, oldest first."""
        found = [json.loads(path.read_text()) for path in (self.data / "outbox").glob("*.json")]
        chosen = [
            message
            for message in found
            if incident in ("", message["incident"]) and purpose in ("", message["purpose"])
        ]
        return sorted(chosen, key=lambda message: (message["at"], message["idempotency_key"]))


def an_alert_group(service: str, key: str, status: str = "firing") -> dict[str, Any]:
    """The body of Alertmanager's webhook for a group of one alert."""
    labels = {"alertname": "HighErrorRate", "service": service, "severity": "critical"}
    alert = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": f"{service} returns errors"},
        "startsAt": "2026-11-23T14:07:26Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": key,
    }
    return {
        **{"version": "4", "receiver": "all", "status": status, "alerts": [alert]},
        **{"groupLabels": labels, "commonLabels": labels, "commonAnnotations": {}},
        **{"externalURL": "", "groupKey": f"{{}}:{service}", "truncatedAlerts": 0},
    }


@contextmanager
def a_system(folder: Path, policy: Path, **settings: str) -> Iterator[System]:
    """A running one, ended afterwards; what it printed is shown where the story failed."""
    system = System(folder, policy, **settings)
    try:
        system.start()
        yield system
    finally:
        system.close()
        print(system.said())
