# SPDX-License-Identifier: MIT
"""The bench's own arithmetic and tools: a wrong ruler measures nothing."""
import json
import os
import random
import signal
import subprocess
import tempfile
from pathlib import Path

import acquire
import balance
import bench_world
import page
import pytest
import reboot
from paths import ROOT
from report import Report, number
from series import Row, Series, merged, percentile, rounds
from waiting import wait_for
from world import Broker, World


def test_rounds_take_turns():
    calls = []
    things = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    rounds(4, things, lambda _: None, seconds_max=60)
    assert calls == ["a", "b"] * 4


def test_rounds_end_in_time_but_there_are_some():
    assert rounds(9, {"a": lambda: 1}, lambda _: None, seconds_max=0) == {"a": [1, 1, 1]}


def test_percentiles():
    histogram = [[10, 50], [20, 49], [30, 1]]
    assert [percentile(histogram, share) for share in (0.5, 0.51, 0.99, 0.999)] == [10, 20, 20, 30]
    assert merged([histogram, [[5, 1], [30, 2]]]) == [(5, 1), (10, 50), (20, 49), (30, 3)]


def test_ratios_are_within_a_round():
    # The second round ran on a machine of half the speed: the ratio does not know.
    ours, peer = Series("ours", "us", [3, 6, 9]), Series("peer", "us", [2, 4, 3])
    found = Row(ours, peer).as_json()
    assert found["ratio"]["median"] == 1.5
    assert found["ratio"]["minimum"] == 1.5
    assert Row(ours, peer, inverse=True).as_json()["ratio"]["median"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "goal, reached",
    [({"at_most": 1.5}, True), ({"at_most": 1.4}, False), ({"at_least": 1.6}, False), ({}, None)],
)
def test_goals(goal, reached):
    assert Row(Series("", "us", [3, 6]), Series("", "us", [2, 4]), **goal).reached is reached
    assert Row(Series("", "us", [1.5]), **goal).reached is reached


def test_page_has_the_report(tmp_path, capsys):
    report = Report({key: 0 for key in page.MACHINE})
    report.section("some", "Some", [Row(Series("thing", "us", [1234.5, 1000.04]), at_most=9)])
    report.write(tmp_path / "bench.json")
    document = json.loads((tmp_path / "bench.json").read_text())
    shown = page.render("<!-- bench some -->\nold\n<!-- end -->\n", document)
    assert "| thing, us | 1,117 | 1,000 |  |  | ≤ 9: **missed** |" in shown
    assert "old" not in shown
    assert report.missed == 1 and "MISSED" in capsys.readouterr().out
    shown = page.render("<!-- bench another -->\nold\n<!-- end -->\n", document)
    assert "Not measured" in shown and "old" not in shown


def test_page_has_tables_of_their_own_columns(tmp_path, capsys):
    report = Report({key: 0 for key in page.MACHINE})
    rows = [{"what": "a", "n": 1234, "ms": 1.25, "left out": 1, "reached": False}]
    report.table("some", "Some", {"what": "what it is", "n": "n", "ms": "p50, ms"}, rows)
    report.write(tmp_path / "bench.json")
    document = json.loads((tmp_path / "bench.json").read_text())
    shown = page.render("<!-- bench some -->\nold\n<!-- end -->\n", document)
    assert shown.splitlines()[1:-1] == [
        "| what it is | n | p50, ms |", "|---|--:|--:|", "| a | 1,234 | 1.25 |",
    ]  # fmt: skip
    assert report.missed == 1 and "1,234" in capsys.readouterr().out


def test_page_has_what_is_first_and_what_is_missed(tmp_path):
    report = Report({key: 0 for key in page.MACHINE})
    own, peer = Series("own share, rss", "ns", [2.0]), Series("own share, QEMU's", "ns", [9.0])
    report.section("share", "Share, of all", [Row(own, peer, inverse=True, at_least=6), Row(peer)])
    start = Series("rssb run --on-demand", "ms", [50.0])
    qemu = Series("QEMU with privilege", "ms", [200.0])
    report.section("vmstart", "Starts", [Row(start, qemu, at_most=1), Row(qemu)])
    weights = [{"set": "a", "kib": 9, "goal": 8, "told": "MISSED", "reached": False}]
    report.table("weight", "Weight", {"set": "a set", "kib": "KiB", "goal": "", "told": ""}, weights)
    report.write(tmp_path / "bench.json")
    document = json.loads((tmp_path / "bench.json").read_text())
    assert page.table(document, "summary").splitlines()[2:] == [
        "| a VM's start, `rssb run --on-demand` | 50.0 ms | 200 ms | QEMU with privilege | 4.00 |",
        "| a packet, beyond an empty program | 2.00 ns | 9.00 ns | own share, QEMU's | 4.50 |",
    ]
    first, *_, share, weight = page.table(document, "missed").splitlines()
    assert first == "1 goals of this run are reached, 2 are not:"
    assert share == "| Share | own share, rss, ns, against own share, QEMU's (its / ours) | ≥ 6 | 4.50 |"
    assert weight == "| Weight | a | 8 | KiB 9 |"


def test_numbers():
    assert [number(n) for n in (0.0416, 1.5, 23.46, 234.5, 2345.6)] == [
        "0.04", "1.50", "23.5", "234", "2,346",
    ]  # fmt: skip


FLOOR_CALLS = 4  # accept4, recvmsg, sendmsg and close


@pytest.fixture(scope="module")
def asking(build):
    with World() as world:
        broker = Broker(world, build, "--allow-group", reboot.UIDS, *acquire.UNLIMITED)
        yield acquire.Requests(world, build, broker.socket)


@pytest.mark.parametrize("whom, more", [("floor", []), ("broker", []), ("broker", ["--library"])])
def test_request_counts_each_request(asking, whom, more):
    found = asking.ask(whom, "--clients", 2, "--bursts", 3, "--pause-us", 50000, *more)
    assert found["requests"] == 6 and found["busy"] == 0
    assert sum(count for _, count in found["histogram"]) == 6
    fastest, slowest = found["histogram"][0][0], found["histogram"][-1][0]
    assert 1000 < fastest <= slowest < found["seconds"] * 1e9
    assert 0 < found["first_quarter"] <= found["seconds"]


def test_more_clients_than_end_at_once(asking):
    found = asking.ask("floor", "--clients", 70, "--keep", "--retry")
    assert found["requests"] == 70 and found["busy"] == 0


def test_each_client_is_a_user_of_its_own(asking):
    """The broker lets in the group of their first uid's number."""
    words = ["--clients", 3, "--retry", "--uids"]
    assert asking.ask("broker", *words, reboot.UIDS, unprivileged=False)["requests"] == 3
    with pytest.raises(RuntimeError, match="refused"):
        asking.ask("broker", *words, reboot.UIDS + 1, unprivileged=False)


def fds_of(pid):
    """None of a process that has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd")) or None
    except OSError:
        return None


def test_many_clients_end_though_they_are_killed(asking):
    """Those that hold sets end by themselves, for nothing kills them: so they do it gradually."""
    command = [asking.bench / "request", "--socket", asking.sockets["floor"], "--clients", 60,
               "--keep", "--pause-us", 200000]  # fmt: skip
    parent = asking.world.start(command, unprivileged=True)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    wait_for(lambda: len(children.read_text().split()) == 60, "the clients")
    parent.send_signal(signal.SIGSTOP)  # lets none of them end
    pids = children.read_text().split()
    wait_for(lambda: all((fds_of(pid) or 0) >= 3 + 5 for pid in pids), "their sets")
    parent.kill()
    wait_for(lambda: not any(map(fds_of, pids)), "their end")


def test_steps_count_instructions_and_system_calls(asking, build):
    """Twice as many requests cost the floor twice its instructions, and no request costs much."""
    most = 30000 if "san" in build.parts else 300  # with the sanitizers' own

    def count(n):
        request = [asking.bench / "request", "--socket", asking.sockets["floor"], "--burst", n]
        done = asking.world.run([asking.bench / "steps", asking.floor_pid, *request])
        return [int(word) for word in done.stdout.split()]

    def of_one(n):
        return [(many - few) / n for many, few in zip(count(2 * n), count(n), strict=True)]

    once, calls = zip(*map(of_one, (10, 20)), strict=True)
    assert all(30 < each < most for each in once) and max(once) < 1.2 * min(once)
    # The end of the last request may come after the command's.
    assert all(FLOOR_CALLS - 1 < each < 2 * FLOOR_CALLS for each in calls), calls


def test_weigh_makes_sets_and_keeps_them(build):
    command = [build / "tests/bench/weigh", build / "bpf/rss-stats.bpf.o", "2", "3"]
    done = subprocess.run(command, input="\n\n", capture_output=True, text=True, check=True)
    ready, held = done.stdout.splitlines()
    assert ready == "ready" and held.startswith("held ") and int(held.split()[1]) > 10000


def test_load_says_what_libbpf_took(asking, build):
    found = asking.load(build / "bpf" / "rss.bpf.o")
    assert len(found["ns"]) == 1 and found["ns"][0] > 10000
    assert found["verified_insns"] >= 500


A_BENCH = """
import sys, time
from pathlib import Path
sys.path[:0] = ["tests/bench", "tests/lib"]
from bench_world import BenchWorld, end_well
from world import Broker
end_well()
with BenchWorld() as world:
    Broker(world, Path(sys.argv[1]).absolute())
    world.start(["sleep", "1000"])
    print("up", flush=True)
    time.sleep(1000)
"""


def left_of(pid):
    """Directories and processes of a bench's world."""
    directories = list(Path(tempfile.gettempdir()).glob(f"{bench_world.PREFIX}{pid}.*"))
    return directories, [p for d in directories for p in bench_world.processes_of(d)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_bench_leaves_nothing(build, number):
    bench = subprocess.Popen(
        ["/usr/bin/python3", "-B", "-c", A_BENCH, build], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert bench.stdout.readline() == b"up\n"
    (directory,), processes = left_of(bench.pid)
    assert processes
    bench.send_signal(number)
    bench.wait(60)
    bench.stdout.close()
    if number == signal.SIGKILL:
        bench_world.remove_forsaken()  # as the next one does
    assert not directory.exists()
    wait_for(lambda: not list(bench_world.processes_of(directory)), "the broker's end")


def test_a_load_knows_its_best_assignment():
    load = balance.Load(None, b"", [8, 5, 4, 4, 3])
    assert load.optimum(2) == 1  # 8 + 4 and 5 + 4 + 3
    assert load.optimum(4) == 8 * 4 / 24  # one entry alone, so it is the best
    load = balance.Load.random(random.Random(1), 8)
    assert sum(load.entries) == balance.PACKETS
    assert len(load.frames) == balance.PACKETS * balance.LENGTH
    assert load.bound(8) <= load.optimum(8) <= 1.001 * load.bound(8)


def test_a_course_is_read_from_when_it_is_asked():
    course = balance.Course.of("1.0 30 10\n2.0 30 10\n3.0 20 20\n4.0 10 30\n")
    assert course.peak_after(0) == 1  # all cycles but the first, which began nobody knows when
    assert course.peak_after(2.0) == 1.25 and course.peaks()[1] == [1.0, 1.5]


def test_replay_counts_each_packet(build):
    load = balance.Load.random(random.Random(2), 4)
    with World() as world:
        (world.dir / "frames").write_bytes(load.frames)
        ifname = world.tap("bench4", owner=0)
        done = world.run([build / "tests/bench/replay", ifname, 4, balance.LENGTH,
                          world.dir / "frames", 2])  # fmt: skip
    for counts in balance.Course.of(done.stdout).counts[1:]:  # a tap may need a moment
        assert sum(counts) == balance.PACKETS
