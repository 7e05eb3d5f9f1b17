# SPDX-License-Identifier: MIT
"""make bench: measures, prints a table, writes BUILD/bench.json.

Everything is measured in rounds that take turns, and told as ratios within one
run (series.py).  It must never change the machine: what it makes lives in
namespaces of its own and ends with it.

usage: tests/bench/run.py [--build DIR] [SECTION...]      SECTION: default all
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import acquire  # noqa: E402  (found by the path above)
import alone  # noqa: E402
import balance  # noqa: E402
import calls  # noqa: E402
import crowd  # noqa: E402
import host  # noqa: E402
import instructions  # noqa: E402
import isolation  # noqa: E402
import memory  # noqa: E402
import packets  # noqa: E402
import plots  # noqa: E402
import reboot  # noqa: E402
import start  # noqa: E402
import vmstart  # noqa: E402
import weight  # noqa: E402
import work  # noqa: E402
from bench_world import BenchWorld, end_well  # noqa: E402
from paths import ROOT  # noqa: E402
from report import Report  # noqa: E402
from world import Broker  # noqa: E402


def bench_requests(report, args):
    with BenchWorld() as world:
        broker = Broker(world, args.build, *acquire.UNLIMITED)
        asking = acquire.Requests(world, args.build, broker.socket)
        acquire.section(report, asking, args.build / "bpf" / "rss.bpf.o", args.qemu_object)


def counted(world, args):
    """A broker that waits for who executes one instruction at a time, and who asks it."""
    more = ["--pool", crowd.POOL, *instructions.PATIENT, *acquire.UNLIMITED]
    broker = Broker(world, args.build, *more)
    return broker, acquire.Requests(world, args.build, broker.socket)


def bench_instructions(report, args):
    with BenchWorld() as world:
        broker, asking = counted(world, args)
        pids = {"broker": broker.process.pid, "floor": asking.floor_pid}
        instructions.section(report, asking, pids)


def bench_work(report, args):
    with BenchWorld() as world:
        broker, asking = counted(world, args)
        work.section(report, asking, world, broker)


def bench_crowd(report, args):
    with BenchWorld() as world:
        broker = Broker(world, args.build, "--pool", crowd.POOL, *acquire.UNLIMITED)
        asking = acquire.Requests(world, args.build, broker.socket)
        crowd.section(report, asking, args.qemu_object)


def bench_reboot(report, args):
    with BenchWorld() as world:
        broker = Broker(world, args.build, "--allow-group", reboot.UIDS, *acquire.UNLIMITED)
        asking = acquire.Requests(world, args.build, broker.socket)
        reboot.section(report, asking, world, args.build)


def bench_memory(report, args):
    with BenchWorld() as world, BenchWorld() as another:
        broker = Broker(world, args.build, *acquire.UNLIMITED)
        asking = acquire.Requests(world, args.build, broker.socket)
        memory.section(
            report, asking, broker, lambda: Broker(another, args.build, *acquire.UNLIMITED)
        )


def bench_weight(report, args):
    with BenchWorld() as world:
        weight.section(report, world, args.build)


def bench_start(report, args):
    with BenchWorld() as world:
        start.section(report, world, args.build)


def bench_isolation(report, args):
    isolation.allow_many_fds()
    with BenchWorld() as world:
        isolation.pretend_many_cpus(world)
        isolation.section(
            report, world, args.build,
            lambda name: Broker(world, args.build, *isolation.users(), deadlines=(),
                                directory=world.directory(name, owner=0)),
        )  # fmt: skip


def objects(args):
    """Every steering object that there is, ours first."""
    ours = {path.name.removesuffix(".bpf.o"): path for path in args.build.glob("bpf/*.bpf.o")}
    return {**dict(sorted(ours.items())), "QEMU": args.qemu_object}


def bench_packets(report, args):
    with BenchWorld() as world:
        packets.section(report, world, args.build, objects(args))


def bench_steering(report, args):
    with BenchWorld() as world:
        alone.section(report, world, args.build, objects(args))


def bench_tunnels(report, args):
    with BenchWorld() as world:
        alone.tunnels_section(report, world, args.build, objects(args))


def bench_balance(report, args):
    with BenchWorld() as world:
        balance.section(report, world, args.build, Broker(world, args.build))


def bench_vmstart(report, args):
    with BenchWorld() as world:
        vmstart.section(report, world, args.build, args.qemu, Broker(world, args.build))


def bench_calls(report, args):
    calls.section(report, args.build)


SECTIONS = {
    "requests": bench_requests,
    "instructions": bench_instructions,
    "work": bench_work,
    "crowd": bench_crowd,
    "reboot": bench_reboot,
    "memory": bench_memory,
    "weight": bench_weight,
    "start": bench_start,
    "isolation": bench_isolation,
    "steering": bench_steering,
    "packets": bench_packets,
    "tunnels": bench_tunnels,
    "balance": bench_balance,
    "vmstart": bench_vmstart,
    "calls": bench_calls,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument(
        "--qemu", type=Path, default=ROOT / "build/qemu/10.0/qemu-system-x86_64",
        help="to compare with; its steering object lies beside it",
    )  # fmt: skip
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    args = parser.parse_args()
    args.build, args.qemu = args.build.absolute(), args.qemu.absolute()
    args.qemu_object = args.qemu.parent / "rss.bpf.o"
    unknown = set(args.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(unknown)}")

    end_well()
    report = Report(host.describe(" ".join(["make bench", *args.sections])))
    for name, bench in SECTIONS.items():
        if not args.sections or name in args.sections:
            bench(report, args)
    report.write(args.build / "bench.json")
    plots.draw(report.document, args.build / "bench")
    print(f"\n{args.build}/bench.json has it all, {args.build}/bench/ the plots;"
          f" {report.missed} goals missed")  # fmt: skip


if __name__ == "__main__":
    main()
