# SPDX-License-Identifier: Apache-2.0
"""Put the decorators that a provider's file names around its bank."""

import difflib

from karbor import exception
from karbor.services.protection import plugin_loading
from karbor.services.protection.bank_decorators.decorator import BankDecorator
from karbor.services.protection.bank_plugin import BankPlugin
from karbor.services.protection.provider_file import ProviderFile

OPTION = "bank_decorator"


def decorate(plugin: BankPlugin, file: ProviderFile) -> BankPlugin:
    """The bank with the decorators of the file around it, the first one innermost.

    :raises ProviderLoadFailed: naming the file, the option and the reason
    """
    for name in file.bank_decorators:
        plugin = _decorated(plugin, name, file)
    return plugin


def _decorated(plugin: BankPlugin, name: str, file: ProviderFile) -> BankPlugin:
    try:
        decorator = plugin_loading.decorator_class(name)
        if not issubclass(decorator, BankDecorator):
            raise plugin_loading.PluginNotUsable(
                f"'{name}' names {decorator.__name__}, which is no BankDecorator"
            )
        _check_names(decorator, file)
        made: BankPlugin = plugin_loading.construct(name, decorator, plugin, file.conf)
    except plugin_loading.PluginNotUsable as error:
        raise file.unusable(OPTION, error) from error.__cause__
    return made


def _check_names(decorator: type[BankDecorator], file: ProviderFile) -> None:
    """A limit that is misspelt would not hold, and nobody would know."""
    group = decorator.group
    if group is None:
        return
    known = [opt.name for opt in decorator.opts]
    for name in file.options_of(group):
        if name.replace("-", "_") not in {option.replace("-", "_") for option in known}:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean '{close[0]}'?" if close else ""
            raise exception.ProviderLoadFailed(
                path=file.path,
                option=f"[{group}] {name}",
                reason=f"there is no such option{meant} The group has "
                f"{', '.join(known)}",
            )
