"""Writes the documents that are made from the code: `docs/openapi.json` and `docs/policy.schema.json`."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from domain.policy.schema import policy_schema
from records.policy_store import PolicyStore
from starter.api.app import create_app
from starter.gateway import Gateway
from starter.settings import load_settings

DOCS = Path(__file__).parent.parent / "docs"


def openapi() -> dict[str, Any]:
    """The OpenAPI document of the API; nothing is started for it."""
    with TemporaryDirectory() as folder:
        settings = load_settings({"TOCSIN_DATA_DIR": folder})
        nothing = cast("Any", None)
        app = create_app(settings, Gateway(nothing, nothing, PolicyStore(Path(folder))), {})
        return app.openapi()


def text_of(document: dict[str, Any]) -> str:
    """A document as it stands in `docs/`."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both."""
    for name, document in (("openapi.json", openapi()), ("policy.schema.json", policy_schema())):
        (DOCS / name).write_text(text_of(document), encoding="utf-8")


if __name__ == "__main__":
    main()
