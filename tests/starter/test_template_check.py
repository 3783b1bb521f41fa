"""Where a mistake in the words of an organisation is said to stand."""

from __future__ import annotations

import pytest

from domain.policy.model import Policy
from starter.template_check import check_texts


@pytest.mark.parametrize("is_fatal", [True, False])
def test_an_unknown_frame_stands_where_its_audience_names_it(is_fatal: bool) -> None:
    """Whoever mistyped a folder is led to the line, and only who checks is stopped by it."""
    board = {"hears": "internal", "to": [{"channel": "email", "to": "board@example.com"}]}
    policy = Policy.model_validate({"audiences": {"board": board | {"template": "bord_update"}}})
    (problem,) = check_texts(None, is_fatal=is_fatal)(policy)
    assert problem.where == "audiences.board.template"
    assert problem.warning is not is_fatal
