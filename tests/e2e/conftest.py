# SPDX-License-Identifier: MIT
"""What the tests with guests share."""
import os
import random

import pytest


@pytest.fixture
def rng():
    """Another run every time; RSSB_SEED repeats one."""
    seed = int(os.environ.get("RSSB_SEED") or random.SystemRandom().getrandbits(32))
    print(f"RSSB_SEED={seed}")
    return random.Random(seed)
