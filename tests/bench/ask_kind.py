# SPDX-License-Identifier: MIT
"""Asks a broker for so many requests of a kind (tests/lib/request_kinds.py), for steps to count.

Each has a connection of its own, and what belongs to it is made before, once.

usage: ask_kind.py SOCKET KIND N
"""
import contextlib
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import wire  # noqa: E402  (found by the path above)
from request_kinds import prepared  # noqa: E402


def main(socket, kind, n):
    broker = types.SimpleNamespace(socket=socket)
    with prepared(broker, kind) as message, contextlib.ExitStack() as kept:
        for _ in range(int(n)):
            reply = kept.enter_context(wire.ask(socket, message))
            if reply.status != wire.OK:
                sys.exit(f"{kind}: {reply.reason}")


if __name__ == "__main__":
    main(*sys.argv[1:])
