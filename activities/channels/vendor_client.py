"""One call to a vendor over HTTP: a finite time, no redirect, no proxy of the environment's choice.

A channel has one client for as long as it lives: a client for each page would open a connection for
each page, and a storm would take the vendor's limit with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from activities.channels.base import AnswerLostError
from activities.channels.refusals import from_status
from domain.errors import DeliveryError, DeliveryReason

# They tell addresses with each request, and at debug level the headers, keys included.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_MOST_BYTES = 64 * 1024
"""Of an answer: a vendor's is a few hundred bytes."""
_CONNECTIONS = httpx2.Limits(max_connections=500, max_keepalive_connections=10)
"""More than pages can be under way at once: a vendor that hangs must not make the next page queue here."""


class VendorClient:
    """Posts to one vendor.

    Args:
        vendor: for the sentences.
        timeout: of one whole call, connecting and reading included. Units: seconds.
        explain: what the vendor says in the body of a refusal.
        asked_wait: `Retry-After`, from the headers of a refusal, of a vendor that says it otherwise.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        timeout: float,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        proxy: str | None = None,
        explain: Callable[[Mapping[str, Any]], str] = lambda answer: "",
        asked_wait: Callable[[Mapping[str, str]], str | None] = lambda headers: headers.get(
            "retry-after"
        ),
    ) -> None:
        self.vendor, self._asked_wait = vendor, asked_wait
        self._base_url, self._timeout, self._explain = base_url, timeout, explain
        self._client = httpx2.AsyncClient(
            headers=dict(headers or {}),
            auth=auth,
            # Half of it for connecting, so that "nobody is there" is told from "no answer".
            timeout=httpx2.Timeout(timeout, connect=timeout / 2),
            limits=_CONNECTIONS,
            follow_redirects=False,
            trust_env=False,
            proxy=proxy,
        )

    async def post(self, path: str, **body: Any) -> Mapping[str, Any]:
        """Post `json=` or `data=`; answers the JSON object of the vendor's success.

        Raises:
            DeliveryError: it certainly did not go out.
            AnswerLostError: it may have gone out.
        """
        return await self.change("POST", path, **body)

    async def change(
        self, method: str, path: str, most_bytes: int = _MOST_BYTES, **body: Any
    ) -> Mapping[str, Any]:
        """The same by another method. Raises as `post`."""
        answer = await self._call(method, path, most_bytes, **body)
        if not isinstance(answer, dict):
            raise self._of_somebody_else()
        return answer

    async def get(
        self, path: str, most_bytes: int = 1024 * 1024, **options: Any
    ) -> Mapping[str, Any] | list[Any]:
        """Read an object or a list, with `params=` and `headers=`. Nothing goes out by it.

        Raises:
            DeliveryError: it could not be read.
        """
        try:
            answer = await self._call("GET", path, most_bytes, **options)
        except AnswerLostError as error:
            raise DeliveryError(error.reason, error.detail, retryable=True) from error
        if not isinstance(answer, dict | list):
            detail = f"{self.vendor} answered with nothing that can be read"
            raise DeliveryError(DeliveryReason.SERVER_ERROR, detail, retryable=True)
        return answer

    async def _call(self, method: str, path: str, most_bytes: int, **body: Any) -> Any:
        """The JSON of a success; None where it is none."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(method, self._base_url + path, **body) as response,
            ):
                answer = _as_json(await _read(response, most_bytes))
        except TimeoutError as error:
            detail = f"no answer from {self.vendor} within {self._timeout:g} s"
            raise AnswerLostError(DeliveryReason.TIMED_OUT, detail) from error
        except httpx2.TransportError as error:
            raise self._from_transport(error) from error
        if not response.is_success:
            why = self._explain(answer) if isinstance(answer, dict) else ""
            wait = self._asked_wait(response.headers)
            raise from_status(self.vendor, response.status_code, wait, why)
        return answer

    def _of_somebody_else(self) -> DeliveryError:
        """A login page or a proxy says 200 too; nobody was paged by it."""
        detail = f"{self.vendor} answered with a success, but with no answer of its own"
        return AnswerLostError(DeliveryReason.SERVER_ERROR, detail)

    def without_id(self) -> DeliveryError:
        """A success that names no message: whatever said so, it may not have been the vendor."""
        detail = f"{self.vendor} did not say under which id it took the message"
        return AnswerLostError(DeliveryReason.SERVER_ERROR, detail)

    def _from_transport(self, error: httpx2.TransportError) -> DeliveryError:
        vendor = self.vendor
        if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
            detail = f"{vendor} does not accept connections"
            return DeliveryError(DeliveryReason.TIMED_OUT, detail, retryable=True)
        if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
            detail = f"{vendor} cannot be reached: {type(error.__cause__ or error).__name__}"
            return DeliveryError(DeliveryReason.UNREACHABLE, detail, retryable=True)
        if isinstance(error, httpx2.TimeoutException):
            detail = f"no answer from {vendor} in time"
            return AnswerLostError(DeliveryReason.TIMED_OUT, detail)
        detail = f"the connection to {vendor} broke off: {type(error).__name__}"
        return AnswerLostError(DeliveryReason.UNREACHABLE, detail)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()


async def _read(response: httpx2.Response, most_bytes: int) -> bytes:
    found = bytearray()
    async for chunk in response.aiter_bytes():
        found += chunk
        if len(found) > most_bytes:
            break
    return bytes(found)


def _as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
