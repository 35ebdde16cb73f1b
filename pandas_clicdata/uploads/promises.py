"""How many chunks a journal promises at once, and what of them still holds when the process is gone.

Before a chunk is sent, a line that says so has to be safe on the disk, which takes a tenth of a millisecond to several.
So the next chunk is promised while the one before it is on the wire. Where answers come faster than that would allow,
one such line promises several chunks, one after the other.

After a kill the lines of their outcomes tell how far it came: the system keeps what a process wrote. After a loss of
power those lines may be gone, and every chunk that has none is in doubt.
"""

from __future__ import annotations

import math
import os

_SHARE = 0.02  # of the time that chunks take, which promising them may take
_LEAST = 0.0003  # seconds: to change to the thread that makes the next chunks takes as long, however fast the disk is
_MOST = 100  # chunks
# File systems of the kernel itself. Others may lose what a killed process wrote: those over a network, or in processes.
_LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "overlay"))


def together(promising: float, answering: float) -> int:
    """How many chunks are to be promised at once.

    Parameters
    ----------
    promising : float
        Seconds that a promise takes.
    answering : float
        Seconds that a chunk takes.

    Returns
    -------
    int
        1 or more.
    """
    return max(1, min(_MOST, math.ceil(max(promising, _LEAST) / (_SHARE * max(answering, 1e-6)))))


def boot_of(file: int) -> str | None:
    """What tells this run of the machine from all others.

    Parameters
    ----------
    file : int
        An open file.

    Returns
    -------
    str or None
        None where that isn't known, or the system may not keep what a killed process wrote to this file.
    """
    try:
        device = os.fstat(file).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:  # noqa: PTH123
            local = any(_is_local(mount, device) for mount in mounts)
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:  # noqa: PTH123
            return (boot.read().strip() or None) if local else None
    except (OSError, ValueError, IndexError):  # not Linux, or it tells it otherwise
        return None


def _is_local(mount: str, device: int) -> bool:
    """Whether a line of mountinfo is of this device, and of a file system of the kernel's own."""
    where, _, what = mount.partition(" - ")
    return where.split()[2] == f"{os.major(device)}:{os.minor(device)}" and what.split()[0] in _LOCAL
