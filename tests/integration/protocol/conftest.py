# SPDX-License-Identifier: MIT
"""What the tests of the protocol share."""
import pytest


@pytest.fixture
def client(broker):
    """A connection of a user who may ask and has no privilege."""
    with broker.connect() as connection:
        yield connection
