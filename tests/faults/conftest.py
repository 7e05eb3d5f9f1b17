# SPDX-License-Identifier: MIT
"""Fixtures that the fault suite shares with the tests of the broker."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import pytest  # noqa: E402
import subprocess  # noqa: E402
import os  # noqa: E402


@pytest.fixture
def interposed(tmp_path):
    """The environment of a process whose C library has these functions instead of its own."""

    def build_from(source):
        (tmp_path / "interpose.c").write_text(source)
        library = tmp_path / "interpose.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", library, tmp_path / "interpose.c"], check=True
        )
        return {**os.environ, "LD_PRELOAD": str(library)}

    return build_from
