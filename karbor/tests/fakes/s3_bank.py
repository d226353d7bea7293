# SPDX-License-Identifier: Apache-2.0
"""An S3 bank with a configuration made on the spot."""

from typing import Any

from oslo_config import cfg

from karbor.services.protection.bank_plugins.s3 import client
from karbor.services.protection.bank_plugins.s3_bank_plugin import (
    GROUP,
    S3BankPlugin,
    register_opts,
)
from karbor.tests.conformance.configuration import empty_configuration


def s3_configuration(endpoint: str | None = None, **options: Any) -> cfg.ConfigOpts:
    """The configuration of a bank in one of the servers of the tests.

    :param options: other options of the plugin's or the client's group
    """
    conf = empty_configuration()
    register_opts(conf)
    options = {
        "s3_endpoint": endpoint,
        "s3_access_key": "test:tester",
        "s3_secret_key": "testing",
        "s3_addressing_style": "path",
        "s3_retry_backoff": 0,
        **options,
    }
    for name, value in options.items():
        conf.set_override(name, value, GROUP if name in conf[GROUP] else client.GROUP)
    return conf


def s3_bank(endpoint: str | None = None, **options: Any) -> S3BankPlugin:
    """A plugin with such a configuration."""
    return S3BankPlugin(s3_configuration(endpoint, **options))
