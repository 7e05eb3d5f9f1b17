# SPDX-License-Identifier: MIT
"""The object of rssb qmp, loaded by a loader of the usual kind, steers a guest.

Nothing of the broker is in it but the answer to request-ebpf: libbpf loads the
object, QEMU gets program and every map in order, and the guest sets its RSS.
"""
import base64

import pytest

import flows
import guest as guests
import qmp_talk
import steered
from world import UNPRIVILEGED, Broker


@pytest.fixture(scope="module")
def elf(world, build):
    broker = Broker(world, build)
    rssb = broker.rssb("qmp", "--stdio")
    with qmp_talk.talk_to_program(world.command(rssb, unprivileged=True)) as talk:
        talk.exchange(qmp_talk.NEGOTIATE)
        answer = talk.execute("request-ebpf", id="rss")
    broker.stop()
    path = world.dir / "rss.bpf.o"
    path.write_bytes(base64.b64decode(answer["return"]["object"]))
    return path


def test_it_works_in_qemu(world, elf, build, qemu, rng):
    tap = world.tap()
    netdev = f"tap,id=n0,ifname={tap},script=no,downscript=no,queues={guests.QUEUES},vhost=off"
    device = (
        f'{{"driver":"virtio-net-pci","netdev":"n0","mac":"{guests.MAC}","mq":true,'
        f'"vectors":{2 * guests.QUEUES + 2},"rss":true,"ebpf-rss-fds":[@fds@]}}'
    )
    loader = [build / "tests" / "tools" / "ebpf_loader", elf, *UNPRIVILEGED]
    guest = guests.Guest(world, qemu, ["-netdev", netdev, "-device", device], prefix=loader,
                         unprivileged=False)  # fmt: skip
    guest.bring_up()
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss("eth0", steering)
    steered.check(guest, world, tap, build, rng, steering)
