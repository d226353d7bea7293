# SPDX-License-Identifier: Apache-2.0
"""A service with data in its banks, for whole operations."""

import pytest
from oslo_config import cfg
from stevedore import extension

from karbor import rpc
from karbor.common import config
from karbor.db import migration
from karbor.services.protection import service
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.tests.fakes import disk_plugin, distribution
from karbor.tests.unit.services.protection.disk_service import (
    ENCRYPTION,
    NOOP,
    PROVIDER_FILE,
    SOURCE,
    TARGET,
    DiskService,
)


@pytest.fixture
def disk_service(request, tmp_path, monkeypatch):
    """The service; parametrized with the providers that encrypt."""
    encrypting = getattr(request, "param", ())
    folder = distribution.install(tmp_path / "dist", disk_plugin.ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(extension.ExtensionManager, "ENTRY_POINT_CACHE", {})
    (tmp_path / "disks").mkdir()
    monkeypatch.setenv("KARBOR_TEST_DISKS", str(tmp_path / "disks"))
    (tmp_path / "providers.d").mkdir()
    for provider_id in (SOURCE, TARGET, NOOP):
        plugin = (
            "karbor-noop-protection-plugin"
            if provider_id == NOOP
            else disk_plugin.PLUGIN
        )
        text = PROVIDER_FILE.format(
            id=provider_id, plugin=plugin, bank=tmp_path / "banks" / provider_id
        )
        if provider_id in encrypting:
            keys = tmp_path / f"{provider_id}.keys"
            KeyFile(str(keys)).make("first")
            text += ENCRYPTION.format(keys=keys)
        (tmp_path / "providers.d" / f"{provider_id}.conf").write_text(text)
    (tmp_path / "karbor.conf").write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    conf = cfg.ConfigOpts()
    service.register_opts(conf)
    config.init(["--config-file", str(tmp_path / "karbor.conf")], "test", conf)
    migration.sync(conf)
    of = service.ProtectionService(conf, rpc.get_transport(conf, "fake://"))
    of.start()
    yield DiskService(of, tmp_path)
    of.stop()
