# SPDX-License-Identifier: Apache-2.0
"""The options of the plugins for volumes, and the sample provider with one of them."""

import pathlib

import pytest

from karbor.cmd import opts
from karbor.services.protection.protection_plugins.volume.settings import (
    BackupSettings,
    GlanceCopySettings,
    SnapshotSettings,
)
from karbor.services.protection.provider import ProviderRegistry, register_opts
from karbor.tests.conformance.configuration import empty_configuration

SAMPLE = (
    pathlib.Path(__file__).resolve().parents[7]
    / "etc/providers.d/openstack-volumes.conf"
)
PLUGINS = {
    "karbor-volume-glance-plugin": GlanceCopySettings,
    "karbor-volume-protection-plugin": BackupSettings,
    "karbor-volume-snapshot-plugin": SnapshotSettings,
}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_sample_loads_with_each_of_the_plugins(tmp_path, plugin):
    text = SAMPLE.read_text().replace("enabled = False", "enabled = True")
    text = text.replace("plugin = karbor-volume-glance-plugin", f"plugin = {plugin}")
    text = text.replace("/var/lib/karbor/bank", str(tmp_path / "bank"))
    (tmp_path / "bank").mkdir()
    (tmp_path / "volumes.conf").write_text(text)
    conf = empty_configuration()
    register_opts(conf)
    conf.set_override("provider_config_dir", str(tmp_path))
    registry = ProviderRegistry(conf)

    registry.load()

    assert registry.failures == []
    assert len(registry.list()) == 1


def test_each_has_its_options_in_the_samples():
    groups = dict(opts.list_provider_opts())
    for settings in PLUGINS.values():
        names = {option.name for option in groups[settings.group]}
        assert names >= {"poll_interval", "status_timeout", "copy_timeout"}
    group = groups[BackupSettings.group]
    assert "backup_from_snapshot" in {option.name for option in group}
