# SPDX-License-Identifier: Apache-2.0
"""A Swift bank with a configuration made on the spot."""

from typing import Any

from oslo_config import cfg

from karbor.services.protection.bank_plugins.swift import login
from karbor.services.protection.bank_plugins.swift_bank_plugin import (
    GROUP,
    SwiftBankPlugin,
    register_opts,
)
from karbor.tests.conformance.configuration import empty_configuration


def swift_configuration(url: str | None = None, **options: Any) -> cfg.ConfigOpts:
    """The configuration of a bank in the Swift of :class:`tests.servers.swift.Swift`.

    :param url: where to log in by Swift's own auth
    :param options: other options of the plugin's or the client's group
    """
    conf = empty_configuration()
    register_opts(conf)
    if url is not None:
        options = {
            "swift_auth_url": url,
            "swift_auth_version": "1",
            "swift_user": "test:tester",
            "swift_key": "testing",
            "swift_retry_backoff": 0,
            **options,
        }
    for name, value in options.items():
        conf.set_override(name, value, GROUP if name in conf[GROUP] else login.GROUP)
    return conf


def swift_bank(url: str | None = None, **options: Any) -> SwiftBankPlugin:
    """A plugin with such a configuration."""
    return SwiftBankPlugin(swift_configuration(url, **options))
