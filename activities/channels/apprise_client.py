"""Apprise by one call, its errors sorted into ours. Blocking; loads slowly, so import it late.

Apprise answers yes or no and writes the rest to a log. Its services speak HTTP by `requests`, which
trusts the environment's proxies and `.netrc` and follows redirects. So `requests` gets a session here
that does none of this and keeps what was answered.
"""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any

import requests
import urllib3.exceptions
from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from requests import exceptions as faults

from activities.channels.base import AnswerLostError
from activities.channels.refusals import from_status
from domain.errors import DeliveryError, DeliveryReason

# They write addresses, which hold the tokens of many services, and whole requests at debug level.
logging.getLogger("apprise").setLevel(logging.CRITICAL)
logging.getLogger("urllib3").setLevel(logging.ERROR)
logging.getLogger("requests").setLevel(logging.ERROR)

_ASSET = AppriseAsset(
    app_id="Tocsin",
    app_desc="Tocsin",
    # In this very thread: Apprise's own pool has a few threads for the whole process.
    async_mode=False,
    service_timeout=0,
    http_redirects=False,
    secure_logging=True,
    storage_mode="memory",
)


class _Call(threading.local):
    """What the call in this thread may use, and what came of its last request."""

    timeout: float = 10.0
    proxy: str | None = None
    error: DeliveryError | None = None
    answer: bytes = b""


_call = _Call()


class _Session(requests.Session):
    """A session that trusts nothing of the environment and remembers what was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        if _call.proxy:
            self.proxies = {"http": _call.proxy, "https": _call.proxy}

    def send(self, request: Any, **options: Any) -> Any:
        options |= {"allow_redirects": False, "timeout": (_call.timeout / 2, _call.timeout)}
        try:
            response = super().send(request, **options)
        except faults.RequestException as error:
            _call.error = from_requests(error)
            raise
        is_fine = 200 <= response.status_code < 300
        wait = response.headers.get("Retry-After")
        _call.answer = response.content if is_fine else b""
        _call.error = None if is_fine else from_status("it", response.status_code, wait)
        return response


def load() -> None:
    """Load Apprise's services, and put our session where they find theirs."""
    requests.sessions.Session = _Session  # type: ignore[misc]  # `requests.api` reads it at each call
    requests.Session = _Session  # type: ignore[misc]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of its services, none of which we chose
        Apprise.instantiate("json://localhost", asset=_ASSET)


def notify(
    url: str | dict[str, Any],
    title: str,
    body: str,
    timeout: float,
    proxy: str | None,
    **attributes: Any,
) -> bytes:
    """Send to one URL.

    Args:
        url: or its parts, by the names that the service has for them.
        timeout: for connecting (half of it) and for each read. Units: seconds.

        attributes: of the service, where it cannot be told by its URL.

    Returns:
        What the service answered.

    Raises:
        DeliveryError: sorted by whether the same message may succeed later.
    """
    _call.timeout, _call.proxy, _call.error, _call.answer = timeout, proxy, None, b""
    service = Apprise.instantiate(url, asset=_ASSET)
    if service is None:
        detail = "the contact's URL is none that Apprise understands"
        raise DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
    # As `cto` and `rto` of the URL, for services that do not speak HTTP by `requests`.
    service.socket_connect_timeout, service.socket_read_timeout = timeout / 2, timeout
    for name, value in attributes.items():
        setattr(service, name, value)
    sender = Apprise(asset=_ASSET)
    sender.add(service)
    if sender.notify(
        body=body, title=title, notify_type=NotifyType.FAILURE, body_format=NotifyFormat.TEXT
    ):
        return _call.answer
    named = f"Apprise ({service.service_name})"
    error = _call.error
    if error is None:
        # No request was seen: it speaks otherwise, or it refused before it spoke.
        detail = f"{named} did not send it and does not say why"
        raise DeliveryError(DeliveryReason.SERVER_ERROR, detail, retryable=True)
    detail = f"{named}: {error.detail}"
    if isinstance(error, AnswerLostError):
        raise AnswerLostError(error.reason, detail)
    raise DeliveryError(
        error.reason,
        detail,
        retryable=error.retryable,
        retry_after_seconds=error.retry_after_seconds,
    )


def from_requests(error: faults.RequestException) -> DeliveryError:
    """Sort a request without an answer. What failed while connecting has certainly not gone out."""
    if isinstance(error, faults.ConnectTimeout):
        detail = "it does not accept connections"
        return DeliveryError(DeliveryReason.TIMED_OUT, detail, retryable=True)
    if isinstance(error, faults.ReadTimeout):
        return AnswerLostError(DeliveryReason.TIMED_OUT, "no answer in time")
    if isinstance(error, faults.SSLError | faults.ProxyError) or _never_connected(error):
        detail = f"it cannot be reached: {type(error).__name__}"
        return DeliveryError(DeliveryReason.UNREACHABLE, detail, retryable=True)
    if isinstance(error, faults.ConnectionError | faults.ChunkedEncodingError):
        detail = f"the connection broke off: {type(error).__name__}"
        return AnswerLostError(DeliveryReason.UNREACHABLE, detail)
    detail = f"the request cannot be made: {type(error).__name__}"
    return DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)


def _never_connected(error: faults.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)
