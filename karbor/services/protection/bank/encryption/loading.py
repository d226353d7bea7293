# SPDX-License-Identifier: Apache-2.0
"""Make the keyring that a provider's file asks for."""

import os
from typing import TYPE_CHECKING

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.chunks.keyring import Keyring
from karbor.services.protection.bank.encryption import options
from karbor.services.protection.bank.encryption.bank_keyring import BankKeyring
from karbor.services.protection.bank.encryption.key_file import KeyFile, WithKeyFile
from karbor.services.protection.bank.encryption.master_keys import (
    MasterKeys,
    is_key_id,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import Bank
    from karbor.services.protection.provider_file import ProviderFile

LOG = logging.getLogger(__name__)

#: For the id of a key that is still to be made.
_NOT_YET = "(not made yet)"


def load_keyring(file: "ProviderFile", bank: "Bank") -> Keyring | None:
    """The keyring for a provider's bank; None when it does not encrypt.

    The active master key is fetched, so that a mistake shows when the provider loads.
    A key manager that does not answer is no mistake: it may be starting too.

    :param bank: without a keyring
    :raises ProviderLoadFailed: naming the file, the option and the reason
    """
    if not is_enabled(file):
        return None
    master_keys = load_master_keys(file)
    try:
        master_keys.get(master_keys.active_id())
    except exception.MasterKeyUnavailable as error:
        if not error.retryable:
            raise _unusable(file, error) from error
        LOG.warning(
            "Provider file %s: %s Nothing can be protected or restored until it is.",
            file.path,
            error,
        )
    return BankKeyring(bank, master_keys)


def is_enabled(file: "ProviderFile") -> bool:
    """Whether a provider encrypts.

    :raises ProviderLoadFailed: when its group cannot be read
    """
    options.register_opts(file.conf)
    file.check_names(options.GROUP, options.OPTS)
    try:
        return bool(file.conf[options.GROUP].enabled)
    except ValueError as error:
        raise _wrong(file, "enabled", str(error)) from error


def load_master_keys(file: "ProviderFile", *, making: bool = False) -> MasterKeys:
    """The master keys of a provider's file, whether or not it encrypts.

    :param making: to make a key: none need be there
    :raises ProviderLoadFailed: naming the file, the option and the reason
    """
    options.register_opts(file.conf)
    file.check_names(options.GROUP, options.OPTS)
    group = file.conf[options.GROUP]
    try:
        kind, path, key_id = group.key_manager, group.key_file, group.master_key_id
    except ValueError as error:
        raise _wrong(file, "key_manager", str(error)) from error
    if key_id is not None and not is_key_id(key_id):
        raise _wrong(
            file,
            "master_key_id",
            "it is no key's id: that has up to 128 letters, digits and any of . _ -",
        )
    if (path or kind == options.KEY_FILE) and not os.path.isabs(path or ""):
        raise _wrong(
            file, "key_file", "give the absolute path of the file with the master keys"
        )
    if kind == options.KEY_FILE:
        return KeyFile(path, key_id)
    if key_id is None and not making:
        raise _wrong(
            file,
            "master_key_id",
            "name the key that the key manager has; make one with 'karbor-manage "
            f"bank make-key --provider {file.id}'",
        )
    # It takes half a second to import, and most services need none of it.
    from karbor.services.protection.bank.encryption.castellan_keys import (
        CastellanMasterKeys,
    )

    try:
        manager = CastellanMasterKeys(file.conf, key_id or _NOT_YET)
    except exception.MasterKeyUnavailable as error:
        raise _unusable(file, error) from error
    return WithKeyFile(manager, KeyFile(path)) if path else manager


def _unusable(
    file: "ProviderFile", error: exception.MasterKeyUnavailable
) -> exception.ProviderLoadFailed:
    option = error.kwargs.get("option", f"[{options.GROUP}] master_key_id")
    return exception.ProviderLoadFailed(
        path=file.path, option=option, reason=str(error)
    )


def _wrong(
    file: "ProviderFile", option: str, reason: str
) -> exception.ProviderLoadFailed:
    return exception.ProviderLoadFailed(
        path=file.path, option=f"[{options.GROUP}] {option}", reason=reason
    )
