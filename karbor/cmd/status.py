# SPDX-License-Identifier: Apache-2.0
"""karbor-status: upgrade checks, and what is configured and loads."""

import sys
from typing import Any

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from karbor.cmd import starting
from karbor.common import config
from karbor.db import migration
from karbor.db import options as db_options
from karbor.services.protection import provider
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.services.protection.provider import ProviderRegistry

_NO_PROVIDER = (
    "No provider is enabled: put one into the folder that provider_config_dir names, "
    "with 'enabled = True'."
)


class Checks(upgradecheck.UpgradeCommands):
    """What must hold before the services of this version are started."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def _check_database(self) -> upgradecheck.Result:
        try:
            current, head = migration.version(self._conf), migration.head()
        except starting.ERRORS as error:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                f"The database cannot be asked: {starting.explain(error)}",
            )
        if current == head:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        return upgradecheck.Result(
            upgradecheck.Code.FAILURE,
            f"The database is at {current or 'no schema'}, this version needs {head}: "
            "run 'karbor-manage db sync'.",
        )

    def _check_providers(self) -> upgradecheck.Result:
        registry = ProviderRegistry(self._conf)
        registry.load()
        if registry.failures:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                " ".join(str(failure) for failure in registry.failures),
            )
        if not registry.list():
            return upgradecheck.Result(
                upgradecheck.Code.WARNING,
                _NO_PROVIDER,
            )
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _check_protectables(self) -> upgradecheck.Result:
        registry = ProtectableRegistry(self._conf)
        if registry.failures:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                " ".join(str(failure) for failure in registry.failures),
            )
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    _upgrade_checks = (
        ("Database schema", _check_database),
        ("Providers", _check_providers),
        ("Protectables", _check_protectables),
    )


def show_providers(conf: cfg.ConfigOpts) -> int:
    """Print each provider file that is enabled, and whether it loads.

    :returns: 0 when all load, 2 when one does not
    """
    registry = ProviderRegistry(conf)
    registry.load()
    for loaded in registry.list():
        print(f"loaded  {loaded.id}  {loaded.name}")
        for resource_type in sorted(loaded.resource_types):
            plugin = type(loaded.plugin_for(resource_type)).__name__
            print(f"        {resource_type}: {plugin}")
    for failure in registry.failures:
        print(f"FAILED  {failure}")
    if not registry.list() and not registry.failures:
        print(_NO_PROVIDER)
    return 2 if registry.failures else 0


def show_protectables(conf: cfg.ConfigOpts) -> int:
    """Print each protectable plugin, and whether it loads.

    :returns: 0 when all load, 2 when one does not
    """
    registry = ProtectableRegistry(conf)
    for resource_type in sorted(registry.resource_types()):
        below = ", ".join(sorted(registry.dependent_types(resource_type))) or "nothing"
        print(f"loaded  {resource_type}  depends on {below}")
    for failure in registry.failures:
        print(f"FAILED  {failure}")
    return 2 if registry.failures else 0


def _register_commands(conf: cfg.ConfigOpts) -> None:
    checks = Checks(conf)

    def add_parsers(subparsers: Any) -> None:
        upgrade = subparsers.add_parser("upgrade", help="checks before an upgrade")
        upgrade.add_argument("check", choices=["check"])
        upgrade.set_defaults(action_fn=checks.check)
        upgrade.add_argument("--json", action="store_true", help="print JSON")
        providers = subparsers.add_parser("providers", help="providers, and what fails")
        providers.set_defaults(action_fn=lambda: show_providers(conf))
        protectables = subparsers.add_parser(
            "protectables", help="protectable plugins, and what fails"
        )
        protectables.set_defaults(action_fn=lambda: show_protectables(conf))

    conf.register_cli_opt(cfg.SubCommandOpt("command", handler=add_parsers))


def main() -> int:
    """Run one command; 0 is well, 1 a warning, 2 a failure.

    :raises SystemExit: with code 1 and one sentence for a configuration that cannot
        be read
    """
    conf = cfg.CONF
    provider.register_opts(conf)
    db_options.register_opts(conf)
    _register_commands(conf)
    with starting.reporting("karbor-status", "cannot be run"):
        config.init(sys.argv[1:], "karbor-status", conf)
        starting.check_values(conf)
        upgradecheck.CONF = conf
        return int(conf.command.action_fn())
