# SPDX-License-Identifier: Apache-2.0
"""Find protection and bank plugins by the names that provider files use."""

import difflib
import traceback
from importlib import metadata
from typing import Any

from oslo_utils import strutils
from stevedore import driver
from stevedore import exception as stevedore_exception

from karbor.services.protection.bank_plugin import BankPlugin

NAMESPACE = "karbor.protections"
DECORATORS = "karbor.bank_decorators"


class PluginNotUsable(Exception):
    """A plugin cannot be used as asked; the text says why, and what to do."""


def installed(namespace: str = NAMESPACE) -> list[str]:
    """The names of all installed plugins: protection and bank, or of a namespace."""
    return sorted({point.name for point in metadata.entry_points(group=namespace)})


def bank_class(name: str) -> type[Any]:
    """The class of a bank plugin.

    :raises PluginNotUsable: when there is none of that name, when it cannot be
        imported, or when it is a protection plugin
    """
    loaded = _load(name)
    if not _is_bank(loaded):
        raise PluginNotUsable(
            f"'{name}' is no bank plugin; name protection plugins in 'plugin' and the "
            "bank plugin in 'bank'"
        )
    return loaded


def protection_class(name: str) -> type[Any]:
    """The class of a protection plugin.

    :raises PluginNotUsable: when there is none of that name, when it cannot be
        imported, or when it is a bank plugin
    """
    loaded = _load(name)
    if _is_bank(loaded) or not hasattr(loaded, "get_supported_resources_types"):
        raise PluginNotUsable(
            f"'{name}' is {'a bank' if _is_bank(loaded) else 'no protection'} plugin; "
            "name protection plugins in 'plugin' and the bank plugin in 'bank'"
        )
    return loaded


def decorator_class(name: str) -> type[Any]:
    """The class of a bank decorator.

    :raises PluginNotUsable: when there is none of that name, or when it cannot be
        imported
    """
    return _load(name, DECORATORS)


def construct(name: str, plugin_class: type[Any], *arguments: Any) -> Any:
    """Make a plugin.

    :raises PluginNotUsable: when its constructor raises
    """
    try:
        return plugin_class(*arguments)
    except Exception as error:
        raise PluginNotUsable(f"'{name}' cannot be made: {describe(error)}") from error


def supported_types(name: str, plugin: Any) -> list[str]:
    """The resource types that a protection plugin says to protect.

    :raises PluginNotUsable: when it says none, or something else
    """
    try:
        types = list(plugin.get_supported_resources_types())
    except Exception as error:
        raise PluginNotUsable(
            f"'{name}' does not say what it protects: {describe(error)}"
        ) from error
    if not types or not all(isinstance(item, str) and item for item in types):
        raise PluginNotUsable(f"'{name}' protects no resource types: {types!r}")
    return types


def describe(error: BaseException) -> str:
    """An error in one line, without the passwords that it may quote."""
    text = " ".join(str(error).split())
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return str(strutils.mask_password(named))


def trace(error: BaseException) -> str:
    """An error's traceback for the log, without the passwords that it may quote."""
    return str(strutils.mask_password("".join(traceback.format_exception(error))))


def _load(name: str, namespace: str = NAMESPACE) -> type[Any]:
    causes: list[BaseException] = []
    try:
        manager: driver.DriverManager[Any] = driver.DriverManager(
            namespace,
            name,
            invoke_on_load=False,
            on_load_failure_callback=lambda _manager, _point, error: causes.append(
                error
            ),
            warn_on_missing_entrypoint=False,
        )
    except stevedore_exception.MultipleMatches as error:
        raise PluginNotUsable(
            f"several installed packages have a plugin '{name}'; uninstall all but one"
        ) from error
    except stevedore_exception.NoMatches as error:
        if causes:
            raise PluginNotUsable(
                f"'{name}' is installed but cannot be imported: {describe(causes[0])}"
            ) from causes[0]
        raise PluginNotUsable(_unknown(name, namespace)) from error
    loaded: Any = manager.driver
    if not isinstance(loaded, type):
        raise PluginNotUsable(f"'{name}' names {loaded!r}, which is no class")
    return loaded


def _unknown(name: str, namespace: str) -> str:
    names = installed(namespace)
    close = difflib.get_close_matches(name, names, n=1)
    meant = f" Did you mean '{close[0]}'?" if close else ""
    return (
        f"no plugin '{name}' is installed.{meant} Installed in {namespace}: "
        f"{', '.join(names) or 'none'}"
    )


def _is_bank(loaded: Any) -> bool:
    return isinstance(loaded, type) and issubclass(loaded, BankPlugin)
