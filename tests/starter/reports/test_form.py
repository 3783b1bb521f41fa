"""The report form's fields: what is wrong is said by field, and one press is one report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.policy.model import Policy
from starter.reports import form
from starter.reports.form import FormTokens, is_reference, read, reference, services_offered
from starter.security import LinkSigner

AT = datetime(2026, 11, 24, 14, tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "services": {
            "checkout": {"name": "Checkout"},
            "search": {},
            "database": {"public": False},
        }
    }
)


@pytest.fixture
def tokens(tmp_path: Path) -> FormTokens:
    return FormTokens(LinkSigner(tmp_path / "secret"))


def filled(tokens: FormTokens, age: timedelta = timedelta(seconds=20), **changes: str):
    """A good form, or one with changes."""
    good = {
        "service": "checkout",
        "summary": "I cannot pay",
        "description": "",
        "reported_by": "customer",
        "email": "kim@example.com",
        "token": tokens.make(AT - age),
    }
    return read({**good, **changes}, tokens, POLICY, AT)


def test_a_good_form_has_no_problems(tokens: FormTokens) -> None:
    """And its reference can be read out on the phone."""
    found = filled(tokens)
    assert found.problems == {}
    assert is_reference(found.ref)


def test_the_same_form_is_the_same_report(tokens: FormTokens) -> None:
    """Pressing twice, or again after an error, makes no second one."""
    token = tokens.make(AT - timedelta(minutes=1))
    assert filled(tokens, token=token).ref == filled(tokens, token=token, summary="Again").ref
    assert filled(tokens).ref != filled(tokens).ref
    assert reference(token).startswith("R-")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("service", {"service": ""}),
        ("service", {"service": "database"}),
        ("service", {"service": "../etc"}),
        ("summary", {"summary": "  "}),
        ("summary", {"summary": "x" * 201}),
        ("description", {"description": "x" * 4001}),
        ("email", {"email": "kim"}),
        ("email", {"email": "kim@example.com\r\nBcc: all@example.com"}),
        ("email", {"email": "kim@example.com, all@example.com"}),
        ("email", {"email": "Kim <kim@example.com>"}),
        ("email", {"email": "k" * 250 + "@example.com"}),
        ("form", {form.TRAP: "buy now"}),
        ("form", {"token": ""}),
        ("form", {"token": "a.1.b"}),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    tokens: FormTokens, field: str, changes: dict[str, str]
) -> None:
    """And only there."""
    assert list(filled(tokens, **changes).problems) == [field]


@pytest.mark.parametrize(
    ("age", "is_good"),
    [
        (timedelta(seconds=1), False),
        (timedelta(seconds=2), True),
        (timedelta(hours=24), True),
        (timedelta(hours=24, seconds=1), False),
    ],
)
def test_a_form_is_neither_too_young_nor_too_old(
    tokens: FormTokens, age: timedelta, is_good: bool
) -> None:
    """Two seconds are for people, and a day is enough for anybody."""
    assert ("form" in filled(tokens, age).problems) is not is_good


def test_what_somebody_else_signed_is_no_token(tokens: FormTokens, tmp_path: Path) -> None:
    """Neither another secret nor the link of an incident opens the form."""
    strange = FormTokens(LinkSigner(tmp_path / "other"))
    assert "form" in filled(tokens, token=strange.make(AT - timedelta(minutes=1))).problems
    link = LinkSigner(tmp_path / "secret").sign("checkout-1")
    assert "form" in filled(tokens, token=f"checkout-1.1.{link}").problems


def test_control_characters_go_and_lines_stay(tokens: FormTokens) -> None:
    """What was written arrives as it was meant."""
    found = filled(tokens, summary="I\x00 can\x1bnot pay", description="one\r\ntwo")
    assert found.values["summary"] == "I cannot pay"
    assert found.values["description"] == "one\ntwo"


def test_the_form_offers_public_services_unless_the_policy_names_some() -> None:
    """Customers are not shown what they cannot know."""
    assert services_offered(POLICY) == {"checkout": "Checkout", "search": "search"}
    chosen = Policy.model_validate(
        {"services": {"database": {"public": False}}, "reports": {"services": ["database"]}}
    )
    assert services_offered(chosen) == {"database": "database"}
