"""Requests to addresses that come from outside: one way out, which cannot be turned against our own network.

An address from a payload or a policy may be anything: the metadata service of a cloud, the database next
door, a name that changes what it points at between the check and the connection. So a name is looked up
once, every address that it has is checked, and the connection goes to the address that was checked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import httpx2
from pydantic import SecretStr

from domain.addresses import HOST, Allowed, is_number, is_public, literal

MAX_BYTES = 1024 * 1024
SECONDS = 10.0
"""For everything together: looking the name up, connecting, and the whole answer."""
MAX_URL_CHARS = 2_000
MAX_ADDRESSES = 16
"""Of one name; the first that can be reached is used."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name."""


class EgressError(Exception):
    """A request that was not made, or not answered; says why, for whoever runs Tocsin.

    What the other side said is never in it.
    """


class EgressRefusedError(EgressError):
    """The address may not be asked, and nothing was sent: the same request is refused again."""


class EgressLostError(EgressError):
    """The request was handed over and no answer came: it may have been taken."""


class EgressTimedOutError(EgressLostError):
    """Its time was over; whether it was handed over by then is not known."""


@dataclass(frozen=True)
class Fetched:
    """An answer. A redirect is one like any other: it is not followed."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """By their names in small letters."""


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as the system's resolver gives them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(frozen=True)
class _Target:
    """A URL that may be asked, taken apart."""

    scheme: str
    host: str
    port: int
    rest: str
    """Path and query."""

    @property
    def authority(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return name if self.port == usual else f"{name}:{self.port}"

    def at(self, host: str) -> str:
        """The URL with another host in its place."""
        name = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{name}:{self.port}{self.rest}"


class Egress:
    """Makes requests. One for the whole process.

    Args:
        allowed: who may be asked although private, and over plain http.
        proxy: goes there instead of to the address. It is a guard of its own: names that cannot be
            looked up here are left to it, those that can are checked all the same.
        resolve: how names are looked up.
        verify: whose certificates count; None: those that the system trusts.
        seconds: for everything together.
    """

    def __init__(
        self,
        allowed: Allowed | None = None,
        *,
        proxy: SecretStr | None = None,
        resolve: Resolve = look_up,
        verify: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._allowed = allowed or Allowed()
        self._proxy, self._resolve = proxy, resolve
        self._verify, self._seconds = verify, seconds

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """Read what is there.

        Raises:
            EgressError: it may not be asked, cannot be reached, is too slow, or says too much.
        """
        return await self._request("GET", url, headers or {}, None)

    async def post_form(
        self, url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """Send a form. Raises as `get`."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(fields).encode("ascii")
        return await self._request("POST", url, {**form, **(headers or {})}, body)

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        reads_answer: bool = True,
    ) -> Fetched:
        """Send bytes as they are, which a signature over them needs.

        Args:
            reads_answer: False leaves the answer's body, however large, where it is: only the status
                and the headers count.

        Raises:
            EgressRefusedError: the address may not be asked.
            EgressLostError: it may have been taken.
            EgressError: it was certainly not taken: nobody is there.
        """
        return await self._request("POST", url, headers or {}, body, reads_answer)

    async def check(self, url: str) -> None:
        """Raise EgressError where an address may not be asked; asks nobody but the name server."""
        target = self._read(url)
        try:
            async with asyncio.timeout(self._seconds):
                await self._addresses(target)
        except TimeoutError:
            raise EgressError(f"{target.host} was not found within {self._seconds:g} s") from None

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        reads_answer: bool = True,
    ) -> Fetched:
        target = self._read(url)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask(method, target, headers, content, reads_answer)
        except TimeoutError:
            raise EgressTimedOutError(
                f"no answer of {target.host} within {self._seconds:g} s"
            ) from None

    async def _ask(
        self,
        method: str,
        target: _Target,
        headers: Mapping[str, str],
        content: bytes | None,
        reads_answer: bool,
    ) -> Fetched:
        addresses = await self._addresses(target)
        # A proxy may have to be given the name: it may not let bare addresses pass.
        places = [target.host] if self._proxy is not None else addresses[:MAX_ADDRESSES]
        own = {"Host": target.authority, "Accept-Encoding": "identity", "User-Agent": "tocsin"}
        proxy = None if self._proxy is None else self._proxy.get_secret_value()
        async with httpx2.AsyncClient(
            verify=True if self._verify is None else self._verify,
            timeout=httpx2.Timeout(self._seconds),
            follow_redirects=False,
            trust_env=False,
            proxy=proxy,
        ) as client:
            client.headers.clear()
            for index, place in enumerate(places):
                request = client.build_request(
                    method,
                    target.at(place),
                    headers={**headers, **own},
                    content=content,
                    extensions={"sni_hostname": target.host},
                )
                try:
                    return await _read_answer(client, request, target, reads_answer)
                except httpx2.ConnectError as error:
                    if index + 1 < len(places):
                        continue  # a name may have several addresses, and not every one is up
                    raise EgressError(f"{target.host} cannot be reached: {_why(error)}") from None
                except httpx2.TimeoutException:
                    raise TimeoutError from None
                except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                    raise EgressLostError(f"{target.host} did not answer: {_why(error)}") from None
        raise EgressError(f"{target.host} has no address")

    def _read(self, url: str) -> _Target:
        """Take a URL apart. Raises EgressRefusedError for what no honest sender writes."""
        # Parsers disagree on exactly these, and what one checks another would ask.
        is_plain = url.isascii() and url.isprintable() and not set(url) & set(' \\"<>^`{|}')
        if not url or len(url) > MAX_URL_CHARS or not is_plain:
            raise EgressRefusedError(
                "the address is none: it is too long or holds characters that it may not"
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise EgressRefusedError(
                "the address is none: its host or port cannot be read"
            ) from None
        host = (parts.hostname or "").lower()
        if parts.scheme not in ("https", "http") or not host:
            raise EgressRefusedError("the address is none: it begins with https:// and a host")
        if "@" in parts.netloc:
            raise EgressRefusedError("the address holds a user name, which is not sent")
        written = literal(host)
        if written is None and (is_number(host) or not HOST.fullmatch(host)):
            raise EgressRefusedError(
                f"{host!r} is neither a host's name nor a plainly written address"
            )
        is_known = self._allowed.host(host) or (
            written is not None and self._allowed.address(written)
        )
        if parts.scheme == "http" and not is_known:
            raise EgressRefusedError(
                f"{host} would be asked over http, which is refused; use https, or name the host in "
                "TOCSIN_EGRESS_ALLOW"
            )
        if port == 0:
            raise EgressRefusedError("the address names port 0")
        rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), rest)

    async def _addresses(self, target: _Target) -> list[str]:
        """Where to connect to: every address of the name, when all of them may be asked."""
        written = literal(target.host)
        try:
            found = [target.host] if written else await self._resolve(target.host, target.port)
        except (OSError, UnicodeError):
            if self._proxy is not None:
                return []
            raise EgressError(f"{target.host} has no address") from None
        for text in found:
            address = literal(text)
            is_fine = address is not None and (
                is_public(address)
                or self._allowed.host(target.host)
                or self._allowed.address(address)
            )
            # One that may not be asked is enough: the name is not what it pretends to be.
            if not is_fine:
                raise EgressRefusedError(
                    f"{target.host} is asked at {text}, a private or special address, which is refused; "
                    "name it in TOCSIN_EGRESS_ALLOW where it is meant"
                )
        return list(found)


async def _read_answer(
    client: httpx2.AsyncClient, request: httpx2.Request, target: _Target, reads_answer: bool
) -> Fetched:
    """Send it and read the answer, up to the limit. Raises what the client does, and EgressError."""
    response = await client.send(request, stream=True)
    try:
        if not reads_answer:
            return Fetched(response.status_code, b"", _names_small(response.headers))
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise EgressLostError(f"{target.host} packed its answer, which is not unpacked")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise EgressLostError(f"{target.host} answered more than {MAX_BYTES} bytes")
        return Fetched(response.status_code, bytes(body), _names_small(response.headers))
    finally:
        await response.aclose()


def _names_small(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _why(error: Exception) -> str:
    """The kind of a failure: the library's own words may quote what was sent."""
    return type(error).__name__
