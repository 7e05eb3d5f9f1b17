# SPDX-License-Identifier: MIT
"""A broker with socket activation, and what a service manager does: start it again when it ended.

The listening socket is the supervisor's: between two brokers clients wait in it.
"""
import contextlib
import os
import signal
import socket
import tempfile
from pathlib import Path

from broker import Broker

# Puts the socket at fd 3, and the pid of what it becomes into LISTEN_PID.
MANAGER = 'exec 3<&$FD; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'


class Supervisor:
    def __init__(self, build, *args, **keywords):
        self.dir = Path(tempfile.mkdtemp(prefix="rssb-unit."))
        self.dir.chmod(0o755)
        self.socket = self.dir / "sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.socket))
        self.socket.chmod(0o666)
        self.listener.listen(socket.SOMAXCONN)
        fd = self.listener.fileno()
        self.broker = Broker(build, *args, prefix=["bash", "-c", MANAGER, "bash"], pass_fds=[fd],
                             env={**os.environ, "FD": str(fd)}, **keywords)  # fmt: skip

    def __enter__(self):
        self._start()
        return self

    def _start(self):
        log = self.broker.log_path
        self.log_start = log.stat().st_size if log.exists() else 0
        self.broker.start()

    def is_ready(self):
        """Whether the present broker has said so."""
        with open(self.broker.log_path, "rb") as log:
            log.seek(self.log_start)
            return b"ready: " in log.read()

    def __exit__(self, *_):
        self.broker.clean()
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()
        self.dir.rmdir()

    def restart(self, how):
        """Ends it by a signal, unless it ended before, and starts it again; its status, or -signal."""
        before = self.broker.process.poll()
        self.broker.process.send_signal(how)
        status = self.broker.process.wait(60)
        self._start()
        return status if before is None else before


SIGNALS = (signal.SIGTERM, signal.SIGKILL)
