"""The way out: what may be asked, at which address, and how much of an answer is taken."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from domain.addresses import Allowed
from starter.egress import (
    MAX_BYTES,
    Egress,
    EgressError,
    EgressLostError,
    EgressRefusedError,
    Fetched,
)
from tests.patience import a_closed_port

HOSTILE_URLS = (
    "https://127.0.0.1:{port}/",
    "https://127.0.0.2:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://0x7f.1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://017700000001:{port}/",
    "https://127.0.0.01:{port}/",
    "https://127.0.0.0x1:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://localhost:{port}/",
    "https://localhost.:{port}/",
    "https://LOCALHOST:{port}/",
    "https://[::1]:{port}/",
    "https://[::]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[64:ff9b:1::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2001:0:7f00:1::1]:{port}/",
    "https://[fe80::1]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://[fc00::1]:{port}/",
    "https://[fd00:ec2::254]:{port}/",
    "https://[ff02::1]:{port}/",
    "https://10.0.0.1:{port}/",
    "https://172.16.0.1:{port}/",
    "https://192.168.1.1:{port}/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1:{port}/",
    "https://198.18.0.1:{port}/",
    "https://192.0.2.1:{port}/",
    "https://224.0.0.1:{port}/",
    "https://255.255.255.255:{port}/",
    "https://rebinding.example:{port}/",
    "https://two-faces.example:{port}/",
    "https://odd.example:{port}/",
    "https://nothing.example:{port}/",
    "https://good.example@127.0.0.1:{port}/",
    "https://user:secret@good.example:{port}/",
    "https://good.example\\@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@good.example/",
    "https://good.example:{port}/\r\nHost: 127.0.0.1",
    "https://good.example :{port}/",
    "https://\u2460\u2461\u2466.0.0.1:{port}/",
    "https://127\u30020\u30020\u30021:{port}/",
    "https://l\u00f6calhost:{port}/",
    "https://%31%32%37.0.0.1:{port}/",
    "https://[::1:{port}/",
    "https://good.example:0/",
    "https://good.example:99999/",
    "https:///etc/passwd",
    "http://good.example:{port}/",
    "http://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "ftp://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "javascript:alert(1)",
    "https://" + "a" * 3_000 + "/",
    "",
)
"""Every one means the canary, something private, or is no address."""


class Names:
    """A name server that lies: the answer to the second question is another than to the first."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers, self.asked = answers, 0

    async def __call__(self, host: str, _port: int) -> list[str]:
        self.asked += 1
        name = host.rstrip(".").lower()
        if name == "localhost":
            return ["127.0.0.1", "::1"]
        turns = self.answers.get(name.partition(".")[0].replace("-", "_"))
        if not turns:
            raise socket.gaierror("no such name")
        return turns.pop(0) if len(turns) > 1 else turns[0]


class Canary:
    """A real socket that counts who connects, and answers over TLS where it has a certificate."""

    def __init__(self, answer: bytes = b"", certificate: trustme.LeafCert | None = None) -> None:
        self.connects, self.heard = 0, b""
        self._answer = answer
        self._context: ssl.SSLContext | None = None
        self.server_names: list[str] = []
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(self._context)
            self._context.sni_callback = lambda _, name, __: self.server_names.append(name or "")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connects += 1
            with connection:
                try:
                    speaking = connection
                    if self._context is not None:
                        speaking = self._context.wrap_socket(connection, server_side=True)
                    while b"\r\n\r\n" not in self.heard or (
                        self.heard.startswith(b"POST")
                        and not (self.heard.rpartition(b"\r\n\r\n")[2])
                    ):
                        more = speaking.recv(65_536)
                        if not more:
                            break
                        self.heard += more
                    speaking.sendall(self._answer)
                    speaking.close()
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@contextmanager
def a_canary(answer: bytes = b"", certificate: trustme.LeafCert | None = None) -> Iterator[Canary]:
    canary = Canary(answer, certificate)
    try:
        yield canary
    finally:
        canary.close()


def said(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_nobody_is_led_to_our_own_network() -> None:
    """Seventy addresses and a name server that lies: each is refused, and nothing has connected."""
    lying = Names(
        rebinding=[["127.0.0.1"], ["93.184.216.34"]],
        two_faces=[["93.184.216.34", "127.0.0.1"]],
        odd=[["not an address"]],
        good=[["127.0.0.1"]],
    )
    with a_canary() as canary:
        egress = Egress(resolve=lying, seconds=30)
        for url in HOSTILE_URLS:
            with pytest.raises(EgressError):
                await egress.get(url.format(port=canary.port))
        assert canary.connects == 0
    assert len(HOSTILE_URLS) >= 40


async def test_the_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name is looked up once: what it points at a moment later is never asked."""
    rebinding = Names(rebinding=[["93.184.216.34"], ["127.0.0.1"]])
    asked: list[str] = []

    async def refuse(_loop: Any, _factory: Any, host: Any, *_: Any, **_more: Any) -> None:
        asked.append(str(host))
        raise OSError("unreachable in this test")

    with a_canary() as canary:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(type(loop), "create_connection", refuse)
        with pytest.raises(EgressError, match="cannot be reached"):
            await Egress(resolve=rebinding, seconds=30).get(
                f"https://rebinding.example:{canary.port}/"
            )
        assert canary.connects == 0
    assert (rebinding.asked, asked) == (1, ["93.184.216.34"])


async def test_an_allowed_host_is_asked_with_its_own_name() -> None:
    """The connection goes to an address, the certificate and the Host header are the name's."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names = Names(idp=[["127.0.0.1"]])
    with a_canary(said(b"{}"), authority.issue_cert("idp.example")) as canary:
        egress = Egress(Allowed("idp.example"), resolve=names, verify=trusting)
        answer = await egress.get(f"https://idp.example:{canary.port}/keys?x=1", {"Accept": "a/b"})
        assert answer == Fetched(200, b"{}")
        assert canary.server_names == ["idp.example"]
        lines = canary.heard.decode().split("\r\n")
        assert lines[0] == "GET /keys?x=1 HTTP/1.1"
        assert f"Host: idp.example:{canary.port}" in lines
        assert "Accept: a/b" in lines


async def test_another_names_certificate_is_none() -> None:
    """Whoever answers at the address must be who was asked for."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names = Names(idp=[["127.0.0.1"]])
    with a_canary(said(b"{}"), authority.issue_cert("other.example")) as canary:
        egress = Egress(Allowed("idp.example"), resolve=names, verify=trusting)
        with pytest.raises(EgressError):
            await egress.get(f"https://idp.example:{canary.port}/")
        assert canary.heard == b""


async def test_a_form_is_posted() -> None:
    """As an authorisation server takes it."""
    with a_canary(said(b"ok")) as canary:
        egress = Egress(Allowed("127.0.0.1"))
        answer = await egress.post_form(f"http://127.0.0.1:{canary.port}/token", {"code": "a b"})
        assert answer.status == 200
        assert canary.heard.startswith(b"POST /token HTTP/1.1")
        assert canary.heard.endswith(b"\r\n\r\ncode=a+b")


async def test_a_redirect_is_an_answer() -> None:
    """It is not followed: the other address has not been checked."""
    with a_canary() as canary:
        there = f"Location: http://127.0.0.1:{canary.port}/"
        with a_canary(said(b"", "302 Found", there)) as asked:
            answer = await Egress(Allowed("127.0.0.1")).get(f"http://127.0.0.1:{asked.port}/")
        assert (answer.status, canary.connects) == (302, 0)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(b"x" * (MAX_BYTES + 1)), "more than"),
        (said(b"x", "200 OK", "Content-Encoding: gzip"), "packed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "did not answer"),
        (b"220 mail.example ESMTP\r\n", "did not answer"),
        (b"", "did not answer"),
    ],
    ids=["large", "packed", "broken", "no-http", "silent"],
)
async def test_bad_answers(answer: bytes, why: str) -> None:
    """Each has its error, which holds nothing of what was said."""
    with a_canary(answer) as canary, pytest.raises(EgressError, match=why) as caught:
        await Egress(Allowed("127.0.0.1")).get(f"http://127.0.0.1:{canary.port}/")
    assert "ESMTP" not in str(caught.value)


async def test_one_deadline_for_everything() -> None:
    """A server that drips, and a name server that hangs, are given up when the time is over."""
    hanging = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.get_running_loop()

    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    with hanging:
        egress = Egress(Allowed("127.0.0.1"), seconds=0.3)
        began = loop.time()
        with pytest.raises(EgressError, match=r"within 0\.3 s"):
            await egress.get(f"http://127.0.0.1:{hanging.getsockname()[1]}/")
        with pytest.raises(EgressError, match=r"within 0\.3 s"):
            await Egress(resolve=never, seconds=0.3).get("https://slow.example/")
        assert loop.time() - began < 20


async def test_the_proxy_is_asked_instead() -> None:
    """With a proxy nothing connects to the address, and a private one is refused all the same."""

    with a_canary(said(b"", "403 Forbidden")) as proxy, a_canary() as canary:
        through = Egress(
            resolve=Names(inside=[["127.0.0.1"]]),
            proxy=SecretStr(f"http://user:canary-secret@127.0.0.1:{proxy.port}"),
        )
        with pytest.raises(EgressError) as caught:
            await through.get(f"https://outside.example:{canary.port}/")
        assert proxy.heard.startswith(f"CONNECT outside.example:{canary.port}".encode())
        with pytest.raises(EgressError):
            await through.get(f"https://inside.example:{canary.port}/")
        assert (proxy.connects, canary.connects) == (1, 0)
        assert "canary-secret" not in f"{caught.value!r} {through!r} {vars(through)}"


@pytest.mark.parametrize(
    ("allowed", "url", "is_asked"),
    [
        ("idp.internal", "http://idp.internal/", True),
        ("idp.internal", "https://idp.internal./", True),
        ("IDP.internal", "https://idp.internal/", True),
        ("internal", "https://idp.internal/", False),
        ("10.0.0.0/8", "https://idp.internal/", True),
        ("10.0.0.0/8", "http://idp.internal/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("10.1.2.4", "https://10.1.2.3/", False),
        ("fd00::/8, 127.0.0.1", "https://[fd00::1]/", True),
        ("", "https://93.184.216.34/", True),
        ("", "https://[2606:2800:220:1::1]/", True),
        ("", "https://[64:ff9b::5db8:d822]/", True),
    ],
)
async def test_what_is_allowed(allowed: str, url: str, is_asked: bool) -> None:
    """A name for itself, a network for every name in it; plain http only for what is written down."""
    egress = Egress(Allowed(allowed), resolve=Names(idp=[["10.1.2.3"]]))
    if is_asked:
        await egress.check(url)
        return
    with pytest.raises(EgressError, match="TOCSIN_EGRESS_ALLOW"):
        await egress.check(url)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "http://idp.internal", "a b", "0x7f.1", "*"])
def test_a_wrong_allowance_is_named(text: str) -> None:
    """It is refused at the start, and not read as something else."""
    with pytest.raises(ValueError, match="neither a host"):
        Allowed(f"good.internal, {text}")


async def test_bytes_are_posted_as_they_are() -> None:
    """A signature is over the bytes: none of them changes on the way, and headers come back by name."""
    body = b'{"a": "\xc3\xa4"}  \n'
    with a_canary(said(b"", "429 Slow", "Retry-After: 7")) as canary:
        egress = Egress(Allowed("127.0.0.1"))
        answer = await egress.post(f"http://127.0.0.1:{canary.port}/x", body, {"X-Own": "1"})
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        assert canary.heard.endswith(b"\r\n\r\n" + body)
        assert b"X-Own: 1" in canary.heard


async def test_a_refusal_is_told_from_a_loss() -> None:
    """What was never sent can be sent again; what was handed over may have been taken."""
    with a_canary() as canary:
        here = f"127.0.0.1:{canary.port}"
        with pytest.raises(EgressRefusedError):
            await Egress().post(f"https://{here}/", b"{}")
        with pytest.raises(EgressLostError):
            await Egress(Allowed("127.0.0.1"), seconds=30).post(f"http://{here}/", b"{}")
    with a_closed_port() as port, pytest.raises(EgressError) as caught:
        await Egress(Allowed("127.0.0.1"), seconds=30).post(f"http://127.0.0.1:{port}/", b"{}")
    assert not isinstance(caught.value, EgressLostError | EgressRefusedError)
