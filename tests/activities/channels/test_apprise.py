"""The long tail: one URL per contact, by reference, and only services that were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.channels.apprise import MAX_CHARS, AppriseChannel, AppriseSettings, as_note
from domain.errors import DeliveryError, DeliveryReason
from tests.activities.channels.rigs import ANSWER
from tests.fakes.apprise_target import apprise_target, contact_url
from tests.fakes.organisation import an_outgoing
from tests.fakes.vendor import VendorFake


@pytest.fixture
def target() -> Iterator[VendorFake]:
    with apprise_target() as fake:
        yield fake
        assert fake.refused == []


def _channel(**variables: str) -> AppriseChannel:
    wanted = {"APPRISE_SCHEMAS": "json", "APPRISE_TIMEOUT": "10"} | variables
    return AppriseChannel(AppriseSettings.from_environment(wanted))


async def _refused(channel: AppriseChannel, to: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await channel.send(an_outgoing(channel="apprise", to=to))
    return caught.value


async def test_a_contact_may_be_a_variable(target: VendorFake) -> None:
    """The policy names a variable, and the URL with its password stands there."""
    channel = _channel(ALICE_DISCORD=contact_url(target.url))
    await channel.send(an_outgoing(to="env:ALICE_DISCORD", answer=ANSWER))
    (note,) = target.accepted
    assert note["title"] == "checkout-17 SEV1 P1"
    assert note["message"] == (f"Card payments are refused\nAcknowledge checkout-17: {ANSWER.url}")


async def test_a_contact_may_be_a_file(target: VendorFake, tmp_path: Path) -> None:
    """A mounted secret is read when the message leaves, so that a changed one is used at once."""
    file = tmp_path / "alice"
    file.write_text("json://127.0.0.1:1/old\n")
    channel = _channel()
    file.write_text(contact_url(target.url) + "\n")
    await channel.send(an_outgoing(to=f"file:{file}"))
    assert len(target.accepted) == 1


@pytest.mark.parametrize("to", ["env:NOBODY_SET_THIS", "file:/nowhere/at/all"])
async def test_a_reference_that_leads_nowhere_is_told(to: str) -> None:
    """What is missing is named, and it is not tried again: the next contact is."""
    error = await _refused(_channel(), to)
    assert (error.reason, error.retryable) == (DeliveryReason.NOT_CONFIGURED, False)
    assert to.partition(":")[2] in error.detail


@pytest.mark.parametrize(
    "to", ["discord://webhook_id/hunter2", "syslog://localhost", "hunter2", "env:HOLDS_A_SECRET"]
)
async def test_only_services_that_were_asked_for_are_used(to: str) -> None:
    """Apprise can talk to the machine it runs on: what APPRISE_SCHEMAS does not name is not loaded."""
    error = await _refused(_channel(HOLDS_A_SECRET="hunter2"), to)
    assert (error.reason, error.retryable) == (DeliveryReason.NOT_CONFIGURED, False)
    assert "APPRISE_SCHEMAS" in error.detail
    assert "hunter2" not in error.detail


async def test_a_url_that_is_none_is_refused() -> None:
    """A broken URL is refused for good, without being shown."""
    error = await _refused(_channel(), "json://:hunter2@")
    assert (error.reason, error.retryable) == (DeliveryReason.REJECTED, False)
    assert "hunter2" not in error.detail


async def test_the_url_cannot_ask_for_more_time_or_for_redirects(target: VendorFake) -> None:
    """What a URL says about timeouts and redirects does not matter: the channel's limits hold."""
    target.status, target.headers = 302, {"Location": target.url + "/elsewhere"}
    url = contact_url(target.url) + "?rto=500&cto=500&redirect=yes"
    error = await _refused(_channel(), url)
    assert error.reason is DeliveryReason.REJECTED
    assert target.calls == 1


async def test_a_service_that_fails_without_a_request_is_told(
    target: VendorFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some services do not speak by `requests`: their failure is retried, as a fault unknown."""
    channel = _channel()
    monkeypatch.setattr(
        "apprise.plugins.custom_json.NotifyJSON.send", lambda *args, **options: False
    )
    error = await _refused(channel, contact_url(target.url))
    assert (error.reason, error.retryable) == (DeliveryReason.SERVER_ERROR, True)
    assert target.calls == 0


def test_a_long_text_keeps_its_link() -> None:
    """The text gives way to the link for acknowledging."""
    note = as_note(an_outgoing(text="The database is slow. " * 200, answer=ANSWER))
    assert len(note) <= MAX_CHARS
    assert note.endswith(ANSWER.url)
