# SPDX-License-Identifier: Apache-2.0
"""A bank in a database with a configuration made on the spot."""

from typing import Any

from oslo_config import cfg

from karbor.services.protection.bank_plugins.sql_bank_plugin import (
    GROUP,
    SQLBankPlugin,
    register_opts,
)


def sql_bank(connection: str | None, **options: Any) -> SQLBankPlugin:
    """A plugin whose bank is at the URL; other options of its group as keywords."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    register_opts(conf)
    for name, value in {"connection": connection, **options}.items():
        conf.set_override(name, value, GROUP)
    return SQLBankPlugin(conf)
