"""An object storage: Amazon S3, or one that speaks like it. It stands while everything of ours is down.

Who may read the objects is the bucket's own business, or that of the network in front of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store
from pydantic import SecretStr

from activities.channels.base import HttpSettings, Seconds
from activities.egress import Egress, EgressError
from activities.publishing.target import PublishError, Site, Written, in_order, stale
from domain.addresses import Allowed
from domain.policy.communications import PublishTarget
from templates.status_site import File

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

AT_ONCE = 16
ALL_SECONDS = 25.0
"""For the whole site; what was written by then is not written again."""
CACHE = "public, max-age=10, stale-while-revalidate=60, stale-if-error=86400"
"""A reader is at most ten seconds behind, and sees an old page sooner than none."""
_STATUS = re.compile(r"\b(?:status|Status)\D{0,10}([1-5]\d\d)\b")
_NOWHERE = "http://127.0.0.1:9"
_EVERY_HOST = "*,0.0.0.0/0,::/0"
"""Names and addresses."""


class StoreSettings(HttpSettings):
    """Keys of the storages and how they are reached; each field is the variable of that name."""

    status_store_access_key_id: str | None = None
    status_store_secret_access_key: SecretStr | None = None
    aws_access_key_id: str | None = None
    """Amazon's own names, where ours are not set."""
    aws_secret_access_key: SecretStr | None = None
    status_store_timeout: Seconds = 10.0
    """Longest wait for one request."""
    tocsin_egress_allow: str = ""
    """Which private hosts an endpoint may lead to."""

    @property
    def keys(self) -> tuple[str, SecretStr] | None:
        """Id and secret; None where either is missing."""
        for key, secret in (
            (self.status_store_access_key_id, self.status_store_secret_access_key),
            (self.aws_access_key_id, self.aws_secret_access_key),
        ):
            if key and secret is not None:
                return key, secret
        return None


class StoreTarget:
    """Puts what differs from what the storage says it has.

    A storage names each object's content by its MD5, so the storage itself is asked, and not our memory of
    it. One that encrypts by keys of its own names it otherwise: then what it answered to our last put counts.
    """

    def __init__(self, target: PublishTarget, settings: StoreSettings) -> None:
        assert target.store is not None
        place = urlsplit(target.store)
        self.name = target.store
        self._bucket, self._prefix = place.netloc, place.path.strip("/")
        self._target, self._settings = target, settings
        self._put: dict[str, tuple[str, str]] = {}
        """Digest of what we put last, and what the storage called it, by path."""
        self._store: S3Store | None = None

    async def write(self, site: Site) -> Written:
        """Put what has changed. See `Target.write`."""
        if self._settings.keys is None:
            raise PublishError(
                f"{self.name} has no keys: set STATUS_STORE_ACCESS_KEY_ID and "
                "STATUS_STORE_SECRET_ACCESS_KEY"
            )
        try:
            async with asyncio.timeout(ALL_SECONDS):
                await self._check_endpoint()
                return await self._write(site)
        except TimeoutError:
            raise PublishError(f"{self.name} did not answer within {ALL_SECONDS:g} s") from None
        except EgressError as error:
            raise PublishError(f"{self.name} is not written to: {error}") from None
        except Exception as error:  # noqa: BLE001  the library has a class for each storage's troubles
            raise PublishError(f"{self.name} {_why(error)}") from None

    async def _check_endpoint(self) -> None:
        """An endpoint of the policy leads where any address of a policy may."""
        if self._target.endpoint:
            await Egress(Allowed(self._settings.tocsin_egress_allow)).check(self._target.endpoint)

    async def _write(self, site: Site) -> Written:
        store = self._store = self._store or self._open()
        there = await self._listed(store)
        differing = [path for path in in_order(site) if not self._has(path, site[path], there)]
        gate = asyncio.Semaphore(AT_ONCE)

        async def put(path: str) -> int:
            async with gate:
                return await self._put_one(store, path, site[path])

        *others, last = differing or [""]
        sizes = list(await asyncio.gather(*map(put, others)))
        sizes += [await put(last)] if last else []
        gone = stale(there, site)
        if gone:
            await obstore.delete_async(store, gone)
        return Written(len(site), len(differing), len(gone), sum(sizes))

    async def _listed(self, store: S3Store) -> dict[str, str]:
        """What is there: the storage's name for each content, by path."""
        found: dict[str, str] = {}
        async for some in obstore.list(store):
            for one in some:
                found[one["path"]] = (one.get("e_tag") or "").strip('"')
        return found

    def _has(self, path: str, file: File, there: dict[str, str]) -> bool:
        named = there.get(path)
        if named is None:
            return False
        digest = _md5(file.body)
        return named == digest or self._put.get(path) == (digest, named)

    async def _put_one(self, store: S3Store, path: str, file: File) -> int:
        attributes = {"Content-Type": file.media_type, "Cache-Control": CACHE}
        answer = await obstore.put_async(
            store, path, file.body, attributes=attributes, use_multipart=False
        )
        self._put[path] = (_md5(file.body), (answer["e_tag"] or "").strip('"'))
        return len(file.body)

    def _open(self) -> S3Store:
        keys, seconds = self._settings.keys, self._settings.status_store_timeout
        assert keys is not None
        endpoint = self._target.endpoint
        # A proxy that is named and excepted for everything: else the environment's would be used.
        options: ClientConfig = {
            "timeout": timedelta(seconds=seconds),
            "connect_timeout": timedelta(seconds=seconds / 2),
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "proxy_url": self._settings.proxy or _NOWHERE,
        }
        if self._settings.proxy is None:
            options["proxy_excludes"] = _EVERY_HOST
        config: S3Config = {
            "access_key_id": keys[0],
            "secret_access_key": keys[1].get_secret_value(),
            "region": self._target.region or "us-east-1",
        }
        if endpoint:
            config["endpoint"] = endpoint
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            config=config,
            client_options=options,
            # Whoever asked tries again, later and for longer than any library would.
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=seconds)},
        )


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _why(error: Exception) -> str:
    """What kind of failure it is: the storage's own words may quote what was signed."""
    found = _STATUS.search(str(error))
    status = found[1] if found else ""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in ("401", "403"):
        return "refuses our keys: they need s3:ListBucket, s3:PutObject and s3:DeleteObject there"
    if isinstance(error, FileNotFoundError) or status == "404":
        return "is not there: is the bucket's name right?"
    return f"could not be written: {type(error).__name__}" + (f", status {status}" * bool(status))
