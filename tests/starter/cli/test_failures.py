"""What goes wrong: exit codes and words."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import TOKEN, FakeApi, problem
from tests.system import eventually


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2), (401, 7), (403, 7), (404, 4), (405, 1), (409, 5), (413, 2), (422, 2), (429, 1),
        (500, 3), (502, 3), (503, 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("line", ["list", "declare x --service checkout"])
def test_an_exit_code_for_each_status(
    status: int, code: int, line: str, tocsin: Tocsin, api: FakeApi
) -> None:
    """Scripts tell by the code whether to retry, to correct, or to give up."""
    api.next_answer = problem(status, "this went wrong")
    result = tocsin(*line.split())
    assert result.code == code
    assert result.out == ""
    assert result.err.startswith("error: this went wrong (")
    assert f"answered {status}" in result.err


def test_each_field_problem_has_its_own_line(tocsin: Tocsin, api: FakeApi) -> None:
    """What is wrong, where, and what was probably meant."""
    wrong = [
        {"pointer": "/severity", "detail": "unknown severity 'SEV9'", "near": ["SEV1", "SEV2"]},
        {"pointer": "/reason", "detail": "is required"},
    ]
    api.next_answer = problem(422, "set_severity cannot be read", errors=wrong)
    lines = tocsin("severity", "checkout-17", "SEV9", "--reason", "r").err.splitlines()
    assert lines[1:4] == [
        "  /severity: unknown severity 'SEV9'",
        "    did you mean SEV1 or SEV2?",
        "  /reason: is required",
    ]
    assert lines[4].startswith("hint: ")


def test_a_conflict_says_what_is_allowed(tocsin: Tocsin, api: FakeApi) -> None:
    """The state forbids it: the person sees what would go."""
    api.next_answer = problem(409, "not possible while resolved", allowed=["note", "reopen"])
    result = tocsin("ack", "checkout-17", "--as", "bob")
    assert result.code == 5
    assert "allowed now: note, reopen" in result.err


def test_an_error_that_is_no_problem_document(tocsin: Tocsin, api: FakeApi) -> None:
    """A proxy's page of HTML is an error like any other."""
    api.next_answer = (502, "<html>Bad gateway</html>")
    result = tocsin("list")
    assert result.code == 3
    assert "Bad Gateway" in result.err


def test_something_else_answers(tocsin: Tocsin, api: FakeApi) -> None:
    """A web server that is not Tocsin counts as unreachable."""
    api.next_answer = (200, "hello")
    result = tocsin("list")
    assert result.code == 3
    assert "is not Tocsin's API" in result.err


def test_accepted_is_said_plainly(tocsin: Tocsin, api: FakeApi) -> None:
    """202 is not done: no worker was up."""
    api.next_answer = (202, {"accepted": True})
    result = tocsin("ack", "checkout-17", "--as", "bob", "-o", "json")
    assert result.code == 0
    assert json.loads(result.out) == {"accepted": True}
    assert "accepted, not done yet" in result.err
    assert "done: " not in result.err
    api.next_answer = (202, {"accepted": True})
    assert tocsin("ack", "checkout-17", "--as", "bob", "-o", "id").out == "checkout-17\n"
    api.next_answer = (202, {"accepted": True})
    assert tocsin("declare", "x", "--service", "s", "-o", "id").out == ""


def test_an_api_that_is_not_there(call: Tocsin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreachable is 3, and a write says how to repeat it without harm."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = call("--api-url", url, "--token", "t", "ack", "x-1", "--as", "bob")
    assert result.code == 3
    assert url in result.err
    assert "--idempotency-key cli-" in result.err


def test_an_answer_that_does_not_come(tocsin: Tocsin, api: FakeApi) -> None:
    """Timed out is 8: it may have happened, and the key makes repeating safe."""
    api.delay_seconds = 60
    result = tocsin("--timeout", "0.3", "ack", "checkout-17", "--as", "bob")
    assert result.code == 8
    eventually(lambda: api.requests, 30, "the request")
    key = api.requests[0].headers["idempotency-key"]
    assert f"--idempotency-key {key}" in result.err


def test_no_api_is_known(call: Tocsin) -> None:
    """The way out is named."""
    result = call("list")
    assert result.code == 2
    for said in ("tocsin up", "TOCSIN_API_URL", "TOCSIN_API_TOKEN"):
        assert said in result.err


def test_what_up_left_is_found(call: Tocsin, api: FakeApi, alone: Path) -> None:
    """On the machine of `tocsin up` nothing has to be set."""
    left = {"api_url": api.url, "token": TOKEN}
    (alone / "endpoint.json").write_text(json.dumps(left))
    assert call("list", "-o", "id").out == "checkout-17\n"
    assert call("token").out == f"{TOKEN}\n"


def test_the_token_of_a_file_stays_with_its_api(
    call: Tocsin, api: FakeApi, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is never sent to another host than its own."""
    left = {"api_url": "http://elsewhere.example", "token": "secret"}
    (alone / "endpoint.json").write_text(json.dumps(left))
    monkeypatch.setenv("TOCSIN_API_URL", api.url)
    assert call("list").code == 7
    assert "authorization" not in api.requests[0].headers


def test_a_token_from_a_mounted_file(
    call: Tocsin, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TOCSIN_API_TOKEN_FILE, as for every secret."""
    (tmp_path / "secret").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("TOCSIN_API_TOKEN_FILE", str(tmp_path / "secret"))
    assert call("--api-url", api.url, "list").code == 0


@pytest.mark.parametrize("content", ["", "[]", '{"token": "x"}'])
def test_a_broken_endpoint_file_is_named(content: str, call: Tocsin, alone: Path) -> None:
    """The file and the way out."""
    (alone / "endpoint.json").write_text(content)
    result = call("list")
    assert result.code == 2
    assert "endpoint.json" in result.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ackk x", "Did you mean"),
        ("ack", "Missing argument 'ID'"),
        ("ack x --az", "No such option"),
        ("update x --audience public --text t", "'--audience'"),
        ("link x y --kind tickte", "support-case"),
        ("resolve x --summary s --ended-at yesterday", "10m ago"),
        ("note x --text", "No such option"),
        ("oncall override p", "--nobody"),
        ("oncall override p --person bob --also --instead-of alice", "--instead-of"),
        ("oncall swap p alice bob --from 9:00 --to 10:00 --back-from 11:00", "--back-to"),
        ("oncall temporary p --from 9:00 --to 10:00 --shift a,b,c,d", "PERSON,FROM,TO"),
        ("oncall schedule p --days 3 --to 7d", "--days"),
        ("postmortem edit x --field nonsense", "NAME=TEXT"),
        ("postmortem action x", "TEXT"),
        ("postmortem action x text --done a1", "--done"),
        ("list -o xml", "'xml'"),
        ("--api-url nonsense list", "http://"),
        ("ack x --as a --idempotency-key é", "printable ASCII"),
    ],
)
def test_a_wrong_command_line(line: str, said: str, tocsin: Tocsin, api: FakeApi) -> None:
    """Exit 2, one line that says it, and nothing was sent."""
    result = tocsin(*line.split())
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert said in result.err
    assert result.out == ""
    assert not api.requests


def test_an_empty_text_is_refused_here(tocsin: Tocsin, api: FakeApi) -> None:
    """An empty note is a slip of the shell."""
    assert tocsin("note", "checkout-17", "").code == 2
    assert not api.requests


def test_no_verb_shows_the_help(call: Tocsin) -> None:
    """Once, and with the code of a wrong command line."""
    result = call()
    assert result.code == 2
    assert result.out.count("Usage:") == 1


CONFLICT = {
    "detail": "it contradicts o1",
    "errors": [{"pointer": "/from", "detail": "it contradicts o1"}],
}


@pytest.mark.parametrize(
    ("line", "status", "where"),
    [
        ("oncall override p --person bob", 409, "tocsin oncall override list"),
        ("oncall override remove o9", 404, "tocsin oncall override list"),
        ("oncall schedule p", 404, "tocsin policy show"),
        ("maintenance remove checkout m1", 409, "tocsin maintenance list"),
        ("maintenance remove checkout m9", 404, "tocsin maintenance list"),
    ],
)
def test_what_is_refused_about_on_call_points_to_what_is_there(
    line: str, status: int, where: str, tocsin: Tocsin, api: FakeApi
) -> None:
    """Not to an incident, which has nothing to do with it; a conflict is told once."""
    api.next_answer = (status, CONFLICT)
    result = tocsin(*line.split(" "))
    assert f"hint: `{where}`" in result.err
    assert result.err.count("it contradicts o1") == (1 if status == 409 else 2)


def test_a_test_page_to_somebody_whom_nothing_reaches_has_failed(
    tocsin: Tocsin, api: FakeApi
) -> None:
    """No message is no success: the exit code, the word and the reason say so."""
    notes = ["contact 1 of zoe is skipped: verified: false", "zoe has no usable contact"]
    api.next_answer = (200, {"person": "zoe", "deliveries": [], "notes": notes})
    result = tocsin("oncall", "test", "zoe")
    assert result.code == 1
    assert result.out.splitlines() == ["no message left", *notes]
    assert result.err == "error: no test page to zoe has left\n"


def test_a_test_page_that_only_partly_went_out(tocsin: Tocsin, api: FakeApi) -> None:
    """6 when some channel failed, 1 when all did."""
    sent = {"recipient": "person:alice", "channel": "email", "state": "sent"}
    failed = {
        "recipient": "person:alice",
        "channel": "sms",
        "state": "failed",
        "reason": "rejected",
    }
    api.next_answer = (200, {"person": "alice", "deliveries": [sent, failed]})
    result = tocsin("oncall", "test", "alice")
    assert result.code == 6
    assert "rejected" in result.out
    api.next_answer = (200, {"person": "alice", "deliveries": [failed]})
    assert tocsin("oncall", "test", "alice").code == 1


def test_a_verb_that_needs_to_know_who(tocsin: Tocsin) -> None:
    """The option is named, not only the field of the body."""
    result = tocsin("ack", "checkout-17")
    assert result.code == 2
    assert "--as PERSON" in result.err
