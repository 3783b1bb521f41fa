"""One running Tocsin for all of these stories, sending for real to a SendGrid of our own.

Each module names its own services and people in LADDERS; a story that leaves the system ill fails the
next one at its door, not in its middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.sendgrid import KEY, SendGridFake, sendgrid_fake
from tests.scenarios.conftest import patience
from tests.system import System, a_policy, a_system, eventually

__all__ = ["patience"]

Ladders = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="session")
def vendor() -> Iterator[SendGridFake]:
    """The mail vendor; whatever it refuses as ill-formed fails the suite."""
    with sendgrid_fake() as fake:
        yield fake
        assert fake.refused == []


@pytest.fixture(scope="session")
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, vendor: SendGridFake
) -> Iterator[System]:
    """A real `tocsin up` with the LADDERS of every module that takes part, delivering live."""
    folder = tmp_path_factory.mktemp("up")
    ladders: Ladders = {}
    people: dict[str, object] = {}
    here = Path(__file__).parent
    items = [item for item in request.session.items if here in item.path.parents]
    for module in dict.fromkeys(getattr(item, "module", None) for item in items):
        own = getattr(module, "LADDERS", {})
        assert not own.keys() & ladders.keys(), f"{module} uses another module's services"
        ladders |= own
        people |= getattr(module, "PEOPLE", {})
    # Stories that follow each other closely are no storm.
    limits = {"storm": "none"}
    policy = a_policy(folder / "policy.yaml", ladders, people=people, limits=limits)
    with a_system(folder, policy, **live(vendor)) as running:
        yield running


@pytest.fixture
def system(shared: System, vendor: SendGridFake) -> System:
    """The running system, well."""
    vendor.manners.clear()
    eventually(lambda: shared.call("GET", "/readyz").status_code == 200, 30, "readiness")
    return shared


def live(vendor: SendGridFake) -> dict[str, str]:
    """Settings that send to the vendor."""
    return {
        "TOCSIN_DELIVERY": "live",
        "SENDGRID_API_KEY": KEY,
        "SENDGRID_BASE_URL": vendor.url,
        "EMAIL_FROM": "Tocsin <tocsin@example.com>",
    }


def address(person: str) -> str:
    return f"{person}@example.com"
