"""HTTP client of the API, used by the CLI. It knows routes and errors, nothing of screens or exit codes.

ClientError
  ├── ApiError              the API answered with an error
  ├── UnreachableError      nothing that is Tocsin answered; retried by the person, not here
  │     └── TimedOutError   the answer did not come in time: what was asked may have happened
  └── AmbiguousIdError      several incidents begin with what was given
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import httpx2

CONNECT_TIMEOUT_SECONDS = 5.0
PAGE_SIZE = 200
TIMELINE_PAGE_SIZE = 1000
LONGEST_PREFIX = 100
"""What the API takes as a prefix; anything longer is no beginning of an id."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Body = Mapping[str, Any]
T = TypeVar("T")


class ClientError(Exception):
    """Base of all."""


class ApiError(ClientError):
    """The API answered with an error; `problem` is its problem+json document."""

    def __init__(self, status: int, problem: dict[str, Any], request: str = "") -> None:
        self.status, self.problem, self.request = status, problem, request
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))


class UnreachableError(ClientError):
    """No answer that could be Tocsin's."""


class TimedOutError(UnreachableError):
    """The request went out and no answer came: it may have been carried out."""


class AmbiguousIdError(ClientError):
    """Several incidents begin with the given prefix."""

    def __init__(self, prefix: str, candidates: Sequence[dict[str, Any]]) -> None:
        self.prefix, self.candidates = prefix, list(candidates)
        super().__init__(f"{len(self.candidates)} incidents begin with {prefix!r}")


class Answer(NamedTuple):
    """What a write came to."""

    status: int
    data: dict[str, Any]

    @property
    def is_only_accepted(self) -> bool:
        """Kept, and done as soon as a worker is up."""
        return self.status == 202


class TocsinClient:
    """Speaks to one API as the owner of one token.

    Args:
        api_url: where the API is, without `/api/v1`.
        token: bearer token; without it only the open routes answer.
        timeout: seconds to wait for an answer.

    Every method raises `ApiError`, `UnreachableError` or `TimedOutError`.
    """

    def __init__(self, api_url: str, token: str | None, timeout: float = 30.0) -> None:
        self.api_url = api_url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self.api_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_SECONDS)),
            # Without TLS nothing is verified, and reading the certificates takes longer than the call.
            verify=self.api_url.startswith("https:"),
            # A proxy of the environment never reaches an API on this very machine.
            trust_env=urlsplit(self.api_url).hostname not in _LOOPBACK,
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> TocsinClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def declare(self, body: Body, key: str | None = None) -> Answer:
        return self._post("/api/v1/incidents", body, key)

    def incidents(self, *, limit: int = PAGE_SIZE, **filters: str | None) -> tuple[list[Any], bool]:
        """Up to `limit` incidents, and whether there are more."""
        asked = {"limit": min(limit, PAGE_SIZE), **filters}
        return self._pages("/api/v1/incidents", "incidents", asked, limit)

    def incident(self, incident_id: str) -> dict[str, Any]:
        return self._get(_incident(incident_id))

    def timeline(self, incident_id: str, limit: int | None = None) -> list[dict[str, Any]]:
        """The facts in order, all of them where no limit is given."""
        asked = {"limit": min(limit or TIMELINE_PAGE_SIZE, TIMELINE_PAGE_SIZE)}
        return self._pages(f"{_incident(incident_id)}/timeline", "entries", asked, limit)[0]

    def command(self, incident_id: str, name: str, body: Body, key: str | None = None) -> Answer:
        """One of the domain's commands, by its name."""
        return self._post(f"{_incident(incident_id)}/{name.replace('_', '-')}", body, key)

    def preview_update(self, incident_id: str, body: Body) -> dict[str, Any]:
        """What publishing an update would send; nothing is sent."""
        return self._post(f"{_incident(incident_id)}/preview-update", body, None).data

    def postmortem(self, incident_id: str) -> dict[str, Any]:
        return self._get(f"{_incident(incident_id)}/postmortem")

    def postmortem_command(
        self, incident_id: str, name: str, body: Body, key: str | None = None
    ) -> Answer:
        path = f"{_incident(incident_id)}/postmortem/{name.replace('_', '-')}"
        return self._post(path, body, key)

    def export(self, incident_id: str, format: str = "md") -> str:
        """The postmortem as a document: `md` or `html`."""
        path = f"{_incident(incident_id)}/postmortem/export"
        return self._send("GET", path, params={"format": format}).text

    def oncall(self, service: str, at: str | None = None) -> dict[str, Any]:
        return self._get("/api/v1/oncall", service=service, at=at)

    def schedule(
        self, name: str, since: str | None, until: str | None, days: int | None = None
    ) -> dict[str, Any]:
        asked = {"from": since, "to": until, "days": days}
        return self._get(f"/api/v1/oncall/{_part(name)}", **asked)

    def gaps(self, days: int | None) -> dict[str, Any]:
        return self._get("/api/v1/oncall/gaps", days=days)

    def load(self, days: int | None) -> dict[str, Any]:
        return self._get("/api/v1/oncall/load", days=days)

    def override(self, schedule: str, body: Body, key: str | None = None) -> Answer:
        return self._post(f"/api/v1/oncall/{_part(schedule)}/overrides", body, key)

    def overrides(self, schedule: str | None, *, past: bool = False) -> dict[str, Any]:
        asked = {"schedule": schedule, "past": "true" if past else None}
        return self._get("/api/v1/oncall/overrides", **asked)

    def remove_override(self, override_id: str, body: Body, key: str | None = None) -> Answer:
        """Take back what `overrides` shows under an id."""
        return self._post(f"/api/v1/oncall/overrides/{_part(override_id)}/remove", body, key)

    def swap(self, schedule: str, body: Body, key: str | None = None) -> Answer:
        return self._post(f"/api/v1/oncall/{_part(schedule)}/swaps", body, key)

    def temporary(self, schedule: str, body: Body, key: str | None = None) -> Answer:
        return self._post(f"/api/v1/oncall/{_part(schedule)}/temporary", body, key)

    def set_contact(self, person: str, body: Body, key: str | None = None) -> Answer:
        return self._post(f"/api/v1/oncall/people/{_part(person)}/contacts", body, key)

    def test_page(self, body: Body, key: str | None = None) -> Answer:
        """Send a person a test page."""
        return self._post("/api/v1/oncall/test", body, key)

    def maintenance(self, service: str | None = None) -> dict[str, Any]:
        return self._get("/api/v1/maintenance", service=service)

    def add_maintenance(self, body: Body, key: str | None = None) -> Answer:
        return self._post("/api/v1/maintenance", body, key)

    def remove_maintenance(
        self, service: str, window: str, body: Body, key: str | None = None
    ) -> Answer:
        headers = {"Idempotency-Key": key} if key else {}
        path = f"/api/v1/maintenance/{_part(service)}/{_part(window)}"
        response = self._send("DELETE", path, json=dict(body), headers=headers)
        return Answer(response.status_code, _json(response))

    def heartbeats(self) -> dict[str, Any]:
        return self._get("/api/v1/heartbeats")

    def reports(self, *, every: bool = False) -> dict[str, Any]:
        return self._get("/api/v1/reports", every="true" if every else None)

    def report(self, ref: str) -> dict[str, Any]:
        return self._get(f"/api/v1/reports/{_part(ref)}")

    def decide_report(self, ref: str, what: str, body: Body, key: str | None = None) -> Answer:
        """Confirm, join or dismiss a report."""
        return self._post(f"/api/v1/reports/{_part(ref)}/{what}", body, key)

    def policy(self) -> dict[str, Any]:
        return self._get("/api/v1/policy")

    def policy_reload(self, body: Body | None = None, key: str | None = None) -> Answer:
        return self._post("/api/v1/policy/reload", body or {}, key)

    def policy_explain(self, body: Body) -> Answer:
        return self._post("/api/v1/policy/explain", body, None)

    def status_page(self) -> dict[str, Any]:
        """What the public reads: components, open incidents, planned work, in Statuspage's shape."""
        return self._get("/status/api/v2/summary.json")

    def publish_status_page(self, body: Body, key: str | None = None) -> Answer:
        return self._post("/api/v1/status-page/publish", body, key)

    def whoami(self) -> dict[str, Any]:
        return self._get("/api/v1/whoami")

    def tokens(self) -> dict[str, Any]:
        return self._get("/api/v1/tokens")

    def create_token(self, body: Body, key: str | None = None) -> Answer:
        """Make a token; the answer holds it, once."""
        return self._post("/api/v1/tokens", body, key)

    def revoke_token(self, token_id: str, body: Body, key: str | None = None) -> Answer:
        return self._post(f"/api/v1/tokens/{_part(token_id)}/revoke", body, key)

    def subscribers(self, limit: int) -> dict[str, Any]:
        return self._get(f"/api/v1/subscribers?limit={limit}")

    def remove_subscriber(self, subscriber_id: str, body: Body, key: str | None = None) -> Answer:
        return self._post(f"/api/v1/subscribers/{_part(subscriber_id)}/remove", body, key)

    def webhook_secret(self, url: str) -> dict[str, Any]:
        """With what the receiver at this address verifies our signatures."""
        return self._post("/api/v1/webhooks/secret", {"url": url}, None).data

    def intake_refused(self) -> dict[str, Any]:
        """What intake has turned away although its sender is known."""
        return self._get("/api/v1/intake/refused")

    def readyz(self) -> dict[str, Any]:
        """What the system says of itself, ready or not."""
        return _json(self._send("GET", "/readyz", allowed=(503,), params={"verbose": "1"}))

    def events(self) -> Iterator[str]:
        """The lines of the event stream, until the server ends it."""
        limits = httpx2.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS)
        with self._http.stream("GET", "/api/v1/events", timeout=limits) as response:
            if response.is_error:
                response.read()
                raise _api_error(response)
            yield from response.iter_lines()

    def resolve_id(self, prefix: str) -> str:
        """The exact id, or the only one that begins so.

        Raises:
            AmbiguousIdError: naming the candidates.
        """
        return self.on_incident(prefix, lambda incident_id: str(self.incident(incident_id)["id"]))

    def on_incident(self, given: str, call: Callable[[str], T]) -> T:
        """Do something with the incident that `given` names, exactly or by a unique prefix.

        The exact id is tried first and costs no look-up, so that a command goes through even where
        lists cannot be read.
        """
        try:
            return call(given)
        except ApiError as error:
            if error.status != 404 or len(given) > LONGEST_PREFIX:
                raise
            found, _ = self.incidents(status="all", prefix=given)
            candidates = [one for one in found if str(one.get("id", "")).startswith(given)]
            if not candidates or any(one["id"] == given for one in candidates):
                raise
        if len(candidates) > 1:
            raise AmbiguousIdError(given, candidates)
        return call(candidates[0]["id"])

    def _get(self, path: str, **params: Any) -> dict[str, Any]:
        return _json(self._send("GET", path, params=_given(params)))

    def _post(self, path: str, body: Body, key: str | None) -> Answer:
        headers = {"Idempotency-Key": key} if key else {}
        response = self._send("POST", path, json=dict(body), headers=headers)
        return Answer(response.status_code, _json(response) if response.content else {})

    def _pages(
        self, path: str, field: str, params: dict[str, Any], limit: int | None
    ) -> tuple[list[Any], bool]:
        """What stands in `field` over all pages, up to the limit, and whether there is more."""
        found: list[Any] = []
        cursor = None
        while True:
            page = self._get(path, **params, cursor=cursor)
            found += page.get(field) or []
            cursor = page.get("next_cursor")
            if not cursor or (limit is not None and len(found) >= limit):
                return found[:limit], bool(cursor) or (limit is not None and len(found) > limit)

    def _send(
        self, method: str, path: str, *, allowed: tuple[int, ...] = (), **options: Any
    ) -> httpx2.Response:
        try:
            response = self._http.request(method, path, **options)
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise UnreachableError(f"no connection to {self.api_url} in time") from error
        except httpx2.TimeoutException as error:
            raise TimedOutError(f"{self.api_url} did not answer {method} {path} in time") from error
        except httpx2.TransportError as error:
            raise UnreachableError(f"cannot reach {self.api_url}: {error}") from error
        if not response.is_success and response.status_code not in allowed:
            raise _api_error(response)
        return response


def _incident(incident_id: str) -> str:
    return f"/api/v1/incidents/{_part(incident_id)}"


def _part(text: str) -> str:
    """One segment of a path; `.` and `..` would walk."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _json(response: httpx2.Response) -> dict[str, Any]:
    """The object in a response; anything else did not come from Tocsin."""
    try:
        data = response.json()
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise UnreachableError(f"what answers at {response.url} is not Tocsin's API")
    return data


def _api_error(response: httpx2.Response) -> ApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": response.reason_phrase or f"HTTP {response.status_code}"}
    request = f"{response.request.method} {response.request.url.path}"
    return ApiError(response.status_code, problem, request)
