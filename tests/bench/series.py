# SPDX-License-Identifier: MIT
"""Rounds of measurements, and what is said about them.

A round measures each thing once, one after the other; then the next round does
so again.  What the neighbours of the machine do then hits all of them alike,
and only ratios within a round are believed.
"""
import dataclasses
import statistics
import time

ROUNDS_MIN = 3  # however long they take


@dataclasses.dataclass
class Series:
    """One quantity, a value a round."""

    name: str
    unit: str
    values: list = dataclasses.field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def minimum(self):
        return min(self.values)


@dataclasses.dataclass
class Row:
    """A line of the table: a series, and how it compares with a peer's.

    The ratio of a round is this / peer's, or peer's / this with inverse set;
    `at_most` and `at_least` say what is to be reached by the ratio's median, or
    without a peer by the series' own.
    """

    series: Series
    peer: Series = None
    inverse: bool = False
    at_most: float = None
    at_least: float = None
    note: str = ""

    @property
    def ratios(self):
        if self.peer is None:
            return None
        pairs = zip(self.series.values, self.peer.values, strict=True)
        return [(p / s if self.inverse else s / p) for s, p in pairs]

    @property
    def reached(self):
        if self.at_most is None and self.at_least is None:
            return None
        value = statistics.median(self.ratios or self.series.values)
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )

    def as_json(self):
        found = {
            "name": self.series.name,
            "unit": self.series.unit,
            "minimum": self.series.minimum,
            "median": self.series.median,
            "rounds": self.series.values,
        }
        if self.ratios:
            found["against"] = self.peer.name
            found["ratio"] = {
                "of": "peer / this" if self.inverse else "this / peer",
                "minimum": min(self.ratios),
                "median": statistics.median(self.ratios),
                "of_minima": self._ratio_of_minima(),
            }
        for key in ("at_most", "at_least", "reached"):
            if getattr(self, key) is not None:
                found[key] = getattr(self, key)
        if self.note:
            found["note"] = self.note
        return found

    def _ratio_of_minima(self):
        this, peer = self.series.minimum, self.peer.minimum
        return peer / this if self.inverse else this / peer


def rounds(count, things, progress, seconds_max):
    """Calls every thing once a round; returns {name: [what it returned, ...]}.

    On a machine with much else to do fewer rounds must do.
    """
    found = {name: [] for name in things}
    until = time.monotonic() + seconds_max
    for number in range(1, count + 1):
        if number > ROUNDS_MIN and time.monotonic() > until:
            break
        for name, thing in things.items():
            progress(f"round {number} of {count}: {name}")
            found[name].append(thing())
    return found


def percentile(histogram, share):
    """Of [[value, count], ...], sorted by value."""
    wanted = share * sum(count for _, count in histogram)
    seen = 0
    for value, count in histogram:
        seen += count
        if seen >= wanted:
            return value
    return None


def merged(histograms):
    """Several histograms as one."""
    sums = {}
    for histogram in histograms:
        for value, count in histogram:
            sums[value] = sums.get(value, 0) + count
    return sorted(sums.items())
