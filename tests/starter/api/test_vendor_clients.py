"""Clients of PagerDuty and Opsgenie as their makers ship them, against the application on a socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import opsgenie_sdk
import pagerduty
import pytest
import trustme
import uvicorn

from tests.starter.api.vendor_policy import GENIE_KEY, PD_KEY, vendor_policies


@pytest.fixture
def policies(tmp_path):
    return vendor_policies(tmp_path)


class Served(NamedTuple):
    """Where the application is, and whose signature vouches for it."""

    url: str
    authority: str


class Prompt(uvicorn.Server):
    """Ends without waiting for clients that do not say goodbye to TLS."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # type: ignore[union-attr]
        await asyncio.sleep(0.01)
        await super().shutdown(sockets)


@pytest.fixture
def served(app, tmp_path) -> Iterator[Served]:
    """The application behind TLS, which PagerDuty's client insists on."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "leaf.pem")
    config = uvicorn.Config(
        app,
        port=0,
        ssl_certfile=str(tmp_path / "leaf.pem"),
        log_config=None,
        loop="asyncio",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=60,  # a client that stands still comes back to its connection
    )
    server = Prompt(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"https://127.0.0.1:{port}", str(tmp_path / "ca.pem"))
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def pagerdutys(served) -> Iterator[Callable[..., pagerduty.EventsApiV2Client]]:
    """Makes clients of PagerDuty."""
    trust = ssl.create_default_context(cafile=served.authority)
    with ExitStack() as stack:

        def client(key: str = PD_KEY) -> pagerduty.EventsApiV2Client:
            made = pagerduty.EventsApiV2Client(key, base_url=served.url, verify=trust)
            return stack.enter_context(made)

        yield client


@pytest.fixture
def genie(served) -> Iterator[opsgenie_sdk.ApiClient]:
    """Opsgenie's client."""
    configuration = opsgenie_sdk.Configuration()
    configuration.host, configuration.ssl_ca_cert = served.url, served.authority
    configuration.api_key = {"Authorization": GENIE_KEY}
    configuration.retry_enabled = False
    client = opsgenie_sdk.ApiClient(configuration=configuration)
    yield client
    client.rest_client.pool_manager.clear()


def test_pagerdutys_client(pagerdutys, temporal):
    """It triggers, acknowledges and resolves by the key that it was given."""
    client = pagerdutys()
    details = {"service": "checkout"}
    key = client.trigger("Disk full", "db-1", severity="error", custom_details=details)
    assert client.acknowledge(key) == client.resolve(key) == key
    found = [(a["status"], a["service"], a["key"]) for a in temporal.alerts()]
    assert found == [
        (status, "checkout", f"pd/{key}") for status in ("firing", "acknowledged", "resolved")
    ]
    assert temporal.alerts()[0]["severity"] == "SEV2"


def test_pagerdutys_client_tells_of_a_change(pagerdutys, temporal):
    """Its own form of time and all. (It is given here: this version fails to make it.)"""
    links = [{"href": "https://ci.example.com/7", "text": "Build"}]
    at = "2026-11-24T12:00:00+00:00Z"
    pagerdutys().submit("Build 7", "ci", {"service": "checkout"}, links, at)
    (alert,) = temporal.alerts()
    assert (alert["status"], alert["service"], alert["summary"]) == (
        "changed",
        "checkout",
        "Build 7",
    )
    assert alert["starts_at"]


def test_pagerdutys_client_hears_what_is_wrong(pagerdutys, temporal):
    """A key that is nobody's and an event that is none: it raises at once and does not come again."""
    for client, source in ((pagerdutys("x" * 32), "db-1"), (pagerdutys(), "")):
        with pytest.raises(pagerduty.Error) as caught:
            client.trigger("Disk full", source)
        assert caught.value.response.status_code == 400
    assert temporal.signals == []


def test_opsgenies_client(genie, temporal):
    """It creates, asks what became of it, reads, acknowledges, notes and closes."""
    alerts = opsgenie_sdk.AlertApi(genie)
    payload = opsgenie_sdk.CreateAlertPayload(
        message="Disk full", alias="disk", priority="P1", details={"service": "checkout"}
    )
    created = alerts.create_alert(payload)
    assert created.retrieve_result().data.action == "Create"
    assert created.retrieve_resulting_action().data.alias == "disk"
    assert alerts.get_alert(created.id).data.message == "Disk full"
    assert [one.alias for one in alerts.list_alerts().data] == ["disk"]
    assert alerts.count_alerts().data.count == 1

    who = opsgenie_sdk.AcknowledgeAlertPayload(user="ann@example.com", note="On it")
    alerts.acknowledge_alert(created.id, acknowledge_alert_payload=who)
    note = opsgenie_sdk.AddNoteToAlertPayload(note="Cleaning up", user="ann@example.com")
    alerts.add_note("disk", note, identifier_type="alias")
    closed = alerts.close_alert("disk", identifier_type="alias")
    assert closed.retrieve_result().data.status == "Closed alert"
    assert alerts.get_alert(created.id).data.status == "closed"
    found = [(a["status"], a["by"], a["description"]) for a in temporal.alerts()[1:]]
    assert found == [
        ("acknowledged", "ann", ""),
        ("noted", "ann", "On it"),
        ("noted", "ann", "Cleaning up"),
        ("resolved", "genie", ""),
    ]
    assert {a["service"] for a in temporal.alerts()} == {"checkout"}
    assert temporal.alerts()[0]["severity"] == "SEV1"


def test_opsgenies_client_calls_in(genie, temporal):
    """A job's ping is a beat of the monitor of that name."""
    opsgenie_sdk.HeartbeatApi(genie).ping("backup")
    assert [signal[0] for signal in temporal.signals] == ["heartbeat/backup"]


def test_opsgenies_client_hears_what_is_wrong(genie, temporal):
    """A key that is nobody's, and an alert without a message."""
    alerts = opsgenie_sdk.AlertApi(genie)
    with pytest.raises(opsgenie_sdk.exceptions.ConfigurationException) as caught:
        alerts.create_alert(opsgenie_sdk.CreateAlertPayload(message=" "))
    assert caught.value.status == 422
    genie.configuration.api_key = {"Authorization": "nobody's"}
    with pytest.raises(opsgenie_sdk.exceptions.AuthenticationException) as caught:
        alerts.create_alert(opsgenie_sdk.CreateAlertPayload(message="Disk full"))
    assert caught.value.status == 401
    assert temporal.signals == []
