"""The machine and what runs on it: memory, CPU time, load, versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ALERTMANAGER = "prometheus-alertmanager"
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class CpuMeter:
    """CPU time per process, added up over the stretches in which it runs."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._since: dict[str, float] = {}
        self.used = dict.fromkeys(pids, 0.0)

    def __enter__(self) -> CpuMeter:
        self._since = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for name, pid in self._pids.items():
            self.used[name] += cpu_seconds(pid) - self._since[name]

    def per(self, count: int) -> str:
        """For people: milliseconds per operation."""
        parts = [f"{name} {used / count * 1000:.1f}" for name, used in self.used.items()]
        return ", ".join(parts) + " ms"


def facts() -> dict[str, Any]:
    """What one must know to compare two runs."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "temporal": _first_line([str(Path(sys.executable).parent / "temporal"), "--version"]),
    }
    for package in ("temporalio", "pydantic", "fastapi", "uvicorn"):
        found[package] = version(package)
    if shutil.which(ALERTMANAGER):
        found["alertmanager"] = _first_line([ALERTMANAGER, "--version"])
    return found


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    text = (done.stdout or done.stderr).strip()
    return text.splitlines()[0] if text else ""
