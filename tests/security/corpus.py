"""Hostile requests as data: what comes over the wire when somebody, or something, means harm.

`RAW` are whole bodies with their headers, for every address. `junk_in` puts each hostile value into each
field of a payload that would otherwise be read.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

MEGABYTE = 1024 * 1024


class Case(NamedTuple):
    """One request."""

    name: str
    body: bytes
    headers: dict[str, str]


HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{7*7}}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "${jndi:ldap://127.0.0.1/a}",
    "#{7*7}<%= 7*7 %>",
    "a\r\nSet-Cookie: canary=1\r\n\r\nHTTP/1.1 200 OK",
    "a\nBcc: victim@example.com",
    "\x1b[2J\x1b]0;owned\x07\x1b[31mred",
    "<!channel> <@U0000> <https://evil.example|bank>",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/dev/zero",
    "file:///etc/passwd",
    "'; DROP TABLE incidents; --",
    "' OR '1'='1",
    "$(touch /tmp/canary)`id`",
    "%s%s%s%n%p",
    "\u202egnp.exe",
    "\ufeff",
    "\u0000",
    "a\u0000b",
    "\ud800",
    "\udfff\ud800",
    "\uffff\ufffe",
    "Z\u0351\u036b\u0343" + "\u0300" * 500,
    "\U0001f525" * 2_000,
    "A" * 100_000,
    "http://169.254.169.254/latest/meta-data/",
    "desk/checkout",
    "storm/prometheus",
    "checkout-1/postmortem",
    "__proto__",
    "constructor",
    "null",
    "NaN",
    "-0",
    "1e999",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999999Z",
    "2026-02-30T25:61:61+99:99",
    " ",
    "",
)
"""For every field that takes text."""
HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 10**400, 1e308, -0.0, [], {}, [[]], [{}], [None] * 50, {"": ""},
    {"a": {"b": {"c": [1, {"d": None}]}}}, ["x"] * 5_000, {f"k{n}": "v" for n in range(5_000)},
    {"__proto__": {"admin": True}}, [[[[[[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]]]]]],
)  # fmt: skip
"""For every field, whatever it takes."""

JSON = {"content-type": "application/json"}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _raw() -> Iterator[Case]:
    good = {"alerts": [{"labels": {"service": "checkout", "severity": "page"}}], "summary": "s"}
    text = json.dumps(good)
    for name, body in (
        ("empty", b""),
        ("blank", b" \r\n\t "),
        ("nul", b"\x00"),
        ("nuls", b"\x00" * 1_000),
        ("null", b"null"),
        ("true", b"true"),
        ("number", b"7"),
        ("minus", b"-"),
        ("word", b"help"),
        ("text", b'"help"'),
        ("empty list", b"[]"),
        ("empty object", b"{}"),
        ("list of junk", b'[null, 1, "x", [], {}]'),
        ("open brace", b"{"),
        ("open list", b"["),
        ("open text", b'"'),
        ("cut", text.encode()[:-5]),
        ("cut in an escape", b'{"a": "\\u12'),
        ("trailing comma", b'{"a": 1,}'),
        ("two values", text.encode() * 2),
        ("garbage behind", text.encode() + b"garbage"),
        ("comment", b"/* x */ {}"),
        ("single quotes", b"{'a': 1}"),
        ("NaN", b'{"summary": NaN}'),
        ("Infinity", b'{"summary": Infinity, "alerts": [-Infinity]}'),
        ("huge number", b'{"summary": ' + b"9" * 100_000 + b"}"),
        ("huge exponent", b'{"summary": 1e999999999}'),
        ("tiny exponent", b'{"summary": 1e-999999999}'),
        ("many digits behind the point", b'{"summary": 0.' + b"1" * 100_000 + b"}"),
        ("BOM", b"\xef\xbb\xbf" + text.encode()),
        ("UTF-16", text.encode("utf-16")),
        ("UTF-16 without BOM", text.encode("utf-16-le")),
        ("UTF-32", text.encode("utf-32")),
        ("Latin-1", '{"summary": "caf\u00e9"}'.encode("latin-1")),
        ("overlong", b'{"summary": "\xc0\xaf"}'),
        ("surrogate bytes", b'{"summary": "\xed\xa0\x80"}'),
        ("cut character", b'{"summary": "\xf0\x9f"}'),
        ("lone surrogate", b'{"summary": "\\ud800", "alerts": ["\\udfff"]}'),
        ("escaped NUL", b'{"summary": "\\u0000", "\\u0000": 1}'),
        ("raw control characters", b'{"summary": "a\x01\x02\x1f"}'),
        ("raw line break in a text", b'{"summary": "a\nb"}'),
        ("deep lists", b"[" * 50_000),
        ("deep closed lists", b"[" * 50_000 + b"]" * 50_000),
        ("deep objects", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
        ("nested 900", b"[" * 900 + b"]" * 900),
        ("nested 30 in alerts", b'{"alerts": [' + b'{"a":' * 30 + b"1" + b"}" * 30 + b"]}"),
        ("duplicate keys", b'{"alerts": [], "alerts": [{"labels": {}}], "alerts": 7}'),
        ("many keys", _json({f"key-{n}": n for n in range(20_000)})),
        ("5,000 labels", _json({"alerts": [{"labels": {f"l{n}": "v" for n in range(5_000)}}]})),
        ("5,000 alerts", _json({"alerts": [{"labels": {"service": "checkout"}}] * 5_000})),
        ("5,000 empty alerts", _json({"alerts": [{}] * 5_000})),
        ("long key", _json({"k" * 100_000: 1})),
        ("long text", _json({"summary": "x" * 900_000})),
        ("almost too large", b'{"a": "' + b"x" * (MEGABYTE - 10) + b'"}'),
        ("one byte too large", b"x" * (MEGABYTE + 1)),
        ("10 MB of text", b'{"summary": "' + b"x" * (10 * MEGABYTE) + b'"}'),
        ("10 MB cut", b'{"alerts": ["' + b"\\u0041" * (10 * MEGABYTE // 6)),
        ("10 MB of blanks", b" " * (10 * MEGABYTE)),
        ("10 MB of braces", b"[" * (10 * MEGABYTE)),
        ("prototype", b'{"__proto__": {"x": 1}, "constructor": {"prototype": {}}}'),
        ("XML", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        ("billion laughs", b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'),
        ("YAML", b"alerts: !!python/object/apply:os.system ['touch /tmp/canary']"),
        ("pickle", b"cos\nsystem\n(S'touch /tmp/canary'\ntR."),
        ("HTTP in the body", b"GET /api/v1/incidents HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("chunks in the body", b"5\r\nhello\r\n0\r\n\r\n"),
        ("PNG", b"\x89PNG\r\n\x1a\n" + b"\x00" * 100),
        ("random", random.Random(1).randbytes(5_000)),
    ):  # fmt: skip
        yield Case(name, body, JSON)
    for kind in (
        "text/plain", "text/html", "application/xml", "application/octet-stream", "*/*", "",
        "application/json; charset=utf-16", "application/json; charset=nonsense", "json", "a/b; c=d; e",
        "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=" + "x" * 300, "application/x-www-form-urlencoded",
        "application/cloudevents+json", "application/cloudevents-batch+json", "application/json" * 50,
    ):  # fmt: skip
        yield Case(f"type {kind[:40]}", text.encode(), {"content-type": kind})
    for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "nonsense", "GZIP"):
        yield Case(f"coding {coding}", text.encode(), {**JSON, "content-encoding": coding})
    bomb = gzip.compress(b"[" * (30 * MEGABYTE))
    yield Case("gzip bomb", bomb, {**JSON, "content-encoding": "gzip"})
    yield Case("bomb in a bomb", gzip.compress(bomb), {**JSON, "content-encoding": "gzip"})
    yield Case("unannounced gzip", gzip.compress(text.encode()), JSON)
    yield Case(
        "deflate bomb", zlib.compress(b"x" * MEGABYTE), {**JSON, "content-encoding": "deflate"}
    )
    yield from _multipart()
    yield from _headers(text.encode())
    for number, hostile in enumerate(HOSTILE_TEXTS):
        labels = {"service": hostile, "severity": hostile, hostile: hostile, "alertname": hostile}
        alert = {"labels": labels, "annotations": {hostile: hostile}, "fingerprint": hostile}
        said = {"alerts": [alert], "title": hostile, "summary": hostile, "service": hostile}
        yield Case(f"hostile text {number}", _json({**said, "message": hostile}), JSON)


def _multipart() -> Iterator[Case]:
    part = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    end = b"--x--\r\n"
    for name, body in (
        ("no end", part % (b"subject", b"", b"Down")),
        ("no parts", end),
        ("no name", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n" + end),
        ("no headers", b"--x\r\n\r\na\r\n" + end),
        ("two of a name", part % (b"subject", b"", b"a") + part % (b"subject", b"", b"b") + end),
        ("a path as file", part % (b"f", b'; filename="../../etc/passwd"', b"x") + end),
        ("5,000 parts", b"".join(part % (b"f%d" % n, b"", b"x") for n in range(5_000)) + end),
        ("a long header", part % (b"n" * 50_000, b"", b"x") + end),
        ("many headers", b"--x\r\n" + b"X-A: b\r\n" * 5_000 + b"\r\nx\r\n" + end),
        ("NUL in a name", part % (b"a\x00b", b"", b"x") + end),
        ("bad encoding", part % (b"subject", b"", b"\xff\xfe") + end),
        ("wrong charsets", part % (b"charsets", b"", b'{"subject": "rot13"}') + end),
        ("broken charsets", part % (b"charsets", b"", b"{") + part % (b"subject", b"", b"x") + end),
        ("headers in a field", part % (b"headers", b"", b"Subject: a\r\nBcc: b\r\n") + end),
        ("a long subject", part % (b"subject", b"", b"x" * 200_000) + end),
        ("nested", part % (b"a", b"\r\nContent-Type: multipart/mixed; boundary=y", b"--y--") + end),
        ("wrong boundary", b"--other\r\n\r\nx\r\n--other--\r\n"),
        ("line feeds only", b'--x\nContent-Disposition: form-data; name="a"\n\nb\n--x--\n'),
    ):  # fmt: skip
        yield Case(f"multipart {name}", body, {"content-type": "multipart/form-data; boundary=x"})


def _headers(body: bytes) -> Iterator[Case]:
    for name, headers in (
        ("forwarded", {"x-forwarded-for": "127.0.0.1", "x-forwarded-host": "evil.example"}),
        ("method override", {"x-http-method-override": "DELETE"}),
        ("request id", {"x-request-id": "a" * 5_000}),
        ("idempotency", {"idempotency-key": "~" * 5_000}),
        ("odd host", {"host": "evil.example"}),
        ("range", {"range": "bytes=0-18446744073709551615"}),
        ("cookies", {"cookie": "a=b; " * 500 + "c=d"}),
        ("trace", {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"}),
        ("CloudEvents", {"ce-id": "", "ce-source": "%00", "ce-specversion": "9", "ce-type": "x"}),
        ("CloudEvents escapes", {"ce-id": "%", "ce-source": "%zz%ff", "ce-specversion": "1.0",
                                 "ce-type": "%C0%AF"}),
        ("signature", {"x-grafana-alerting-signature": "0" * 64, "sentry-hook-signature": "0" * 64}),
        ("Sentry resource", {"sentry-hook-resource": "../event_alert"}),
        ("SNS type", {"x-amz-sns-message-type": "SubscriptionConfirmation"}),
    ):  # fmt: skip
        yield Case(f"header {name}", body, {**JSON, **headers})


RAW: tuple[Case, ...] = tuple(_raw())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a payload but the whole of it."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            found += places(item, (*path, name))
    return found


def junk_in(payload: Any, count: int, seed: int = 0) -> Iterator[tuple[str, Any]]:
    """The payload with a hostile value in one of its places, every place at least once where `count` allows.

    Yields:
        What was put where, and the payload.
    """
    dice = random.Random(seed)
    wheres = places(payload)
    dice.shuffle(wheres)
    for number in range(count):
        where = wheres[number % len(wheres)]
        value = dice.choice(HOSTILE_VALUES + HOSTILE_TEXTS)
        changed = copy.deepcopy(payload)
        target = changed
        for name in where[:-1]:
            target = target[name]
        target[where[-1]] = copy.deepcopy(value)
        yield f"{'/'.join(map(str, where))} = {str(value)[:40]!r}", changed
