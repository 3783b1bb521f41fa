"""Canaille with one client, one group and two people, kept in memory: run by its own environment's Python.

    .venv/idp/bin/python tests/e2e/canaille_server.py PORT REDIRECT_URI

It is in another environment because it brings a package named `tests`; nothing of ours is imported here.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

CLIENT, SECRET = "tocsin", "secret-of-the-client"
PEOPLE = {"ann": "ann@example.com", "mallory": "mallory@elsewhere.example.com"}
PASSWORD = "correct horse battery"


def main(port: int, redirect_uri: str) -> None:
    """Serve until a signal ends it."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "true"  # http, on 127.0.0.1 only
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("/tests/e2e")]
    key = importlib.import_module("joserfc.jwk").RSAKey.generate_key(2048, {"kid": "of-this-run"})
    app = importlib.import_module("canaille").create_app(
        {
            "SECRET_KEY": "of-this-run",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE": {"NAME": "Identity", "DATABASE": "memory", "JAVASCRIPT": False},
            "CANAILLE_OIDC": {
                "ACTIVE_JWKS": [key.as_dict(private=True)],
                "TRUSTED_DOMAINS": ["127.0.0.1"],
            },
        }
    )
    with app.app_context():
        _fill(redirect_uri)
    importlib.import_module("werkzeug.serving").run_simple("127.0.0.1", port, app, threaded=True)


def _fill(redirect_uri: str) -> None:
    models: Any = importlib.import_module("canaille.app.models")
    backend: Any = importlib.import_module("canaille.backends").Backend.instance
    users = {}
    for name, address in PEOPLE.items():
        users[name] = models.User(
            user_name=name,
            formatted_name=name.title(),
            family_name=name.title(),
            emails=[address],
            password=PASSWORD,
        )
        backend.save(users[name])
    backend.save(models.Group(display_name="sre", members=[users["ann"]]))
    client = models.Client(
        client_id=CLIENT,
        client_name="Tocsin",
        client_uri="http://127.0.0.1",
        client_secret=SECRET,
        redirect_uris=[redirect_uri],
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="client_secret_basic",
        scope=["openid", "email", "profile", "groups"],
    )
    backend.save(client)
    client.audience = [client]
    backend.save(client)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
