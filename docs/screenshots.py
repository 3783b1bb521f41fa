"""Takes the pictures in docs/images/: `make shots`.

It starts a `tocsin up` of its own on free ports in a folder that is thrown away, tells a story with three
incidents through the API, and looks at it with Debian's Chromium. Nothing else on the machine is touched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from threading import Thread
from typing import Any, Literal, NamedTuple, TypeVar

import httpx2
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from starter.client import ApiError, TocsinClient

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 300_000
WAIT_SECONDS = 30.0
SETTLE_MS = 800
"""After what was waited for is there, the UI still fills in the rest."""
WIDE, PHONE = ViewportSize(width=1600, height=760), ViewportSize(width=390, height=844)

# Which columns the list shows is kept by the browser, per namespace; the same is set by hand with the
# button at the right end of the table's head.
COLUMNS_KEY = "namespace-workflow-table-columns"
COLUMNS = [
    *("Workflow ID", "IncidentStatus", "IncidentSeverity", "IncidentPriority"),
    *("IncidentManager", "IncidentMajor", "Start"),
]
LIST_QUERY = 'WorkflowType="IncidentWorkflow"'


class Running(NamedTuple):
    """A system that is up."""

    api: TocsinClient
    api_url: str
    token: str
    ui_url: str
    temporal_address: str
    data: Path

    def command(self, incident: str, name: str, actor: str, **fields: Any) -> None:
        self.api.command(incident, name, {"actor": actor, **fields})

    def messages(self, incident: str, purpose: str) -> list[dict[str, Any]]:
        found = [json.loads(path.read_text()) for path in (self.data / "outbox").glob("*.json")]
        mine = [m for m in found if (m["incident"], m["purpose"]) == (incident, purpose)]
        return sorted(mine, key=lambda message: str(message["at"]))


def wait_for(what: str, look: Callable[[], T]) -> T:
    """Look until there is something to see."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found: T | None
        try:
            found = look()
        except ApiError:
            found = None  # it is not there yet
        if found:
            return found
        if time.monotonic() > deadline:
            raise SystemExit(f"error: waited {WAIT_SECONDS:.0f} s for {what}, in vain")
        time.sleep(0.1)


@contextmanager
def a_running_system(folder: Path) -> Iterator[Running]:
    """A `tocsin up` that ends with the pictures."""
    ready, data, log = folder / "ready.json", folder / "data", folder / "up.log"
    command = [sys.executable, "-P", "-m", "starter.cli", "up", "--data-dir", str(data)]
    command += ["--policy", str(ROOT / "policy" / "example.yaml"), "--ready-file", str(ready)]
    command += ["--api-port", "0", "--temporal-port", "0", "--temporal-ui-port", "0"]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("TOCSIN_", "TEMPORAL_"))}
    with log.open("wb") as out:
        system = subprocess.Popen(command, env=own, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for("the system", lambda: ready.exists() or system.poll() is not None)
        if system.poll() is not None:
            raise SystemExit(f"error: the system did not come up\n{log.read_text()}")
        found = json.loads(ready.read_text())
        with TocsinClient(found["api_url"], found["token"]) as api:
            yield Running(
                *(api, found["api_url"], found["token"], found["temporal_ui_url"]),
                *(found["temporal_address"], data),
            )
    finally:
        system.send_signal(signal.SIGINT)
        try:
            system.wait(15)
        except subprocess.TimeoutExpired:
            system.kill()
            system.wait(5)


# The story.


def tell(running: Running) -> str:
    """Three incidents: one in full swing, one that nobody has answered, one resolved. Answers the first."""
    headers = {"Authorization": f"Bearer {running.token}"}
    payload = json.loads(resources.files("starter").joinpath("demo-alertmanager.json").read_text())
    answer = httpx2.post(
        f"{running.api_url}/hooks/alertmanager", json=payload, headers=headers, trust_env=False
    )
    answer.raise_for_status()
    resolved_one(running)
    rows = wait_for("an incident", lambda: running.api.incidents(service="checkout")[0])
    incident = str(rows[0]["id"])
    in_full_swing(running, incident)
    running.api.declare(
        {
            "service": "search",
            "severity": "SEV2",
            "summary": "Search returns no results for one customer in five",
            "reporter": "Support",
            "detected_by": "customer",
        }
    )
    wait_for("the page of search", lambda: running.messages("search-1", "page"))
    return incident


def in_full_swing(running: Running, incident: str) -> None:
    pager = str(wait_for("the page", lambda: running.messages(incident, "page"))[0]["person"])

    def do(name: str, **fields: Any) -> None:
        running.command(incident, name, pager, **fields)

    do("acknowledge")
    do(
        "assess",
        customer_impact="38% of checkouts fail with an error page",
        employee_impact="none",
        symptoms="5xx on /pay, connection pool exhausted",
        affected="some",
        affected_count=1200,
        support_cases=14,
        confirmed=True,
    )
    wait_for("the first updates", lambda: running.messages(incident, "external_update"))
    do("escalate", to="schedule:platform", reason="the orders database looks slow")
    pages = wait_for("the expert", lambda: len(running.messages(incident, "page")) > 1)
    assert pages
    expert = str(running.messages(incident, "page")[-1]["person"])
    running.command(incident, "acknowledge", expert)
    do("delegate", role="tech_lead", to=expert)
    wait_for("the role message", lambda: running.messages(incident, "role"))
    running.command(incident, "accept_role", expert, role="tech_lead")
    running.command(incident, "observe", expert, text="The connection pool of orders-db is at 100%")
    running.command(incident, "add_theory", expert, text="The 14:00 deploy leaks connections")
    do(
        "publish_update",
        audience="external",
        status="identified",
        text="We have found the cause and are deploying a fix.",
        next_update_minutes=20,
    )
    wait_for("the update", lambda: len(running.messages(incident, "external_update")) > 1)


def resolved_one(running: Running) -> None:
    answer = running.api.declare(
        {
            "service": "database",
            "severity": "SEV2",
            "summary": "Orders database: replica is 40 minutes behind",
            "detected_by": "technology",
        }
    )
    incident = str(answer.data["id"])
    pager = str(wait_for("the page", lambda: running.messages(incident, "page"))[0]["person"])
    running.command(incident, "acknowledge", pager)
    running.command(incident, "resolve", pager, summary="The replica was rebuilt and has caught up")


# The pictures.


class Camera:
    """A browser with the columns chosen and UTC."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @contextmanager
    def at(
        self,
        url: str,
        size: ViewportSize,
        *,
        dense: bool = False,
        theme: Literal["light", "dark"] = "light",
    ) -> Iterator[Page]:
        context = self._browser.new_context(
            viewport=size, device_scale_factor=2 if dense else 1, color_scheme=theme
        )
        stored = {
            COLUMNS_KEY: json.dumps({"default": [{"label": name} for name in COLUMNS]}),
            "timeFormat": json.dumps("UTC"),
            "dark mode": json.dumps(False),
        }
        context.add_init_script(
            "".join(f"localStorage.setItem({k!r}, {v!r});" for k, v in stored.items())
        )
        page = context.new_page()
        try:
            page.goto(url, wait_until="load")
            yield page
        finally:
            context.close()


def keep(page: Page, name: str, *, full: bool = False) -> None:
    """Write one picture, small enough to stand in a repository."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    file = IMAGES / f"{name}.png"
    page.screenshot(path=file, full_page=full, animations="disabled")
    size = file.stat().st_size
    print(f"{file.relative_to(ROOT)}: {size / 1000:.0f} kB")
    if size > MAX_BYTES:
        raise SystemExit(f"error: {file.name} is larger than {MAX_BYTES / 1000:.0f} kB")


def scroll_down(page: Page) -> None:
    """Past the input, which holds a policy and is of no interest here."""
    page.mouse.move(900, 700)
    page.mouse.wheel(0, 620)
    page.wait_for_timeout(SETTLE_MS)


def run_id(running: Running, incident: str) -> str:
    """That of the workflow's current run, which the address in the Temporal UI holds."""
    temporal = str(Path(sys.executable).parent / "temporal")
    command = [temporal, "workflow", "describe", "-w", incident, "-o", "json"]
    command += ["--address", running.temporal_address]
    described = json.loads(subprocess.check_output(command))
    return str(described["workflowExecutionInfo"]["execution"]["runId"])


def link_of(running: Running, incident: str) -> str:
    """The link for people, as it stands in the page."""
    found = re.search(r"http://\S+/i/\S+", running.messages(incident, "page")[0]["text"])
    if found is None:
        raise SystemExit("error: the page holds no link")
    return found.group()


def take(running: Running, incident: str, browser: Browser) -> None:
    camera = Camera(browser)
    ui = f"{running.ui_url}/namespaces/default/workflows"
    with camera.at(f"{ui}?query={LIST_QUERY}", WIDE) as page:
        page.get_by_text("search-1").first.wait_for()
        keep(page, "temporal-incidents")
    workflow = f"{ui}/{incident}/{run_id(running, incident)}"
    with camera.at(f"{workflow}/user-metadata", WIDE) as page:
        # The card stands in a frame of its own.
        page.frame_locator("iframe").last.get_by_text("Next:").wait_for()
        page.wait_for_timeout(SETTLE_MS)
        keep(page, "temporal-incident")
    with camera.at(f"{workflow}/history", WIDE) as page:
        page.get_by_text("Compact", exact=True).first.click()
        page.get_by_text("Open communications").first.wait_for()
        scroll_down(page)
        keep(page, "temporal-history")
    link = link_of(running, incident)
    with camera.at(link, PHONE, dense=True) as page:
        keep(page, "incident-phone")
    with camera.at(link, ViewportSize(width=1280, height=900)) as page:
        keep(page, "incident-desktop")
    with camera.at(f"{running.api_url}/report", PHONE) as page:
        keep(page, "report-phone")
    with camera.at(f"{running.api_url}/status/subscribe", PHONE) as page:
        keep(page, "subscribe-phone")


def take_status(running: Running, browser: Browser) -> None:
    """The public page on a desk and a phone, light and dark, and the widget on somebody else's site."""
    camera = Camera(browser)
    url = f"{running.api_url}/status"
    themes: dict[Literal["light", "dark"], str] = {"light": "", "dark": "-dark"}
    for theme, suffix in themes.items():
        with camera.at(url, ViewportSize(width=1280, height=900), theme=theme) as page:
            keep(page, f"status-page{suffix}", full=True)
        with camera.at(url, PHONE, dense=True, theme=theme) as page:
            keep(page, f"status-phone{suffix}")
        with (
            a_shop(f"{url}/widget.js") as shop,
            camera.at(shop, ViewportSize(width=640, height=300), dense=True, theme=theme) as page,
        ):
            page.locator("tocsin-status .box").wait_for()
            keep(page, f"status-widget{suffix}")


@contextmanager
def a_shop(widget: str) -> Iterator[str]:
    """A site of somebody else's that has the widget's one line; its address."""
    html = f"""<!doctype html><html lang="en"><title>Shop</title>
<meta name="color-scheme" content="light dark">
<style>body {{ font: 16px/1.5 system-ui, sans-serif; margin: 28px; max-width: 560px }}</style>
<h1>Shop</h1><p>Everything for the garden. Orders before noon leave on the same day.</p>
<script src="{widget}" async></script></html>"""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            """Nothing of it is worth a line."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """All of them, or with `status` only those of the status page."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("error: no chromium here (on Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as scratch, a_running_system(Path(scratch)) as running:
        incident = tell(running)
        with sync_playwright() as driver:
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            browser = driver.chromium.launch(executable_path=chromium, args=arguments)
            take_status(running, browser)
            if "status" not in sys.argv[1:]:
                take(running, incident, browser)
            browser.close()


if __name__ == "__main__":
    main()
