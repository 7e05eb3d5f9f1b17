# SPDX-License-Identifier: MIT
"""One request of each kind, and all that belongs to it: connect, ask, use, close.

Each kind prepares what it needs (a grant to be released, say), and its request then is asked on
a connection of its own.  It must never leave a grant or an fd, however the request ended.
"""
import contextlib

import vectors
import wire
from sweep import ACQUIRE, demand, steers

FINE = (wire.OK, wire.BUSY, wire.INTERNAL)


def nothing(_broker):
    return contextlib.nullcontext()


def a_grant(kind, flags=0):
    """Prepares a grant, which the request then names."""

    def prepare(broker):
        return wire.ask(broker.socket, wire.acquire(kind, flags, steering=STEERING))

    return prepare


STEERING = (0x3F, 4, 0, bytes(40), [0, 1, 2, 3])


def just(name):
    return lambda _: vectors.read("request-" + name)


def of_grant(name):
    """A request about the grant that was prepared."""
    return lambda reply: wire.put(vectors.read("request-" + name), 16, "Q16s", reply.grant_id, b"")


def always(message):
    return lambda _: message


def check_steering(reply):
    demand(steers(reply.fds[wire.PROG]), "a granted program steers otherwise than was asked")


# name: (prepare, message, check of a reply that is OK)
KINDS = {
    "info": (nothing, just("info"), None),
    "object": (nothing, just("object"), None),
    "export": (nothing, just("export-abi"), None),
    "status": (nothing, just("status"), None),
    "handoff": (nothing, always(ACQUIRE), check_steering),
    "program-only": (nothing, always(wire.put(ACQUIRE, 16, "H", wire.PROGRAM_ONLY)), check_steering),
    "managed": (nothing, always(wire.put(ACQUIRE, 16, "H", wire.MANAGED)), check_steering),
    "counting": (nothing, always(wire.acquire(wire.MANAGED, wire.STATS, steering=STEERING)), None),
    "update": (a_grant(wire.MANAGED), of_grant("update"), None),
    "stats": (a_grant(wire.MANAGED, wire.STATS), of_grant("stats"), None),
    "release": (a_grant(wire.HANDOFF), of_grant("release-id"), None),
    "malformed": (nothing, always(b"x"), None),
}


def ask(broker, kind, message):
    """One request; True: it was answered as it should be, or with a failure that one may meet."""
    with contextlib.suppress(wire.Closed, ConnectionError):
        with wire.ask(broker.socket, message) as reply:
            want = (wire.MALFORMED,) if kind == "malformed" else FINE
            demand(reply.status in want, f"status {reply.status}: {reply.reason}")
            check = KINDS[kind][2]
            if check and reply.status == wire.OK:
                check(reply)
            return True
    return False


@contextlib.contextmanager
def prepared(broker, kind):
    """The message of a request of that kind, while what it needs is there."""
    prepare, message, _ = KINDS[kind]
    with prepare(broker) as context:
        yield message(context)
