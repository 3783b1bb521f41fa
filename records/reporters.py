"""Where reporters' addresses are: one small file each in the data folder, until they were told the outcome.

Not in a history and not in the records: whoever reported a fault once has not agreed to be kept for ever.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from records.shared_files import replace_file

FOLDER = "reporters"
_REF = re.compile(r"R-[0-9A-Z]{8}")


class Reporters:
    """Keeps addresses by the reference of the report.

    Args:
        data_dir: the data folder, which API and workers share.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def keep(self, ref: str, address: str) -> None:
        """Write it down; only the owner of the file can read it.

        Raises:
            OSError: it could not be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self._file(ref), json.dumps({"address": address}))

    def address(self, ref: str) -> str | None:
        """The address; None where none is kept.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        try:
            return str(json.loads(self._file(ref).read_text(encoding="utf-8"))["address"])
        except FileNotFoundError:
            return None

    def forget(self, ref: str) -> None:
        """Delete it.

        Raises:
            OSError: it cannot be deleted.
        """
        self._file(ref).unlink(missing_ok=True)

    def _file(self, ref: str) -> Path:
        if not _REF.fullmatch(ref):
            raise ValueError(f"{ref!r} is no reference of a report")
        return self._folder / f"{ref}.json"
