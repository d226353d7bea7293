# SPDX-License-Identifier: Apache-2.0
"""Put the decorators that a provider's file names around its bank."""

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
        if decorator.group is not None:
            file.check_names(decorator.group, decorator.opts)
        made: BankPlugin = plugin_loading.construct(name, decorator, plugin, file.conf)
    except plugin_loading.PluginNotUsable as error:
        raise file.unusable(OPTION, error) from error.__cause__
    return made
