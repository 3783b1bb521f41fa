"""An SMTP server on a real socket, which answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class SmtpFake:
    """What it answers to RCPT and DATA, and what it has taken."""

    to_recipient: str = "250 OK"
    to_data: str = "250 OK"
    mood: str = "answer"
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    url: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
            self.recipients.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.mood == "hang":
            await self.over.wait()
        if self.mood == "drop":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if self.to_data.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.taken.append(mail)
        return self.to_data


@asynccontextmanager
async def smtp_fake() -> AsyncIterator[SmtpFake]:
    """A running fake."""
    fake = SmtpFake()
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(fake, hostname="fake.test"))
        return sessions[-1]

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    fake.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        fake.over.set()
        server.close()
        for one in sessions:
            if isinstance(one.transport, asyncio.Transport):
                one.transport.abort()
        await asyncio.sleep(0.02)
