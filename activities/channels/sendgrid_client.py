"""SendGrid by its official client: one call, its errors sorted into ours. Blocking.

The client follows redirects with the key in its headers, uses whatever proxy the environment names,
and has no timeout of its own: all three are put right here.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from email.utils import parseaddr
from typing import Any

import python_http_client
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from activities.channels import refusals
from activities.channels.base import AnswerLostError, Outgoing, Receipt
from domain.errors import DeliveryError, DeliveryReason


class SendGrid:
    """Sends one mail at a time.

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
        try:
            response = self._client().send(body_of(message, self._sender))
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
    name, address = parseaddr(sender)
    content = [{"type": "text/plain", "value": message.text or message.subject}]
    if message.html:
        content.append({"type": "text/html", "value": message.html})
    arguments = {"idempotency_key": message.key, "incident": message.incident}
    return {
        "personalizations": [{"to": [{"email": message.to.strip()}], "custom_args": arguments}],
        "from": {"email": address, **({"name": name} if name else {})},
        "subject": message.subject,
        "content": content,
    }


def from_status(error: HTTPError) -> DeliveryError:
    """Sort an answer that is no success."""
    status = int(error.status_code)
    is_refusal = status < 500 and status not in (401, 403, 429)
    why = error.body.decode("utf-8", "replace") if is_refusal and error.body else ""
    return refusals.from_status("SendGrid", status, error.headers.get("Retry-After"), why)


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
