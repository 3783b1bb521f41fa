"""An application where people sign in at a fake provider, and browsers that do it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from fastapi import FastAPI
from fastapi.testclient import TestClient

from records.policy_file import read_policy
from records.policy_store import PolicyStore
from starter.access.oidc import Provider
from starter.access.sessions import Sessions
from starter.api.app import create_app
from starter.egress import Egress
from starter.gateway import Gateway
from starter.records_access import RecordsAccess
from starter.settings import load_settings
from tests.fakes.identity_provider import CLIENT, SECRET, IdentityProvider
from tests.starter.fakes import FakeTemporal
from tests.system import a_policy

TOKEN = "tocsin_of-the-system"
ORIGIN = "http://testserver"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Clock:
    """Hands that are set."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class House:
    """An application on a folder; several on one folder are processes of one host.

    Args:
        oidc: changes to the policy's section, or None: nobody can sign in.
        clock: of the sessions; left out: the real one.
        sections: of the policy, such as `access` and `reports`.
    """

    def __init__(
        self,
        folder: Path,
        records: RecordsAccess,
        provider: IdentityProvider | None,
        oidc: dict[str, Any] | None = None,
        *,
        clock: Clock | None = None,
        public_url: str = ORIGIN,
        **sections: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.records, self.public_url = folder, records, public_url
        self._provider = provider
        self.policies = PolicyStore(folder)
        self.adopt(oidc, **sections)
        self.temporal = FakeTemporal(self.policies.current()[1])
        settings = load_settings(
            {
                "TOCSIN_DATA_DIR": str(folder),
                "TOCSIN_API_TOKEN": TOKEN,
                "TOCSIN_PUBLIC_URL": public_url,
                "TOCSIN_EGRESS_ALLOW": "127.0.0.1",
            }
        )
        gateway = Gateway(self.temporal, records, self.policies)  # type: ignore[arg-type]
        self.app: FastAPI = create_app(settings, gateway, {"OIDC_SECRET": SECRET})
        if clock is not None:
            self.change(sessions=Sessions(folder, clock))

    def adopt(self, oidc: dict[str, Any] | None = None, **sections: Any) -> None:
        """Put another policy in force."""
        access = dict(sections.pop("access", {"people": {"ann": ["responder"]}}))
        if self._provider is not None:
            own = {
                "issuer": self._provider.url,
                "client_id": CLIENT,
                "client_secret": "env:OIDC_SECRET",
                "roles": {"sre": ["comms"]},
            }
            access["oidc"] = own | (oidc or {})
        people = {"alice": {"contacts": [{"channel": "email", "to": "alice@example.com"}]}}
        file = a_policy(
            self.folder / "policy.json",
            {"checkout": [("ann", "2s")]},
            people=people | sections.pop("people", {}),
            access=access,
            **sections,
        )
        self.policies.adopt(read_policy(file))

    def change(self, **services: Any) -> None:
        """Put another part in its place."""
        for name, part in services.items():
            object.__setattr__(self.app.state.services, name, part)

    def egress(self, seconds: float, steady: Clock | None = None) -> None:
        """Ask the provider with a shorter patience, by another clock."""
        egress = Egress(self.app.state.services.egress._allowed, seconds=seconds)
        more = {} if steady is None else {"steady": steady}
        self.change(provider=Provider(egress, {"OIDC_SECRET": SECRET}, **more))

    def browser(self) -> Browser:
        return Browser(self)


class Browser:
    """Somebody's browser: keeps cookies, and says where its requests come from as browsers do."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.http = TestClient(
            house.app,
            base_url=house.public_url,
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def begin(self, query: str = "") -> httpx2.Response:
        return self.http.get(f"/login{query}")

    def at_the_provider(self, begun: httpx2.Response) -> str:
        """Type a good password; the path and query of ours to which one is sent back."""
        assert begun.status_code == 303, begun.text
        answer = httpx2.get(begun.headers["location"], follow_redirects=False, trust_env=False)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}"

    def sign_in(self, query: str = "") -> httpx2.Response:
        """All of it; the last answer."""
        return self.http.get(self.at_the_provider(self.begin(query)))

    def signed_in(self) -> Browser:
        answer = self.sign_in()
        assert answer.status_code == 303, answer.text
        return self

    @property
    def cookie(self) -> str:
        """That of the session; empty where there is none."""
        found = [one for one in self.http.cookies.jar if one.name.endswith("tocsin-session")]
        return str(found[0].value) if found else ""

    def with_cookie(self, value: str) -> Browser:
        """Another browser that has got hold of a cookie."""
        other = Browser(self.house)
        other.http.cookies.set("tocsin-session", value)
        return other

    @property
    def csrf_token(self) -> str:
        page = self.http.get("/me")
        found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert found, page.text
        return found[1]

    def own(self, token: str | None = None) -> dict[str, str]:
        """The headers of a request by a script of our own pages."""
        given = self.csrf_token if token is None else token
        return {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": given}

    def declare(self, headers: dict[str, str], **fields: Any) -> httpx2.Response:
        """Something that changes something."""
        body = {"service": "checkout", "severity": "SEV1", "summary": "x", **fields}
        return self.http.post("/api/v1/incidents", content=json.dumps(body), headers=headers)
