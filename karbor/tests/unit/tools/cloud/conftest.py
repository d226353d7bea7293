# SPDX-License-Identifier: Apache-2.0
"""A cloud's folder without a cloud."""

import pytest
from cloud.settings import Settings


@pytest.fixture
def settings(tmp_path):
    settings = Settings.load(tmp_path)
    settings.log.mkdir()
    settings.run.mkdir()
    return settings
