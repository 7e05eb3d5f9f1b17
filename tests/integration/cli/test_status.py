# SPDX-License-Identifier: MIT
"""rssb status: what each is told, and in which forms."""
import json
import re
import subprocess

from command import ok, refused
from paths import ROOT
import pytest
import wire
from world import DAEMON, Broker, World


@pytest.fixture
def world():
    """Fresh for each test, since it is the broker's counts that are looked at."""
    with World() as world:
        yield world


@pytest.fixture
def broker(world, build):
    return Broker(world, build, "--allow-user", DAEMON)


@pytest.fixture
def command(world, broker, build):
    return broker.rssb


@pytest.fixture
def rssb(world, command):
    return lambda *args: world.run(command(*args), unprivileged=True, check=False)


def as_root(world, command, *args):
    return ok(world.run(command("status", *args), check=False))


def test_root_is_told_of_all(world, command, rssb, reader, attach):
    grant = int(attach("--managed", "--stats", "--label", "web", "equal 4"))
    refused(rssb("update", "nix", "equal 2"), "nix: no such grant")
    status = json.loads(as_root(world, command, "--json"))
    assert status["all"] and status["live-grants"] == 1 and status["connections"] == 1
    assert status["requests"]["ACQUIRE"] == 1 and status["refusals"] == {"no-grant": 1}
    assert sum(status["latency-log2-us"]) == 1 and status["loads"] >= 9
    (taken,) = [i for i, n in enumerate(status["latency-log2-us"]) if n]
    assert 2**taken // 2 * 1000 <= status["latency-sum-ns"] < 2**taken * 1000
    (told,) = status["grants"]
    assert (told["id"], told["label"], told["kind"]) == (grant, "web", "managed")
    assert (told["uid"], told["queues"], told["counts"], told["kept"]) == (65534, 4, True, True)
    text = as_root(world, command)
    assert re.search(rf"^grant +{grant}  web  managed, counts, kept  uid 65534 ", text, re.M)
    assert "no-grant 1" in text


def test_others_are_told_of_their_own(world, command, rssb, reader, attach):
    """Whoever may ask learns nothing of what others do, hold or are refused."""
    grant = attach("--managed", "--label", "web", "equal 4")
    assert f" {grant}  web  managed" in ok(rssb("status"))
    other = ["setpriv", f"--reuid={DAEMON}", f"--regid={DAEMON}", "--clear-groups", "--"]
    told = json.loads(ok(world.run([*other, *command("status", "--json")], check=False)))
    assert (told["all"], told["live-grants"], told["grants"]) == (False, 0, [])
    assert set(told) == {"version", "all", "uptime-ms", "connections", "live-grants", "grants"}


# As tests/setup/promtool.sh unpacked it.
PROMTOOL = ROOT / "build" / "promtool" / "usr" / "bin" / "promtool"

METRIC = re.compile(r'rss_broker_(\w+?)(\{\w+="[^"\n]*"\})? (\d+(?:\.\d+)?)')


def test_metrics(world, command, reader, attach):
    """The exposition format: each sample behind its HELP and TYPE, each bucket holds the last."""
    attach("--managed", "--label", "web", "equal 4")
    typed, buckets, samples = {}, [], {}
    for line in as_root(world, command, "--prometheus").splitlines():
        if line.startswith("# HELP "):
            assert re.fullmatch(r"# HELP rss_broker_\w+ \S.*", line)
        elif line.startswith("# TYPE "):
            name, kind = re.fullmatch(
                r"# TYPE rss_broker_(\w+) (counter|gauge|histogram)", line
            ).groups()
            assert name not in typed
            typed[name] = kind
        else:
            name, label, value = METRIC.fullmatch(line).groups()
            assert re.sub(r"_(bucket|sum|count)$", "", name) in typed or name in typed
            assert (name, label) not in samples
            samples[name, label] = float(value)
            if name.endswith("_bucket"):
                buckets.append(float(value))
    assert samples["grants", None] == 1
    assert samples["requests_total", '{op="ACQUIRE"}'] == 1
    assert 0 < samples["acquire_seconds_sum", None] < 5
    assert buckets == sorted(buckets) and buckets[-1] == samples["acquire_seconds_count", None] == 1


def judged(metrics):
    """What promtool has to say of them."""
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=metrics, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_promtool_has_no_complaint(world, command, rssb, reader, attach):
    attach("--managed", "--label", "web", "equal 4")
    refused(rssb("update", "nix", "equal 2"), "nix: no such grant")
    of_root = as_root(world, command, "--prometheus")
    for metrics in (of_root, ok(rssb("status", "--prometheus"))):
        assert judged(metrics) == (0, "")
    assert judged(of_root.replace("loads_total", "loads"))[0] != 0  # it does judge


def test_the_walk_meets_each_grant_once(world, command, broker):
    steering = (0x3F, 2, 0, bytes(40), [0, 1])
    made = []
    for i in range(20):
        label = b"g%d" % i
        with wire.ask(broker.socket, wire.acquire(wire.MANAGED, wire.KEEP, label, steering)) as r:
            assert r.status == wire.OK
            made.append(r.grant_id)
    wire.ask(broker.socket, wire.release(made.pop(7)))
    told = json.loads(as_root(world, command, "--json"))["grants"]
    assert [grant["id"] for grant in told] == sorted(made)


def test_usage(rssb):
    refused(rssb("status", "--json", "--prometheus"), "exclude each other", 2)
    refused(rssb("status", "web"), "unexpected argument: web", 2)
