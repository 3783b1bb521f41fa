"""What a worker does before it takes work: the policy is adopted, the records get their tables."""

from __future__ import annotations

import asyncio

import structlog

from domain.errors import PolicyError
from records.database import RecordsUnavailableError, migrate, open_database
from records.policy_file import read_policy
from records.policy_store import PolicyStore
from starter.intake import CAN_SIGN
from starter.settings import Settings

log = structlog.get_logger(__name__)


async def prepare_records(settings: Settings) -> None:
    """Create or upgrade the records' tables; without a database everything else starts all the same."""
    engine = open_database(settings.records_url())
    try:
        await asyncio.to_thread(migrate, engine)
    except RecordsUnavailableError as error:
        log.warning(
            "the records are not available: paging goes on, they catch up", reason=str(error)
        )
    finally:
        engine.dispose()


def adopt_policy(settings: Settings) -> None:
    """Make the policy file the current one; a broken one leaves the last good one in force, loudly.

    Raises:
        PolicyError: it is broken and there is no last good one.
    """
    store = PolicyStore(settings.data_dir)
    try:
        store.adopt(read_policy(settings.policy, formats=CAN_SIGN))
    except PolicyError as error:
        version, _ = store.current()
        problems = [str(problem) for problem in error.problems]
        log.exception(
            "policy is broken: the last good one stays", version=version, problems=problems
        )
    except OSError:
        version, _ = store.current()
        log.exception("the policy cannot be kept: the last good one stays", version=version)
