"""What a worker does for its own process once it takes work: say so, and keep its garbage collector calm."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


def calm_the_collector() -> None:
    """Keep full collections rare: with some hundred cached incidents one stops everything for 0.1 s.

    What is loaded by now stays for good and is not looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def say_ready(data_dir: Path) -> None:
    """Tell `tocsin up` that this process takes work."""
    ready = data_dir / "run" / "worker.ready"
    try:
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.write_text(f"{os.getpid()}\n")
    except OSError as error:  # a full disk is no reason not to page
        log.warning("cannot say that the worker is ready", reason=str(error))
