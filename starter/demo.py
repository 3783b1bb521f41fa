"""`make demo`: one real incident through the whole process, in under a minute and without credentials.

It starts `tocsin up` in a folder of its own, posts a real Alertmanager payload, and then does what the
responders would do, through the same API as the CLI. Nothing is faked but the people.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2

from starter.client import ApiError, TocsinClient

WAIT_SECONDS = 30.0
BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class DemoError(Exception):
    """A step did not come to what it should."""


class Demo:
    """The story, step by step."""

    def __init__(self, api_url: str, token: str, data_dir: Path) -> None:
        self.api = TocsinClient(api_url, token)
        self._api_url, self._token = api_url, token
        self._data = data_dir
        self._began = time.monotonic()
        self.incident = ""

    # What it tells.

    def step(self, title: str, what: str) -> None:
        seconds = time.monotonic() - self._began
        print(f"{DIM}{seconds:5.1f} s{RESET}  {BOLD}{title:<12}{RESET} {what}", flush=True)

    def told(self, what: str) -> None:
        print(f"{'':21}{DIM}→ {what}{RESET}", flush=True)

    # What it looks at.

    def outbox(self, purpose: str) -> list[dict[str, Any]]:
        """Messages of the incident with that purpose, oldest first."""
        found = []
        for path in (self._data / "outbox").glob("*.json"):
            message = json.loads(path.read_text())
            if message["purpose"] == purpose and message["incident"] == self.incident:
                found.append(message)
        return sorted(found, key=lambda message: str(message["at"]))

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        """Look until there is something to see.

        Raises:
            DemoError: nothing came in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := look()):
            if time.monotonic() > deadline:
                raise DemoError(f"waited {WAIT_SECONDS:.0f} s for {what}, in vain")
            time.sleep(0.05)
        return found

    def command(self, name: str, actor: str, **fields: Any) -> dict[str, Any]:
        return self.api.command(self.incident, name, {"actor": actor, **fields}).data

    def wait_for_message(self, purpose: str, count: int = 1) -> dict[str, Any]:
        found = self.wait_for(
            f"{count} messages with purpose {purpose}",
            lambda: [m for m in [self.outbox(purpose)] if len(m) >= count],
        )
        return dict(found[0][-1])

    # The story.

    def run(self) -> None:
        self.detect()
        pager = self.raise_and_page()
        self.acknowledge(pager)
        self.assess(pager)
        self.escalate_and_delegate(pager)
        self.work(pager)
        self.resolve(pager)
        self.postmortem(pager)

    def detect(self) -> None:
        payload = json.loads(
            resources.files("starter").joinpath("demo-alertmanager.json").read_text()
        )
        # The captured alerts are of another day; the demo's began two minutes ago.
        began = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for alert in payload["alerts"]:
            alert["startsAt"] = began
        answer = httpx2.post(
            f"{self._api_url}/hooks/alertmanager",
            json=payload,
            headers={"Authorization": f"Bearer {self._token}"},
            trust_env=False,
        )
        if answer.status_code != 202:
            raise DemoError(f"intake answered {answer.status_code}: {answer.text}")
        alerts = len(payload["alerts"])
        self.step("Detect", f"Alertmanager posts {alerts} alerts of one group: 202, durable")

    def raise_and_page(self) -> str:
        rows = self.wait_for("an incident", lambda: self.api.incidents(service="checkout")[0])
        self.incident = rows[0]["id"]
        page = self.wait_for_message("page")
        self.step("Raise", f"{self.incident} is raised and {page['person']} is paged")
        self.told(page["subject"])
        return str(page["person"])

    def acknowledge(self, pager: str) -> None:
        incident = self.command("acknowledge", pager)
        self.step("Open comms", f"{pager} acknowledges: {incident['status']}, incident manager")
        opened = self.wait_for(
            "open communications",
            lambda: (
                self.api.incident(self.incident)["communications"]["opened_at"]
                and self.api.incident(self.incident)["communications"]
            ),
        )
        self.told(f"room {opened['room']}, bridge {opened['bridge']}")

    def assess(self, pager: str) -> None:
        self.command(
            "assess",
            pager,
            customer_impact="38% of checkouts fail",
            employee_impact="none",
            symptoms="an error page after 'Pay now'",
            affected="some",
            support_cases=12,
            factors=["social_media"],
            confirmed=True,
        )
        self.step("Assess", "the six questions are answered and the incident is confirmed")
        internal = self.wait_for_message("internal_update")
        external = self.wait_for_message("external_update")
        self.step("Inform", "first internal and external messages leave by themselves")
        self.told(f"internal: {internal['subject']}")
        self.told(f"external: {external['subject']}")

    def escalate_and_delegate(self, pager: str) -> None:
        self.command(
            "escalate", pager, to="schedule:platform", reason="the orders database looks slow"
        )
        page = self.wait_for_message("page", 2)
        expert = str(page["person"])
        self.step("Escalate", f"to schedule:platform: {expert} is paged with the reason")
        self.command("acknowledge", expert)
        self.command("delegate", pager, role="tech_lead", to=expert)
        self.wait_for(
            "the role message",
            lambda: [m for m in self.outbox("role") if m["person"] == expert],
        )
        self.command("accept_role", expert, role="tech_lead")
        self.step("Delegate", f"{expert} gets the duties of the tech lead and accepts")

    def work(self, pager: str) -> None:
        view = self.api.incident(self.incident)
        lead = next(r["person"] for r in view["roles"] if r["role"] == "tech_lead")
        self.command("observe", lead, text="Connection pool of orders-db is at 100%")
        self.command("add_theory", lead, text="The 14:00 deploy leaks connections")
        self.command("add_experiment", lead, theory="t1", text="Roll back the 14:00 deploy")
        self.command("record_result", lead, experiment="e1", text="Pool falls to 20%, errors stop")
        self.command("resolve_theory", lead, theory="t1", verdict="supported")
        self.step("Work", "observe, theorise, experiment: the theory holds")
        internal, external = (
            len(self.outbox("internal_update")),
            len(self.outbox("external_update")),
        )
        self.command(
            "publish_update",
            pager,
            audience="internal",
            text="Cause found: the 14:00 deploy leaks connections. It is being rolled back.",
        )
        self.command(
            "publish_update",
            pager,
            audience="external",
            status="identified",
            text="We have found the cause and are deploying a fix.",
            next_update_minutes=20,
        )
        self.wait_for_message("internal_update", internal + 1)
        self.wait_for_message("external_update", external + 1)
        self.step("Follow up", "both audiences hear how it stands and when the next update comes")

    def resolve(self, pager: str) -> None:
        internal, external = (
            len(self.outbox("internal_update")),
            len(self.outbox("external_update")),
        )
        self.command("resolve", pager, summary="The 14:00 deploy was rolled back; errors are gone")
        self.wait_for_message("internal_update", internal + 1)
        final = self.wait_for_message("external_update", external + 1)
        self.wait_for_message("postmortem")
        self.step("Resolve", "final messages leave; the postmortem has an owner and a due date")
        self.told(f"external: {final['subject']}")

    def postmortem(self, pager: str) -> None:
        def do(name: str, actor: str, **fields: Any) -> dict[str, Any]:
            body = {"actor": actor, **fields}
            return self.api.postmortem_command(self.incident, name, body).data

        self.wait_for(
            "the draft", lambda: self._found(lambda: self.api.postmortem(self.incident)["fields"])
        )
        do(
            "edit",
            pager,
            fields={
                "root_cause": "Connections are not returned when a payment times out",
                "five_whys": "Errors ← pool empty ← leak ← no timeout test ← no test for slow banks",
                "lessons": "Rolling back first was right; the pool had no alert",
            },
        )
        action = do(
            "add_action", pager, text="Alert on pool use over 80%", owner=pager, kind="priority"
        )
        do("submit", pager)
        do("approve", "carol")
        do("complete_action", pager, action=action["actions"][-1]["id"])
        self.wait_for(
            "the closed incident",
            lambda: self.api.incident(self.incident)["status"] == "closed",
        )
        self.step("Postmortem", "drafted, edited, reviewed, approved, its action done: closed")
        for suffix in ("md", "html"):
            text = self.api.export(self.incident, suffix)
            (self._data / f"postmortem.{suffix}").write_text(text)
        entries = self.api.timeline(self.incident)
        (self._data / "timeline.json").write_text(json.dumps(entries, indent=1) + "\n")
        self.told(f"{len(entries)} facts on the timeline, {self._messages()} messages left")

    def _messages(self) -> int:
        return len(list((self._data / "outbox").glob("*.json")))

    @staticmethod
    def _found(look: Callable[[], Any]) -> Any:
        try:
            return look()
        except ApiError as error:
            if error.status == 404:  # it is a moment younger than the incident's resolution
                return None
            raise


def main(data_dir: Path = Path("var/demo")) -> int:
    """Run the demo in `data_dir`, which is emptied first.

    Returns:
        The exit code: 0, or 1 when a step did not come to what it should.
    """
    if data_dir.exists() and not (data_dir / "up.lock").exists() and any(data_dir.iterdir()):
        print(
            f"error: {data_dir} holds something that is no demo; it is left alone", file=sys.stderr
        )
        return 2
    shutil.rmtree(data_dir, ignore_errors=True)
    data_dir.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        ready = Path(scratch) / "ready.json"
        command = [sys.executable, "-P", "-m", "starter.cli", "up", "--data-dir", str(data_dir)]
        command += ["--api-port", "0", "--temporal-port", "0", "--temporal-ui-port", "0"]
        command += ["--ready-file", str(ready)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")}
        log = (data_dir / "up.log").open("w")
        system = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            return _tell(system, ready, data_dir)
        finally:
            system.send_signal(signal.SIGINT)
            try:
                system.wait(timeout=15)
            except subprocess.TimeoutExpired:
                system.kill()
            log.close()


def _tell(system: subprocess.Popen[bytes], ready: Path, data_dir: Path) -> int:
    print(f"{BOLD}Tocsin demo{RESET}: starting Temporal, worker and API …", flush=True)
    deadline = time.monotonic() + 60.0
    while not ready.exists():
        if system.poll() is not None or time.monotonic() > deadline:
            print((data_dir / "up.log").read_text(), file=sys.stderr)
            print("error: the system did not come up", file=sys.stderr)
            return 1
        time.sleep(0.05)
    found = json.loads(ready.read_text())
    demo = Demo(found["api_url"], found["token"], data_dir)
    try:
        demo.run()
    except (DemoError, ApiError) as error:
        print(f"error: {error}", file=sys.stderr)
        print(f"logs are in {data_dir / 'logs'}", file=sys.stderr)
        return 1
    finally:
        demo.api.close()
    print(
        f"\nEverything that left is in {data_dir}/outbox/, the story in {data_dir}/timeline.json,"
    )
    print(f"the postmortem in {data_dir}/postmortem.md and .html. For real use: make up")
    return 0
