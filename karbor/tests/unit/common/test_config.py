# SPDX-License-Identifier: Apache-2.0
"""Reading the configuration again while the service runs."""

import pytest
from oslo_config import cfg

from karbor.common import config


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "karbor.conf").write_text("[DEFAULT]\ndebug = False\n")
    made = cfg.ConfigOpts()
    return config.init(["--config-file", str(tmp_path / "karbor.conf")], "test", made)


def test_an_option_that_may_change_changes(conf, tmp_path):
    (tmp_path / "karbor.conf").write_text("[DEFAULT]\ndebug = True\n")
    config.mutate(conf)
    assert conf.debug


@pytest.mark.parametrize("text", ["no configuration", "[DEFAULT]\ndebug = perhaps\n"])
def test_a_mistake_is_logged_and_the_configuration_stays(conf, tmp_path, caplog, text):
    path = tmp_path / "karbor.conf"
    path.write_text(text)
    config.mutate(conf)
    assert not conf.debug
    assert "stays as it was" in caplog.text
    assert str(path) in caplog.text
