"""People sign in with a real browser at a real identity provider program: Canaille, which Python runs."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_browser import WIDTHS, Page, browser
from tests.system import System, a_policy, a_system, eventually

__all__ = ["browser"]

PYTHON = Path(__file__).parents[2] / ".venv" / "idp" / "bin" / "python"
SERVER = Path(__file__).with_name("canaille_server.py")
_spec = importlib.util.spec_from_file_location("canaille_server", SERVER)
assert _spec is not None
assert _spec.loader is not None
canaille = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(canaille)


class Idp:
    """Canaille as a process, on a port that stays the same."""

    def __init__(self, folder: Path) -> None:
        with closing(socket.socket()) as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "canaille.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, redirect_uri: str) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(PYTHON), str(SERVER), str(self.port), redirect_uri],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._log.parent,
            )
        eventually(self._answers, 40, "Canaille", every=0.2)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(errors="replace")
        with suppress(OSError):
            urllib.request.urlopen(f"{self.url}/.well-known/openid-configuration", timeout=5)
            return True
        return False

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    """Not started yet: it has to be told where Tocsin is."""
    if not PYTHON.exists():
        pytest.skip("Canaille is not installed in .venv/idp: make e2e sets it up")
    made = Idp(tmp_path_factory.mktemp("idp"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, idp: Idp) -> Iterator[System]:
    """A real `tocsin up` whose people sign in there."""
    folder = tmp_path_factory.mktemp("up")
    access = {
        "people": {"ann": ["responder"]},
        "oidc": {
            "issuer": idp.url,
            "client_id": canaille.CLIENT,
            "client_secret": "env:OIDC_SECRET",
            "scopes": ["openid", "email", "profile", "groups"],
            "roles": {"sre": ["comms"]},
        },
    }
    policy = a_policy(folder / "policy.yaml", {"checkout": [("ann", "0s")]}, access=access)
    settings = {"TOCSIN_EGRESS_ALLOW": "127.0.0.1", "OIDC_SECRET": canaille.SECRET}
    with a_system(folder, policy, **settings) as running:
        idp.start(f"{running.api_url}/login/callback")
        yield running


class Visitor:
    """Somebody with a browser of their own, without anybody's cookies."""

    def __init__(self, browser: Any, house: System, width: int = 1280) -> None:
        self.house = house
        self.page = Page(browser, f"{house.api_url}/me", width)
        self.tab = self.page.tab
        self.context = self.tab.context

    def sign_in(self, name: str) -> None:
        """As the page asks: to the provider, name, password, and back."""
        self.tab.click("a.go")
        self.tab.fill("input[name=login]", name)
        self.tab.press("input[name=login]", "Enter")
        self.tab.fill("input[name=password]", canaille.PASSWORD)
        self.tab.press("input[name=password]", "Enter")
        self.tab.wait_for_url(f"{self.house.api_url}/**")
        self.page.errors.clear()  # those of the provider's own pages

    @property
    def csrf_token(self) -> str:
        return str(self.tab.get_attribute("input[name=csrf_token]", "value"))

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        """As a script on a page of Tocsin does: with the browser's cookies."""
        own = {"Origin": self.house.api_url, "Content-Type": "application/json", **headers}
        return self.context.request.post(
            self.house.api_url + path, headers=own, data=json.dumps(body)
        )

    def get(self, path: str) -> Any:
        return self.context.request.get(self.house.api_url + path)


@pytest.mark.parametrize("width", WIDTHS)
def test_from_signing_in_to_signing_out(
    house: System, browser: Any, width: int, tmp_path: Path
) -> None:
    """Who they are and may do, an acknowledgement in their name, and after signing out nothing any more."""
    visitor = Visitor(browser, house, width)
    assert visitor.page.answer.status == 401
    assert visitor.page.overflowing() == []
    visitor.sign_in("ann")
    assert visitor.tab.url == f"{house.api_url}/me"
    for expected in ("ann", "responder", "comms", "Sign out", "Report a problem"):
        assert expected in visitor.page.text
    assert visitor.page.overflowing() == []
    visitor.tab.screenshot(path=tmp_path / f"me-{width}.png", full_page=True)
    visitor.tab.click("text=List the open incidents")
    assert "incidents" in visitor.page.text
    visitor.tab.go_back()

    incident = house.declare("checkout")
    path = f"/api/v1/incidents/{incident}/acknowledge"
    assert visitor.post(path, {}).status == 403
    assert visitor.post(path, {}, **{"X-CSRF-Token": "guessed"}).status == 403
    token = visitor.csrf_token
    other = visitor.post(path, {"actor": "carol"}, **{"X-CSRF-Token": token})
    assert other.status == 403
    assert "acts for ann" in other.json()["detail"]
    taken = visitor.post(path, {}, **{"X-CSRF-Token": token})
    assert taken.status == 200, taken.text()
    (fact,) = eventually(lambda: house.facts(incident, "acknowledged"), 30, "the fact")
    assert fact["actor"] == "ann"
    assert "unsigned" not in json.dumps(fact)

    (cookie,) = [one for one in visitor.context.cookies() if one["name"] == "tocsin-session"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    visitor.tab.click("text=Sign out")
    assert "You are signed out" in visitor.page.text
    assert visitor.get("/api/v1/whoami").status == 401
    visitor.context.add_cookies([cookie])
    again = visitor.get("/api/v1/whoami")
    assert again.status == 401
    assert "signed out of" in again.json()["detail"]
    visitor.tab.close()


@contextmanager
def another_site(page: str) -> Iterator[str]:
    """A page on another port of this host: to a browser the same site, so that cookies go along."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_page_of_somebody_else_does_nothing(house: System, browser: Any) -> None:
    """Its forms reach us with the visitor's cookie, and are refused: neither signed out nor acknowledged."""
    visitor = Visitor(browser, house)
    visitor.sign_in("ann")
    incident = house.declare("checkout", "Cards are refused, and somebody likes it")
    targets = ("/logout", f"/api/v1/incidents/{incident}/acknowledge")
    for target in targets:
        form = (
            f'<form method="post" enctype="text/plain" action="{house.api_url}{target}">'
            """<input name='{"x":"' value='"}'><button>Win</button></form>"""
        )
        with another_site(form) as url:
            visitor.tab.goto(url)
            with visitor.tab.expect_request(f"**{target}") as sent:
                visitor.tab.click("text=Win")
            assert "tocsin-session=" in sent.value.all_headers()["cookie"]
            assert sent.value.response().status == 403
    assert visitor.get("/me").status == 200
    assert house.facts(incident, "acknowledged") == []
    visitor.tab.close()


def test_somebody_whom_the_policy_does_not_know(house: System, browser: Any) -> None:
    """Their password is good, and they are told that they are nobody here."""
    visitor = Visitor(browser, house)
    visitor.sign_in("mallory")
    assert "You are not known here" in visitor.page.text
    assert visitor.get("/api/v1/whoami").status == 401
    visitor.tab.close()


def test_signed_in_people_work_on_while_the_provider_is_away(
    house: System, idp: Idp, browser: Any
) -> None:
    """Only signing in needs it: whoever is in takes incidents; whoever comes is told why they cannot."""
    visitor = Visitor(browser, house)
    visitor.sign_in("ann")
    idp.stop()
    try:
        incident = house.declare("checkout", "Cards are refused again")
        path = f"/api/v1/incidents/{incident}/acknowledge"
        taken = visitor.post(path, {}, **{"X-CSRF-Token": visitor.csrf_token})
        assert taken.status == 200, taken.text()
        assert visitor.get("/me").status == 200
    finally:
        idp.start(f"{house.api_url}/login/callback")
    visitor.tab.close()
