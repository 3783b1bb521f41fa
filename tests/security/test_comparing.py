"""Secrets are compared in constant time: read from the source, so that no new place is forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRET = re.compile(
    r"secret|token|signature|password|hmac|digest|mac$|^key$|_key$|^keys$|given|expected|signed|nonce|csrf"
)
"""What the names of secrets look like, and of what is compared with them."""
FINE = {
    ("starter/security.py", "_decoded", "token"),  # whether a spelling is the canonical one
    ("starter/access/store.py", "revoke", "token_id"),  # the id of a token is shown in lists
    ("starter/access/store.py", "end", "token_id"),
    ("starter/access/store.py", "create", "token"),  # digests of idempotency keys
    ("starter/access/store.py", "add", "token"),
    ("starter/access/id_tokens.py", "_check", "expected"),  # of a token whose signature holds
    ("starter/access/store.py", "note_use", "token_id"),
    ("starter/access/store.py", "used", "token_id"),
    ("starter/temporal_setup.py", "register_search_attributes", "key"),  # of a search attribute
}
"""File, function and name of comparisons with something public."""


def modules() -> list[Path]:
    """All of the front but the command line, which holds one person's token and compares none."""
    every = (ROOT / "starter").rglob("*.py")
    return sorted(path for path in every if "cli" not in path.parts and path.name != "client.py")


def words(node: ast.AST) -> Iterator[str]:
    """The names that an operand goes by."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value if part.value.isidentifier() else ""


def is_harmless(node: ast.AST) -> bool:
    """Something written in the source, or a count: nobody learns a secret from it."""
    if isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Set):
        return True
    if isinstance(node, ast.UnaryOp):
        return is_harmless(node.operand)
    # Names in capitals are constants of a module.
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    called = node.func if isinstance(node, ast.Call) else None
    return bool(name and name.isupper()) or (isinstance(called, ast.Name) and called.id == "len")


def comparisons(path: Path) -> Iterator[tuple[str, ast.Compare]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                    yield function.name, node


def suspects(path: Path) -> list[str]:
    """Comparisons by `==` of two values of which one is named like a secret."""
    name, found = path.relative_to(ROOT).as_posix(), []
    for function, node in comparisons(path):
        operands = [node.left, *node.comparators]
        if any(is_harmless(one) for one in operands):
            continue
        named = [word for one in operands for word in words(one) if SECRET.search(word.lower())]
        if named and not any((name, function, word) in FINE for word in named):
            found.append(f"{name}:{node.lineno} {function}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_secret_is_compared_byte_by_byte(path: Path) -> None:
    """Use `starter.security.same`: `==` answers sooner the earlier two secrets differ."""
    assert suspects(path) == []


def test_the_rule_finds_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison as somebody in a hurry writes it, in each of its spellings."""
    monkeypatch.setattr("tests.security.test_comparing.ROOT", tmp_path)
    for said in (
        "given == expected", "signature != hmac_hex(secret, body)", "headers['token'] == x",
        "request.token == self._wanted", "x == settings.api_token.get_secret_value()",
    ):  # fmt: skip
        (tmp_path / "hasty.py").write_text(f"def check():\n    return {said}\n")
        assert len(suspects(tmp_path / "hasty.py")) == 1, said
    for said in ("len(token) == 5", "token == ''", "kind == 'token'", "same(given, expected)"):
        (tmp_path / "hasty.py").write_text(f"def check():\n    return {said}\n")
        assert suspects(tmp_path / "hasty.py") == [], said


def test_every_format_that_can_sign_compares_so() -> None:
    """A module that makes an HMAC compares it by `same` or `compare_digest`."""
    for path in modules():
        text = path.read_text(encoding="utf-8")
        if "hmac.new(" in text or "hmac_hex(" in text or "hmac_base64(" in text:
            assert re.search(r"\bsame\(|compare_digest\(", text), path
