# SPDX-License-Identifier: Apache-2.0
"""Every option of Karbor, for the sample configuration files."""

import importlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from types import ModuleType
from typing import Any

from karbor.api import options as api_options
from karbor.api import server
from karbor.common import config
from karbor.db import options as db_options
from karbor.services.protection import provider, provider_file, service
from karbor.services.protection.bank.encryption import options as encryption_options
from karbor.services.protection.bank.streams import options as stream_options
from karbor.services.protection.checkpoints import lock_policy
from karbor.services.protection.client_factory import CLIENT_MODULES
from karbor.services.protection.clients import delegation, restore_target, sessions
from karbor.services.protection.collection import options as garbage_options
from karbor.services.protection.flows import runner
from karbor.services.protection.waiting import watcher

Options = Sequence[tuple[str | None, list[Any]]]


def list_opts() -> Options:
    """The options of ``karbor.conf``, by group."""
    return [
        (
            None,
            list(
                itertools.chain(
                    config.OPTS,
                    api_options.OPTS,
                    server.OPTS,
                    db_options.LIMIT_OPTS,
                    provider.OPTS,
                    runner.OPTS,
                    service.OPTS,
                )
            ),
        ),
        (stream_options.GROUP, list(stream_options.OPTS)),
        (sessions.GROUP, list(sessions.OPTS)),
        (delegation.GROUP, list(delegation.OPTS)),
        (restore_target.GROUP, list(restore_target.OPTS)),
        (watcher.GROUP, list(watcher.OPTS)),
        *(_client_opts(name) for name in sorted(set(CLIENT_MODULES.values()))),
    ]


def _client_opts(module: str) -> tuple[str, list[Any]]:
    options = importlib.import_module(module).OPTIONS
    return options.group, list(options.options)


def list_provider_opts() -> Options:
    """The options of a provider's file, by group: its own and its plugins'.

    Plugins are found as the service finds them. One that gives its options to the
    samples has a ``settings_class``, or ``GROUP`` and ``OPTS`` in its package;
    ``OTHER_OPTS`` are options by group that it reads besides.
    """
    found: dict[str, list[Any]] = {
        provider_file.GROUP: list(provider_file.PROVIDER_OPTS),
        encryption_options.GROUP: list(encryption_options.OPTS),
        lock_policy.GROUP: list(lock_policy.OPTS),
        garbage_options.GROUP: list(garbage_options.OPTS),
    }
    for point in metadata.entry_points(group="karbor.protections"):
        plugin_class = point.load()
        settings = getattr(plugin_class, "settings_class", None)
        if settings is not None:
            found[settings.group] = list(settings.opts)
        plugin = importlib.import_module(plugin_class.__module__)
        for module in (plugin, *_modules_beside(plugin)):
            if hasattr(module, "GROUP") and hasattr(module, "OPTS"):
                found[module.GROUP] = list(module.OPTS)
            for group, options in getattr(module, "OTHER_OPTS", {}).items():
                found[group] = list(options)
    for point in metadata.entry_points(group="karbor.bank_decorators"):
        decorator = point.load()
        if decorator.group is not None:
            found[decorator.group] = list(decorator.opts)
    return list(found.items())


def _modules_beside(plugin: ModuleType) -> Iterator[ModuleType]:
    package = plugin.__name__.rpartition(".")[0]
    for name, module in sorted(sys.modules.items()):
        if name.rpartition(".")[0] == package and module is not plugin:
            yield module
