# SPDX-License-Identifier: MIT
"""A broker that is given its socket, as a service manager gives it one."""
import os

from broker import Broker

# Puts the given fds at 3, 4, ... and the pid of what it becomes into LISTEN_PID.
MANAGER = 'at=3; for fd in $FDS; do eval "exec $at<&$fd"; at=$((at+1)); done; ' \
    'export LISTEN_FDS LISTEN_PID=${PID:-$$}; exec "$@"'  # fmt: skip


class Activated(Broker):
    """Started as a service manager would, with these sockets."""

    def __init__(self, build, *socks, env=None, **keywords):
        fds = [sock.fileno() for sock in socks]
        env = {"FDS": " ".join(map(str, fds)), "LISTEN_FDS": str(len(fds)), **(env or {})}
        super().__init__(build, prefix=["bash", "-c", MANAGER, "bash"], pass_fds=fds,
                         env={**os.environ, **env}, **keywords)  # fmt: skip
