"""The six questions of the assessment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.assessment import QUESTIONS, Assessment


def test_what_nobody_has_answered_is_open_in_the_order_of_the_questions() -> None:
    """Unknowns are stated as unknown."""
    assert Assessment().open_questions() == list(QUESTIONS.values())
    answered = Assessment(symptoms="s", support_cases=0)
    assert len(answered.open_questions()) == 4
    assert answered.answered() == {"symptoms": "s", "support_cases": 0}


@pytest.mark.parametrize("answer", [{"affected": "none"}, {"affected_count": 0}])
def test_how_many_is_answered_by_a_word_or_a_number(answer: dict[str, object]) -> None:
    """Either closes the question, zero too."""
    assert QUESTIONS["affected"] not in Assessment.model_validate(answer).open_questions()


def test_factors_add_up_and_the_rest_is_revised() -> None:
    """No factor that somebody named is lost by a later answer."""
    merged = Assessment(factors=["security"], symptoms="a").merged(
        {"factors": ["data_loss", "security"], "symptoms": "b"}
    )
    assert (merged.factors, merged.symptoms) == (["security", "data_loss"], "b")


def test_an_answer_of_the_wrong_kind_is_refused() -> None:
    """A word that is none of none, some, all."""
    with pytest.raises(ValidationError):
        Assessment().merged({"affected": "many"})
