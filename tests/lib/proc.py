# SPDX-License-Identifier: MIT
"""What /proc tells of a process.  It must never change one."""
import contextlib
import os


def links(pid):
    """What its fds are, as the kernel names them; it may close one while this looks."""
    for entry in list(os.scandir(f"/proc/{pid}/fd")):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(entry)
