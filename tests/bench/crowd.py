# SPDX-License-Identifier: MIT
"""Many clients at once: while the pool lasts, and until the loader is the bound."""
from acquire import PERCENTILES, overall, series_of
from series import Row, Series, rounds

ROUNDS = 7
CLIENTS = (1, 8, 64)
POOL = 64

# By number of clients: bursts a round, and the pause that fills the pool again.
WARM = {1: (60, 6000), 8: (12, 40000), 64: (4, 200000)}
SUSTAINED_REQUESTS = 768


def warm(asking, whom, clients):
    bursts, pause_us = WARM[clients]
    return asking.ask(whom, "--clients", clients, "--bursts", bursts, "--pause-us", pause_us)


def sustained(asking, clients):
    """Each asks again as soon as it was served: the pool is empty after the first few."""
    return asking.ask("broker", "--clients", clients, "--burst", SUSTAINED_REQUESTS // clients)


def rate_of(name, found):
    return Series(name, "/s", [one["requests"] / one["seconds"] for one in found])


def crowd(n):
    return f"{n} client{'s' * (n > 1)}"


def measure(report, asking, qemu_object):
    things = {"libbpf": lambda: asking.load(qemu_object)}
    for n in CLIENTS:
        things[f"floor, {crowd(n)}"] = lambda n=n: warm(asking, "floor", n)
        things[f"broker, {crowd(n)}"] = lambda n=n: warm(asking, "broker", n)
    for n in CLIENTS:
        things[f"sustained, {crowd(n)}"] = lambda n=n: sustained(asking, n)
    return rounds(ROUNDS, things, report.progress)


def warm_rows(found, n):
    floor, broker = found[f"floor, {crowd(n)}"], found[f"broker, {crowd(n)}"]
    rows = []
    for name, share in PERCENTILES.items():
        peer = series_of(f"floor {name}", floor, share)
        rows.append(Row(series_of(f"{crowd(n)}, {name}", broker, share), peer))
    return rows


def sustained_rows(found, n, qemu):
    asked = found[f"sustained, {crowd(n)}"]
    rate = rate_of(f"{crowd(n)}, grants", asked)
    rows = [Row(rate, qemu, at_least=50)]
    for name, share in PERCENTILES.items():
        rows.append(Row(series_of(f"{crowd(n)}, {name}", asked, share)))
    return rows


def section(report, asking, qemu_object):
    found = measure(report, asking, qemu_object)
    qemu = Series("libbpf, QEMU's object", "/s", [1e9 / one["ns"][0] for one in found["libbpf"]])
    report.section(
        f"Many clients at once, all begin together ({POOL} sets in the pool)",
        [row for n in CLIENTS for row in warm_rows(found, n)],
        overall={name: overall(one) for name, one in found.items() if "client" in name},
    )
    report.section(
        "Sustained: asked again at once, the loader is the bound",
        [Row(qemu)] + [row for n in CLIENTS for row in sustained_rows(found, n, qemu)],
    )
