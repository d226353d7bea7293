# SPDX-License-Identifier: Apache-2.0
"""A small cloud for the plugins that protect volumes."""

from collections.abc import Callable, Iterator

import pytest

from karbor.services.protection.protection_plugin import ProtectionPlugin
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.fakes.block_storage import BlockStorageServer
from karbor.tests.fakes.image_store import ImageServer
from karbor.tests.unit.services.protection.protection_plugins.volume.house import House


@pytest.fixture
def images() -> Iterator[ImageServer]:
    """A Glance."""
    with ImageServer().running() as server:
        yield server


@pytest.fixture
def cinder(images: ImageServer) -> Iterator[BlockStorageServer]:
    """A Cinder."""
    with BlockStorageServer(images).running() as server:
        yield server


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """Looks at what hooks wait for, without much delay."""
    watcher = Watcher(first_interval=0.01)
    yield watcher
    watcher.close()


@pytest.fixture
def new_house(
    cinder: BlockStorageServer, images: ImageServer, watcher: Watcher
) -> Callable[[type[ProtectionPlugin]], House]:
    """Makes the house of a plugin."""
    return lambda plugin_class: House(plugin_class, cinder, images, watcher)
