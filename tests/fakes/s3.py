"""An S3 on a real socket that knows which keys may write, what was asked of it, and what stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from werkzeug.wrappers import Request

KEY, SECRET, BUCKET = "AKIDTOCSIN", "not-a-real-secret", "status"


@dataclass
class S3Fake:
    """The storage, seen by whoever runs the bucket."""

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request of ours, in order."""
    status: int = 0
    """Other than 0: it answers this to everything."""

    def client(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id="owner", aws_secret_access_key="owner",
        )  # fmt: skip

    def keys(self) -> list[str]:
        found = self.client().list_objects_v2(Bucket=BUCKET, MaxKeys=1000)
        return [one["Key"] for one in found.get("Contents", [])]

    def head(self, key: str) -> dict[str, Any]:
        return dict(self.client().head_object(Bucket=BUCKET, Key=key))

    def body(self, key: str) -> bytes:
        return bytes(self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def puts(self) -> list[str]:
        """Paths that were put, in order."""
        return [path for method, path in self.asked if method == "PUT"]


@contextmanager
def s3_fake() -> Iterator[S3Fake]:
    """The storage with one empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    fake = S3Fake(f"http://{host}:{port}")
    inner = server._server.app  # type: ignore[attr-defined]

    def watched(environ: Any, start: Any) -> Any:
        request = Request(environ)
        signed = request.headers.get("Authorization", "")
        if f"Credential={KEY}/" in signed:
            fake.asked.append((request.method, request.path))
            if fake.status:
                start(f"{fake.status} Away", [("Content-Length", "0")])
                return [b""]
        elif "Credential=owner/" not in signed and "/moto-api" not in request.path:
            start("403 Forbidden", [("Content-Length", "0")])
            return [b""]
        return inner(environ, start)

    server._server.app = watched  # type: ignore[attr-defined]
    try:
        fake.client().create_bucket(Bucket=BUCKET)
        yield fake
    finally:
        server.stop()
