"""SendGrid by its official client: one call for one mail or for many, its errors sorted into ours. Blocking.

The client follows redirects with the key in its headers, uses whatever proxy the environment names,
and has no timeout of its own: all three are put right here.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any

import python_http_client
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from activities.channels import refusals
from activities.channels.base import AnswerLostError, Outgoing, Receipt
from activities.channels.mail_headers import BulkMail, headers_of
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from templates.filters import header

MOST_IN_A_CALL = 1_000
"""Source: SendGrid's v3 Mail Send, `personalizations`."""
_PLACE = re.compile(r"personalizations[.\[](\d+)")


class RefusedPartError(DeliveryError):
    """SendGrid names the recipients for whom it refuses a whole call; nothing of it has left.

    Args:
        positions: theirs in the call.
    """

    def __init__(self, detail: str, positions: Sequence[int]) -> None:
        super().__init__(DeliveryReason.REJECTED, detail, retryable=False)
        self.positions = frozenset(positions)


class SendGrid:
    """Hands mails over.

    Args:
        timeout: for connecting and for each read. Units: seconds.
    """

    def __init__(
        self, api_key: str, base_url: str, timeout: float, sender: str, proxy: str | None = None
    ) -> None:
        self._api_key, self._base_url = api_key, base_url
        self._timeout, self._sender, self._proxy = timeout, sender, proxy

    def send(self, message: Outgoing) -> Receipt:
        """Hand the message over.

        Raises:
            DeliveryError: sorted by whether the same message may succeed later.
        """
        return self._post(body_of(message, self._sender))

    def send_many(self, messages: Sequence[BulkMail]) -> Receipt:
        """Hand the same text over for many, all of them or none.

        Args:
            messages: of one text, at most `MOST_IN_A_CALL`, no address twice.

        Raises:
            RefusedPartError: because of some of them.
            DeliveryError: as `send`.
        """
        return self._post(body_for_many(messages, self._sender))

    def _post(self, body: dict[str, Any]) -> Receipt:
        try:
            response = self._client().send(body)
        except HTTPError as error:
            raise from_status(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise from_connection(error) from error
        return Receipt(vendor_id=response.headers.get("X-Message-Id"))

    def _client(self) -> SendGridAPIClient:
        # One for each call: the official client keeps the request in itself, and threads share it.
        official = SendGridAPIClient(self._api_key, host=self._base_url)
        official.client = _Client(
            host=self._base_url,
            request_headers=official.client.request_headers,
            version=3,
            timeout=self._timeout,
        )
        official.client.proxy = self._proxy
        return official


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing: the answer itself is the error."""


class _Client(python_http_client.Client):  # type: ignore[misc]  # it ships no types
    """The official HTTP client without redirects."""

    proxy: str | None = None

    def _build_client(self, name: str | None = None) -> _Client:
        made = _Client(
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
            append_slash=self.append_slash,
            timeout=self.timeout,
        )
        made.proxy = self.proxy
        return made

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> Any:
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else {}
        strict = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler(proxies))
        return super()._make_request(strict, request, timeout=timeout)


def body_of(message: Outgoing, sender: str) -> dict[str, Any]:
    """The request. `custom_args` come back in SendGrid's events: it has no idempotency key of its own."""
    body = _common(message, sender)
    if message.purpose in (Purpose.PAGE, Purpose.PAGE_UPDATE):
        # Somebody who once bounced or complained is still on call: SendGrid's lists hold no page back.
        body["mail_settings"] = {"bypass_list_management": {"enable": True}}
    body["headers"] = headers_of(message, sender)
    body["personalizations"] = [
        {"to": [{"email": message.to.strip()}], "custom_args": _arguments(message)}
    ]
    return body


def body_for_many(messages: Sequence[BulkMail], sender: str) -> dict[str, Any]:
    """One request for all of them; nobody sees who else gets it."""
    people = []
    for one in messages:
        person: dict[str, Any] = {
            "to": [{"email": one.to.strip()}],
            "headers": headers_of(one, sender),
            "custom_args": _arguments(one),
        }
        if one.marks:
            person["substitutions"] = dict(one.marks)
        people.append(person)
    return _common(messages[0], sender) | {"personalizations": people}


def _arguments(message: Outgoing) -> dict[str, str]:
    return {"idempotency_key": message.key, "incident": message.incident}


def _common(message: Outgoing, sender: str) -> dict[str, Any]:
    name, address = parseaddr(sender)
    content = [{"type": "text/plain", "value": message.text or message.subject}]
    if message.html:
        content.append({"type": "text/html", "value": message.html})
    return {
        "from": {"email": address, **({"name": name} if name else {})},
        "subject": header(message.subject),
        "content": content,
        # Tracking would lead our signed links through somebody else's redirect, and call it ours.
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
        },
    }


def from_status(error: HTTPError) -> DeliveryError:
    """Sort an answer that is no success."""
    status = int(error.status_code)
    is_refusal = status < 500 and status not in (401, 403, 429)
    why = error.body.decode("utf-8", "replace") if is_refusal and error.body else ""
    places = refused_places(why) if status == 400 else []
    if places:
        return RefusedPartError(f"SendGrid answered 400: {' '.join(why.split())[:300]}", places)
    return refusals.from_status("SendGrid", status, error.headers.get("Retry-After"), why)


def refused_places(body: str) -> list[int]:
    """Which recipients a refusal is about: `{"errors": [{"field": "personalizations.17.to.0.email"}]}`."""
    try:
        errors = json.loads(body)["errors"]
        fields = [str(one.get("field") or "") for one in errors]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
    found = [_PLACE.match(field) for field in fields]
    return sorted({int(match[1]) for match in found if match})


def from_connection(error: Exception) -> DeliveryError:
    """Sort a call without an answer. What failed while connecting has certainly not gone out."""
    if isinstance(error, urllib.error.URLError):
        cause = error.reason
        if isinstance(cause, TimeoutError):
            return DeliveryError(
                DeliveryReason.TIMED_OUT, "SendGrid does not accept connections", retryable=True
            )
        if isinstance(cause, BrokenPipeError | ConnectionResetError):
            return AnswerLostError(DeliveryReason.UNREACHABLE, "SendGrid closed the connection")
        why = type(cause).__name__ if isinstance(cause, Exception) else str(cause)
        return DeliveryError(
            DeliveryReason.UNREACHABLE, f"SendGrid cannot be reached: {why}", retryable=True
        )
    if isinstance(error, TimeoutError):
        return AnswerLostError(DeliveryReason.TIMED_OUT, "no answer from SendGrid in time")
    detail = f"the connection to SendGrid broke off: {type(error).__name__}"
    return AnswerLostError(DeliveryReason.UNREACHABLE, detail)
