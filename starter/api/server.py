"""The API as a process: `python -m starter.api.server`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn

from domain.errors import PolicyError
from records.database import open_database
from records.policy_store import PolicyStore
from records.reads import RecordsReader
from records.writes import RecordsWriter
from starter.access.actor_keys import ActorKey
from starter.access.signing import ClaimSigner, SigningLink
from starter.api.app import create_app
from starter.api.connections import IDLE_SECONDS, Doorkeeper, room
from starter.api.frame import Shortcut
from starter.event_loop import new_event_loop
from starter.gateway import Gateway
from starter.intake import CAN_SIGN
from starter.logs import configure_logs
from starter.page_check import PageCheck
from starter.records_access import RecordsAccess
from starter.security import closed_integrations
from starter.settings import (
    Settings,
    SettingsError,
    load_settings,
)
from starter.temporal_link import connect
from starter.unknown_settings import refuse_unknown_settings

GRACEFUL_SECONDS = 3
"""An open event stream would keep the process for ever."""
TICKS_PER_SECOND = 10
"""uvicorn's."""

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Ends by a signal as by any other reason: uvicorn would raise the signal once more at its end.

    Args:
        let_go: ends open streams, which would otherwise last until the graceful time is over.
        keeper: closes connections that only hold a place.
    """

    def __init__(
        self, config: uvicorn.Config, let_go: Callable[[], None], keeper: Doorkeeper
    ) -> None:
        super().__init__(config)
        self._let_go, self._keeper = let_go, keeper

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_SECOND == 0:
            self._keeper.look(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._let_go()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def prepare(settings: Settings, environ: Mapping[str, str]) -> PolicyStore:
    """Find the policy in force, reading it where none is yet, and look for settings that mean nothing.

    Raises:
        PolicyError: there is none that may be used.
        SettingsError: a setting of ours is unknown.
    """
    policies = PolicyStore(settings.data_dir)
    try:
        _, policy = policies.current()
    except PolicyError:
        policy = policies.reload(settings.policy, formats=CAN_SIGN).policy
    refuse_unknown_settings(environ, policy)
    for line in closed_integrations(policy, environ):
        log.warning("integration.closed", why=line)
    return policies


async def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until a signal ends it. Temporal and the records may be away: both are found when they come."""
    policies = prepare(settings, environ)
    engine = open_database(settings.records_url())
    records = RecordsAccess(RecordsReader(engine), RecordsWriter(engine))
    client = await connect()
    key = ActorKey(settings.data_dir)
    try:
        key.load()
    except (OSError, ValueError):  # no reason not to take alerts and acknowledgements
        log.exception("api.unsigned", why="the key is missing: commands leave unsigned")
    link = SigningLink(client, ClaimSigner(key))
    gateway = Gateway(link, records, policies, PageCheck(client))
    app = create_app(settings, gateway, environ)
    services = app.state.services
    keeper = Doorkeeper(lambda why: services.metrics.connections.labels(why).inc(), most=room())
    config = uvicorn.Config(
        Shortcut(app, services.metrics),
        http=keeper.protocol(),
        host=settings.api_host,
        port=settings.api_port,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_keep_alive=int(IDLE_SECONDS),
        access_log=False,  # the links for people hold their token in the path
        server_header=False,
        log_config=None,
    )
    log.info("api.starting", host=settings.api_host, port=settings.api_port)

    def let_go() -> None:
        services.feed.close()
        services.status.close()

    await Server(config, let_go, keeper).serve()


def run(environ: Mapping[str, str]) -> int:
    """Run, and answer the exit code."""
    configure_logs()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve(load_settings(environ), environ))
    except (SettingsError, PolicyError) as error:
        print(*(f"error: {problem}" for problem in error.problems), sep="\n", file=sys.stderr)
        return 2
    except SystemExit as error:  # uvicorn's, when the port is taken; it has said so
        return error.code if isinstance(error.code, int) else 1
    except (RuntimeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> None:
    """Entry point."""
    code = run(os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not `sys.exit`: a process that holds a Temporal client may abort while the interpreter shuts down
    # (exit code 134), because the client's own threads still run.
    os._exit(code)


if __name__ == "__main__":
    main()
