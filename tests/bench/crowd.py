# SPDX-License-Identifier: MIT
"""Many clients at once: while the pool lasts, and until the loader is the bound."""
from acquire import course, latency, latency_rows
from series import Row, Series, rounds

ROUNDS = 7
ROUND_S = 0.5
SECONDS_MAX = 90
CLIENTS = (1, 8, 64)
POOL = 64

SUSTAINED_S = 0.8  # a round, if the loader takes as long as libbpf
HELD_MAX = 400  # sets, which end at once: some 500 hang a kernel (seen: 6.18)


def sustained(asking, clients, *keep):
    """Each asks again as soon as it was served: the pool is empty after the first few."""
    requests = min(HELD_MAX, max(2 * POOL, int(SUSTAINED_S / asking.refill_s)))
    return asking.ask("broker", "--clients", clients, "--burst", requests // clients, *keep)


def rate_of(name, found):
    """Of the sets that the loader made meanwhile: those that were ready before do not count."""
    return Series(name, "/s", [(one["requests"] - POOL) / one["seconds"] for one in found])


def crowd(n):
    return f"{n} client{'s' * (n > 1)}"


def measure(report, asking, qemu_object):
    things = {"libbpf": lambda: asking.load(qemu_object)}
    for n in CLIENTS:
        paced = asking.paced(n, ROUND_S)
        things[f"floor, {crowd(n)}"] = lambda paced=paced: asking.ask("floor", *paced)
        things[f"broker, {crowd(n)}"] = lambda paced=paced: asking.ask("broker", *paced)
    for n in CLIENTS:
        things[f"sustained, {crowd(n)}"] = lambda n=n: sustained(asking, n, "--keep")
    things["churn"] = lambda: sustained(asking, 1)
    return rounds(ROUNDS, things, report.progress, SECONDS_MAX)


def warm_rows(found, n):
    return latency_rows(crowd(n), found[f"broker, {crowd(n)}"], found[f"floor, {crowd(n)}"])


def sustained_rows(found, n, qemu):
    asked = found[f"sustained, {crowd(n)}"]
    rate = rate_of(f"{crowd(n)}, grants", asked)
    return [Row(rate, qemu, at_least=50), *map(Row, latency(crowd(n), asked))]


def section(report, asking, qemu_object):
    found = measure(report, asking, qemu_object)
    qemu = Series("libbpf, QEMU's object", "/s", [1e9 / one["ns"][0] for one in found["libbpf"]])
    report.section(
        "crowd",
        f"Many clients at once, all begin together ({POOL} sets in the pool)",
        [row for n in CLIENTS for row in warm_rows(found, n)],
        courses={name: course(one) for name, one in found.items() if "client" in name},
    )
    report.section(
        "sustained",
        "Sustained: asked again at once, the loader is the bound",
        [Row(qemu)] + [row for n in CLIENTS for row in sustained_rows(found, n, qemu)]
        + [Row(rate_of("1 client that keeps none, grants", found["churn"]), qemu)],
    )
