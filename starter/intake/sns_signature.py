"""Whether a message is from Amazon SNS: its signature, by a certificate that only Amazon can publish.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from starter.egress import Egress, EgressError
from starter.intake.formats import ForgedError

AMAZON = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?(:443)?/[!-~]*")
"""Addresses of SNS itself. Anybody may have a bucket under amazonaws.com, so no other host will do."""
AHEAD = timedelta(minutes=5)
BEHIND = timedelta(hours=1) + AHEAD
"""SNS repeats for at most 3,600 s, under the time of the first attempt.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
"""What is signed, in this order; a subject only where there is one."""
HASHES: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}
MAX_CERTIFICATES = 16

_certificates: OrderedDict[str, x509.Certificate] = OrderedDict()
"""By address; SNS changes them once a year, and each is checked for its dates whenever it is used."""


def is_amazon(url: Any) -> bool:
    """Whether an address is one of SNS itself."""
    return isinstance(url, str) and AMAZON.fullmatch(url) is not None


def is_certificate(url: Any) -> bool:
    """Whether an address is one at which SNS publishes certificates."""
    return is_amazon(url) and "?" not in url and "#" not in url and url.endswith(".pem")


async def check(message: dict[str, Any], egress: Egress, now: datetime) -> None:
    """Return where a message is from SNS and not too old.

    Raises:
        ForgedError: it is not.
        EgressError: the certificate could not be asked for.
    """
    algorithm = HASHES.get(str(message.get("SignatureVersion")))
    url, signature = message.get("SigningCertURL"), _decoded(message.get("Signature"))
    if (
        algorithm is None
        or signature is None
        or not is_certificate(url)
        or not _is_fresh(message, now)
    ):
        raise ForgedError("SNS: signature, certificate's address or time is not Amazon's")
    certificate = await _certificate(str(url), egress)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        _certificates.pop(str(url), None)
        raise ForgedError("SNS: the certificate is not valid now")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise ForgedError("SNS: the certificate's key is no RSA key")
    try:
        key.verify(signature, canonical(message), PKCS1v15(), algorithm())
    except InvalidSignature:
        raise ForgedError("SNS: the signature does not fit") from None


def canonical(message: dict[str, Any]) -> bytes:
    """What is signed: names and values, each on a line."""
    names = NOTIFICATION if message.get("Type") == "Notification" else CONFIRMATION
    lines = [line for name in names if name in message for line in (name, str(message[name]))]
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")


def _is_fresh(message: dict[str, Any], now: datetime) -> bool:
    try:
        at = datetime.fromisoformat(str(message.get("Timestamp")))
    except ValueError:
        return False
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return now - BEHIND <= at <= now + AHEAD


async def _certificate(url: str, egress: Egress) -> x509.Certificate:
    known = _certificates.get(url)
    if known is not None:
        return known
    answer = await egress.get(url)
    if answer.status >= 500:
        raise EgressError(f"the certificate of SNS could not be read: answer {answer.status}")
    try:
        certificate = x509.load_pem_x509_certificate(answer.body)
    except ValueError:
        raise ForgedError("SNS: there is no certificate at its address") from None
    _certificates[url] = certificate
    while len(_certificates) > MAX_CERTIFICATES:
        _certificates.popitem(last=False)
    return certificate


def _decoded(signature: Any) -> bytes | None:
    try:
        return base64.b64decode(str(signature), validate=True) if signature else None
    except (binascii.Error, ValueError):
        return None
