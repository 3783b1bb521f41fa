"""An identity provider that is as strict as a real one about OpenID Connect, on a real socket.

It can also lie, in each of the ways that a relying party has to see through.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT = "tocsin"
SECRET = "canary of the client: +%"
Key = RSAKey | ECKey | OKPKey


def a_key(kind: str = "RSA", kid: str = "k1") -> Key:
    if kind == "RSA":
        return RSAKey.generate_key(2048, {"kid": kid})
    return ECKey.generate_key("P-256", {"kid": kid}) if kind == "EC" else _ed25519(kid)


def _ed25519(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid})


RSA, NEXT, STRANGERS = a_key(kid="k1"), a_key(kid="k2"), a_key(kid="k1")
"""Made once: they are slow to make. The third has the first one's name, and is somebody else's."""


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class IdentityProvider:
    """What it knows, how it lies, and what it saw."""

    client_id: str = CLIENT
    client_secret: str | None = SECRET
    redirect_uri: str = "http://testserver/login/callback"
    user: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "u-1",
            "email": "alice@example.com",
            "email_verified": True,
            "groups": ["sre"],
        }
    )
    only_by_userinfo: tuple[str, ...] = ()
    """Claims that do not stand in the ID token."""
    methods: tuple[str, ...] = ("client_secret_basic",)
    key: Key = field(default_factory=lambda: RSA)
    algorithm: str = "RS256"
    published: list[Key] = field(default_factory=lambda: [RSA])
    says_iss: bool = True
    extra_headers: dict[str, Any] = field(default_factory=dict)
    lie: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    """Changes the claims of an ID token before it is signed."""
    forge: Callable[[IdentityProvider, dict[str, Any]], str] | None = None
    """Makes the whole ID token."""
    description: dict[str, Any] = field(default_factory=dict)
    """Instead of what stands there."""
    moods: dict[str, str] = field(default_factory=dict)
    """By path: `hang`, `drop`, a status, `huge`, or `nonsense`."""
    url: str = ""
    calls: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What a real one would not take: empty in every good test."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": list(self.methods),
            "authorization_response_iss_parameter_supported": self.says_iss,
            **self.description,
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self.published]}

    def authorize(self, query: str) -> tuple[int, str]:
        """As if the user had typed a good password: where they go, or why not."""
        asked = {name: values for name, values in parse_qs(query).items()}
        flat = {name: values[0] for name, values in asked.items()}
        wrong = [name for name, values in asked.items() if len(values) > 1]
        wanted = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge_method": "S256",
        }
        wrong += [name for name, value in wanted.items() if flat.get(name) != value]
        wrong += ["scope"] if "openid" not in flat.get("scope", "").split() else []
        wrong += [name for name in ("state", "nonce") if len(flat.get(name, "")) < 22]
        wrong += ["code_challenge"] if len(flat.get("code_challenge", "")) != 43 else []
        if wrong:
            self.refused.append(f"authorize: {wrong}")
            return 400, json.dumps({"error": "invalid_request", "wrong": wrong})
        code = secrets.token_urlsafe(24)
        self.codes[code] = {"nonce": flat["nonce"], "challenge": flat["code_challenge"]}
        back = {"code": code, "state": flat["state"]} | ({"iss": self.url} if self.says_iss else {})
        return 302, f"{self.redirect_uri}?{urlencode(back)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The tokens for a code, once."""
        who = self._client(form, authorization)
        if who:
            self.refused.append(f"token: {who}")
            return 401, {"error": "invalid_client"}
        code = self.codes.pop(form.get("code", ""), None)
        given = _encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        wrong = ""
        if form.get("grant_type") != "authorization_code":
            wrong = "grant_type"
        elif code is None:
            wrong = "code"
        elif form.get("redirect_uri") != self.redirect_uri:
            wrong = "redirect_uri"
        elif given != code["challenge"]:
            wrong = "code_verifier"
        if wrong or code is None:
            self.refused.append(f"token: {wrong}")
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "at-" + secrets.token_hex(8),
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(code["nonce"]),
        }

    def _client(self, form: dict[str, str], authorization: str) -> str:
        """What is wrong with how the client shows who it is."""
        if self.client_secret is None:
            is_good = form.get("client_id") == self.client_id and not authorization
            return "" if is_good and "client_secret" not in form else "client_id"
        if "client_secret_basic" in self.methods:
            kind, _, pair = authorization.partition(" ")
            name, _, secret = base64.b64decode(pair or "").decode().partition(":")
            is_good = (unquote_plus(name), unquote_plus(secret)) == (
                self.client_id,
                self.client_secret,
            )
            return "" if kind == "Basic" and is_good and "client_secret" not in form else "basic"
        sent = (form.get("client_id"), form.get("client_secret"))
        return "" if sent == (self.client_id, self.client_secret) and not authorization else "post"

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        user = {k: v for k, v in self.user.items() if k not in self.only_by_userinfo}
        claims = {
            **{"iss": self.url, "aud": self.client_id, "iat": now, "exp": now + 300},
            **{"nonce": nonce, **user},
        }
        claims = self.lie(claims)
        if self.forge is not None:
            return self.forge(self, claims)
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.extra_headers}
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])


def unsigned(_: IdentityProvider, claims: dict[str, Any]) -> str:
    """`alg: none`."""
    parts = {"alg": "none"}, claims
    return ".".join(_encoded(json.dumps(part).encode()) for part in parts) + "."


def signed_with_the_public_key(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    """HS256, with what everybody can read for a secret."""
    pem = provider.published[0].as_pem(private=False)
    parts = {"alg": "HS256", "kid": provider.key.kid}, claims
    said = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
    return f"{said}.{_encoded(hmac.digest(pem, said.encode(), 'sha256'))}"


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        provider = self.server.provider
        parts = urlsplit(self.path)
        if self._begins_badly(parts.path):
            return
        if parts.path == "/.well-known/openid-configuration":
            self._answer(200, provider.describe())
        elif parts.path == "/jwks":
            self._answer(200, provider.jwks())
        elif parts.path == "/authorize":
            status, said = provider.authorize(parts.query)
            self._answer(status, said, {"Location": said} if status == 302 else {})
        elif parts.path == "/userinfo":
            is_good = self.headers.get("Authorization", "").startswith("Bearer at-")
            self._answer(200 if is_good else 401, provider.user if is_good else {})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self._begins_badly(self.path):
            return
        if self.path != "/token":
            self._answer(404, {})
            return
        form = dict(parse_qsl(body, keep_blank_values=True))
        provider = self.server.provider
        self._answer(*provider.token(form, self.headers.get("Authorization", "")))

    def _begins_badly(self, path: str) -> bool:
        provider = self.server.provider
        provider.calls.append(path)
        mood = provider.moods.get(path, "")
        if mood in ("hang", "drop"):
            self.close_connection = True
            provider.over.wait(10 if mood == "hang" else 0)
        elif mood.isdigit():
            self._answer(int(mood), {"error": "server_error", "error_description": "canary"})
        elif mood == "huge":
            self._answer(200, "x" * 1_200_000)
        elif mood == "nonsense":
            self._answer(200, "[1, <canary>")
        return bool(mood)

    def _answer(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        data = (said if isinstance(said, str) else json.dumps(said)).encode()
        with suppress(OSError):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: IdentityProvider


@contextmanager
def identity_provider(**changes: Any) -> Iterator[IdentityProvider]:
    """A running one."""
    provider = IdentityProvider(**changes)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.provider = provider
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
