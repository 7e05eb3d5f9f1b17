# SPDX-License-Identifier: MIT
"""From exec to a virtio-net device with its steering: a VM's start, in six ways."""
import json
import os
import time

from series import Row, Series, rounds

ROUNDS = 9
SECONDS_MAX = 30
QUEUES = 4
ON_DEMAND_SHARE_MAX = 0.35
IFNAME = "vm0"

# Answered when every device of the command line is there.
QMP = b'{"execute": "qmp_capabilities"}\n{"execute": "query-status"}\n{"execute": "quit"}\n'

MACHINE = [
    "-machine", "pc,accel=tcg", "-m", "64", "-nodefaults", "-display", "none", "-S",
    "-qmp", "stdio",
    "-netdev", f"tap,id=n0,ifname={IFNAME},script=no,downscript=no,queues={QUEUES},vhost=off",
]  # fmt: skip
DEVICE = {
    "driver": "virtio-net-pci", "netdev": "n0", "mq": True, "vectors": 2 * QUEUES + 2, "rss": True,
    "romfile": "",
}  # fmt: skip


def as_words(device):
    """The k=v form of a device, which rssb run has to ask QEMU about."""
    words = {True: "on", False: "off"}
    rest = [f"{k}={words.get(v, v) if isinstance(v, bool) else v}" for k, v in device.items()]
    return ",".join([device["driver"], *rest[1:]])


def program_of(world, qemu):
    """The program that the script of tests/setup/qemu.sh executes, with what that gives to it.

    What a script runs rssb does not remember.
    """
    root = world.inside(qemu.parent)
    if not (qemu.parent / "usr/bin" / qemu.name).exists():
        return [world.inside(qemu)], {}
    libraries = [root / place / "x86_64-linux-gnu" for place in ("usr/lib", "lib")]
    data = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"]
    words = [root / "usr/bin" / qemu.name, *(word for name in data for word in ("-L", root / name))]
    return words, {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


class Starts:
    def __init__(self, world, build, qemu, broker):
        self.world = world
        self.qemu, environment = program_of(world, qemu)
        self.env = {**os.environ, **environment}
        self.known = world.directory("known")
        self.rssb = broker.rssb("run")
        world.tap(IFNAME)

    def start(self, prefix, device, unprivileged=True, cache="/nowhere"):
        """Seconds from before exec until QEMU says that it has made its machine."""
        command = [*prefix, *self.qemu, *MACHINE, "-device", device]
        environment = {**self.env, "XDG_CACHE_HOME": str(cache)}
        errors = self.world.dir / "qemu.stderr"
        with open(errors, "w") as stderr:
            begin = time.monotonic()
            process = self.world.start(command, unprivileged, stdin=-1, stdout=-1, stderr=stderr,
                                       env=environment)  # fmt: skip
            process.stdin.write(QMP)
            process.stdin.flush()
            answers = [process.stdout.readline() for _ in range(3)]
            took = time.monotonic() - begin
            process.communicate()
        if b"return" not in answers[2] or errors.stat().st_size:
            raise RuntimeError(f"{command}: {answers[2]} {errors.read_text()}")
        return took


def section(report, world, build, qemu, broker):
    starts = Starts(world, build, qemu, broker)
    as_json, words = json.dumps(DEVICE), as_words(DEVICE)
    without = json.dumps({**DEVICE, "rss": False})
    starts.start([*starts.rssb, "--"], words, cache=starts.known)  # asked: from now on known
    found = rounds(
        ROUNDS,
        {
            "rss off": lambda: starts.start([], without),
            "privileged": lambda: starts.start([], as_json, unprivileged=False),
            "--no-probe": lambda: starts.start([*starts.rssb, "--no-probe", "--"], as_json),
            "asked": lambda: starts.start([*starts.rssb, "--"], words),
            "known": lambda: starts.start([*starts.rssb, "--"], words, cache=starts.known),
            "--on-demand": lambda: starts.start([*starts.rssb, "--on-demand", "--"], words),
        },
        report.progress,
        SECONDS_MAX,
    )
    times = {name: [1000 * value for value in values] for name, values in found.items()}
    own = Series("QEMU with privilege", "ms", times["privileged"])
    probe = [mine - its for mine, its in zip(times["known"], times["--no-probe"], strict=True)]
    by_turns = zip(*(times[name] for name in ("--on-demand", "privileged", "rss off")), strict=True)
    share = [(ours - off) / (its - off) for ours, its, off in by_turns]
    report.section(
        "vmstart",
        "A VM's start, from exec to its device realised",
        [
            Row(Series("rss off", "ms", times["rss off"])),
            Row(own),
            Row(Series("rssb run --no-probe", "ms", times["--no-probe"]), own, at_most=1),
            Row(Series("rssb run --on-demand", "ms", times["--on-demand"]), own, at_most=1),
            Row(Series("on demand, share of what the privileged load adds", "", share),
                at_most=ON_DEMAND_SHARE_MAX),
            Row(Series("rssb run, QEMU known", "ms", times["known"]), own, at_most=1),
            Row(Series("rssb run, QEMU asked", "ms", times["asked"]), own),
            Row(Series("a known QEMU's probe takes", "ms", probe), at_most=15),
        ],
    )
