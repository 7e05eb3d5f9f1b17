# SPDX-License-Identifier: MIT
"""docs/performance.md and docs/security.md say what docs/bench.json says."""
import json
import re

import page
import pytest
from paths import ROOT

PAGE = ROOT / "docs" / "performance.md"
DOCUMENT = json.loads((ROOT / "docs" / "bench.json").read_text())


@pytest.mark.parametrize("path", [PAGE, PAGE.with_name("security.md")], ids=lambda p: p.name)
def test_tables_are_those_of_the_run(path):
    text = path.read_text()
    assert page.BLOCK.search(text)
    assert page.render(text, DOCUMENT) == text


def test_every_section_is_shown():
    shown = {name for _, name, _ in page.BLOCK.findall(PAGE.read_text())}
    assert shown >= {"machine", "summary", "missed", *DOCUMENT["sections"]}


def test_plots_are_there():
    plots = re.findall(r"\]\((plots/[^)]+)\)", PAGE.read_text())
    assert plots
    for plot in plots:
        assert (PAGE.parent / plot).read_text().rstrip().endswith("</svg>")
