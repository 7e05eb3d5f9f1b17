# SPDX-License-Identifier: MIT
"""Where this source tree is.  No other file counts how many folders deep it lies."""
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
