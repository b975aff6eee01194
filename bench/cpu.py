"""CPU time and memory of a process and all its descendants, from the operating system's own accounting (Linux)."""

import os
import time
from pathlib import Path

from msgspec import Struct

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Sample(Struct, frozen=True):
    """One look at a process tree."""

    cpu_s: float
    """User and system time of every process in the tree, and of those that ended and were waited for."""
    rss_bytes: int
    processes: int


def sample(pid: int) -> Sample:
    """The tree under `pid`, now. Raises ProcessLookupError if `pid` is gone."""
    found = tree(pid)
    if pid not in found:
        raise ProcessLookupError(f"Process {pid} is not running.")
    return Sample(
        cpu_s=sum(_own_cpu_s(member) + waited for member, waited in found.items()),
        rss_bytes=sum(_rss_bytes(member) for member in found),
        processes=len(found),
    )


def tree(root: int) -> dict[int, float]:
    """Each process of the tree with the CPU seconds of its children that were waited for."""
    parents: dict[int, int] = {}
    waited: dict[int, float] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        try:
            # The name, in parentheses, may itself hold spaces and parentheses (man 5 proc_pid_stat).
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # After the name: state, ppid, nine others, then utime, stime, cutime, cstime.
        parents[int(entry)] = int(fields[1])
        waited[int(entry)] = (int(fields[13]) + int(fields[14])) / _TICKS_PER_S
    members = {root} & parents.keys()
    found = set(members)
    while found:
        found = {pid for pid, parent in parents.items() if parent in found} - members
        members |= found
    return {pid: waited[pid] for pid in members}


def _own_cpu_s(pid: int) -> float:
    # A process's CPU clock, in nanoseconds: the same sum as utime + stime in /proc/<pid>/stat, threads that ended
    # included, without the rounding to ticks of 10 ms (man 3 clock_getcpuclockid; the kernel's MAKE_PROCESS_CPUCLOCK).
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _rss_bytes(pid: int) -> int:
    for source in (f"/proc/{pid}/smaps_rollup", f"/proc/{pid}/status"):
        try:
            text = Path(source).read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(("Rss:", "VmRSS:")):
                return int(line.split()[1]) * 1024
    return 0
