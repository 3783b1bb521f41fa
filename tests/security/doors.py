"""A door with signed and unsigned senders, for those who want to force it."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.testclient import TestClient
from standardwebhooks import Webhook

from records.policy_file import read_policy
from records.policy_store import PolicyStore
from starter.api.app import create_app
from starter.gateway import Gateway
from starter.intake.formats import Format
from starter.intake.received import Received
from starter.records_access import RecordsAccess
from starter.settings import load_settings
from starter.signatures import is_signed_webhook
from tests.starter.fakes import FakeTemporal
from tests.system import a_policy, an_alert_group

TOKEN = "tocsin_canary-token"
SECRETS = {
    "AM_KEY": "canary-key-of-prometheus",
    "OTHER_KEY": "canary-key-of-other",
    "SIGNED_KEY": "canary-key-of-signed",
    "SIGNED_SECRET": "whsec_" + base64.b64encode(b"canary-secret-of-signed!").decode(),
    "SLOW_KEY": "canary-key-of-slow",
    "PD_KEY": "canary-key-0123456789abcdef01234",
    "GENIE_KEY": "canary-key-of-genie",
}
NOW = datetime(2026, 11, 24, 12, 0, 0, 500_000, tzinfo=UTC)
HOOK = "/hooks/alertmanager"
SENDERS: dict[str, dict[str, Any]] = {
    "prometheus": {"format": "alertmanager", "key": "env:AM_KEY"},
    "signed": {
        "format": "alertmanager",
        "key": "env:SIGNED_KEY",
        "signing_secret": "env:SIGNED_SECRET",
    },
    "slow": {
        "format": "alertmanager",
        "key": "env:SLOW_KEY",
        "rate": {"per_minute": 60, "burst": 5},
    },
    "pd": {
        "format": "pagerduty",
        "key": "env:PD_KEY",
        "rate": {"per_minute": 60, "burst": 5},
    },
    "genie": {
        "format": "opsgenie",
        "key": "env:GENIE_KEY",
        "rate": {"per_minute": 60, "burst": 5},
    },
    "closed": {"format": "alertmanager", "key": "env:NOT_SET"},
}


def signable(one: Format) -> Format:
    """A format whose senders sign as Standard Webhooks say, and number what they deliver."""

    def verify(received: Received, secret: str, now: datetime) -> bool:
        return is_signed_webhook(received.headers, received.body, secret, now.timestamp())

    return dataclasses.replace(
        one, verify=verify, delivery_id=lambda received: received.headers.get("webhook-id")
    )


class Door:
    """An application on a folder of its own, with Temporal in memory."""

    def __init__(
        self,
        folder: Path,
        records: RecordsAccess,
        senders: Mapping[str, Any] = SENDERS,
        environ: Mapping[str, str] = SECRETS,
        **settings: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        policies = PolicyStore(folder)
        policy = a_policy(
            folder / "policy.json",
            {"checkout": [("ann", "2s")], "search": [("ann", "2s")]},
            integrations=senders,
        )
        policies.adopt(read_policy(policy))
        self.temporal = FakeTemporal(policies.current()[1])
        self.environ = dict(environ)
        given = {"TOCSIN_DATA_DIR": str(folder), "TOCSIN_API_TOKEN": TOKEN, **settings}
        gateway = Gateway(self.temporal, records, policies)  # type: ignore[arg-type]
        self.app: FastAPI = create_app(load_settings(given), gateway, self.environ)
        self.api = TestClient(self.app, raise_server_exceptions=False)

    def at(self, now: datetime) -> None:
        """Set the clock that signatures are checked by."""
        self.app.state.services.reception.admission._now = lambda: now

    def no_time_passes(self) -> None:
        """No bucket fills, however long a busy machine takes for the next request."""
        limits = self.app.state.services.limits
        for buckets in (limits._senders, limits._callers, limits._strangers):
            buckets._clock = lambda: 0.0

    def post(
        self, body: bytes, key: str = SECRETS["AM_KEY"], path: str = HOOK, **headers: str
    ) -> httpx2.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        own = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return self.api.post(path, content=body, headers={**own, **given})

    def alerts(self) -> list[dict[str, Any]]:
        """What has reached Temporal."""
        return self.temporal.alerts()

    def metric(self, line: str) -> float:
        """One line of the metrics; 0 where it is not there."""
        for one in self.api.get("/metrics").text.splitlines():
            if one.startswith(line + " "):
                return float(one.rpartition(" ")[2])
        return 0.0


def group(service: str = "checkout", key: str = "k1", **changes: Any) -> bytes:
    """A payload of one critical alert, or of another severity."""
    payload = an_alert_group(service, key, changes.pop("status", "firing"))
    payload["alerts"][0]["labels"].update(changes)
    return json.dumps(payload).encode()


def sign(
    body: bytes,
    off: int = 0,
    delivery: str = "msg-1",
    secret: str = SECRETS["SIGNED_SECRET"],
    now: datetime = NOW,
) -> dict[str, str]:
    """The headers of a signed delivery, sent `off` seconds after our clock's whole second."""
    at = now.replace(microsecond=0) + timedelta(seconds=off)
    return {
        "webhook_id": delivery,
        "webhook_timestamp": str(int(at.timestamp())),
        "webhook_signature": Webhook(secret).sign(delivery, at, body.decode()),
    }


def copy_records(folder: Path, empty: Path) -> Path:
    """Tables without rows, for a door of one's own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty, folder / "records.db")
    return folder / "records.db"


Make = Callable[..., Door]
