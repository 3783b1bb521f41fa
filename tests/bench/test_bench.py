"""The pure parts of the benchmark, and its HTTP against itself. No test asserts a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import __main__ as program
from bench.http import content_length, generate, request_bytes, serve
from bench.measure import Result, Round, Row, Verdict, judge_ratio, movement, quantile, table
from bench.policy import alert_body, policy_text
from bench.receiver import Receiver, key_of
from bench.rows.events import STEPS, STORY
from domain.commands import COMMANDS
from records.policy_file import read_policy
from starter.intake import FORMATS

ROW = Row("some-row", "what", "a floor", must=2.0, aim=1.5)


def test_quantile_interpolates() -> None:
    """A percentile between two samples lies between them."""
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 0.5) == 1.5
    assert quantile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="no sample"):
        quantile([], 0.5)


def test_the_median_of_the_rounds_is_judged() -> None:
    """One odd round does not decide a row."""
    result = judge_ratio(ROW, [Round(10, 10, 10), Round(90, 10, 10), Round(18, 10, 10)])
    assert (result.value, result.spread, result.verdict) == (1.8, (1.0, 9.0), Verdict.HOLDS)
    assert judge_ratio(ROW, [Round(21, 10, 10)]).verdict is Verdict.FAILS


def test_a_floor_that_moves_gives_no_verdict() -> None:
    """A noisy machine gives no verdict instead of a wrong one."""
    result = judge_ratio(ROW, [Round(50, 10, 10), Round(50, 14, 14)])
    assert result.verdict is Verdict.NONE
    assert result.why == "no verdict: the floor moved by 40%"
    assert movement([10.0, 13.0]) == pytest.approx(0.3)


def test_exit_code_is_one_only_for_a_bound_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Only a bound that is missed fails the benchmark."""

    def of(*verdicts: Verdict) -> int:
        return program.exit_code([Result(ROW, 1.0, (1.0, 1.0), verdict) for verdict in verdicts])

    assert of(Verdict.HOLDS, Verdict.NONE) == 0
    assert of(Verdict.HOLDS, Verdict.FAILS) == 1
    assert "some-row: no verdict" in capsys.readouterr().out


def test_the_table_names_rows_bounds_and_notes() -> None:
    """A reader sees what was measured, against what, and what is asked."""
    rate = Row("a-rate", "kept", "nothing", must=3000, aim=6000, unit="/s", better="higher")
    shown = table(
        [
            judge_ratio(ROW, [Round(12, 10, 10)], ["a note"]),
            Result(rate, 6500.0, (6000.0, 7000.0), Verdict.HOLDS),
        ]
    )
    assert "1.20x" in shown
    assert "<= 2.00x" in shown
    assert ">= 3,000/s" in shown
    assert "holds, aim too" in shown
    assert "    a note" in shown


def test_every_row_has_a_name_of_its_own() -> None:
    """A row can be asked for by its name."""
    names = [row.name for rows, _, _ in program.GROUPS for row in rows]
    assert len(names) == len(set(names))


def test_the_generated_policy_is_a_good_one(tmp_path: Path) -> None:
    """The benchmark runs on a policy without mistakes."""
    file = tmp_path / "policy.yaml"
    file.write_text(policy_text(["svc-1", "svc-2"]))
    loaded = read_policy(file, formats=tuple(FORMATS))
    assert set(loaded.policy.services) == {"svc-1", "svc-2"}


def test_the_reference_incident_has_seventeen_steps() -> None:
    """Ours and the naive one are measured on the same story."""
    # The page, two channels and two initial updates leave by themselves.
    assert len(STORY) + 5 == STEPS
    assert {name for name, _, _ in STORY} <= set(COMMANDS)


def test_messages_are_known_by_the_incident_they_belong_to() -> None:
    """A page is attributed to its own alert."""
    sendgrid = {"personalizations": [{"custom_args": {"incident": "svc-1-1"}}]}
    assert key_of(sendgrid) == "svc-1-1"
    assert key_of({"groupLabels": {"service": "svc-1"}}) == "peer/svc-1"
    assert key_of({"key": "bare-1"}) == "bare-1"


def test_content_length() -> None:
    """The generator reads an answer whole."""
    assert content_length(b"HTTP/1.1 202 Accepted\r\ncontent-length: 12\r\n\r\n") == 12
    assert content_length(b"HTTP/1.1 204 No Content\r\n\r\n") == 0


async def test_the_generator_sends_each_request_once() -> None:
    """What is counted as sent was sent once."""
    bodies: list[bytes] = []
    server = await serve(bodies.append)
    port = server.sockets[0].getsockname()[1]
    body = alert_body("svc", "fingerprint")
    load = await generate(port, request_bytes("/", body, "token"), 50, 8, 202)
    server.close()
    assert (load.acknowledged, load.refused) == (50, 0)
    assert bodies == [body] * 50
    assert json.loads(body)["alerts"][0]["labels"]["service"] == "svc"


async def test_the_receiver_tells_when_the_first_message_came() -> None:
    """The time of a page is that of its first arrival."""
    receiver = Receiver()
    await receiver.open()
    message = json.dumps({"key": "bare-7"}).encode()
    await generate(receiver.port, request_bytes("/v3/mail/send", message), 2, 1, 202)
    first = await receiver.first("bare-7")
    receiver.close()
    assert receiver.arrived["bare-7"][0] == first
    assert len(receiver.arrived["bare-7"]) == 2
