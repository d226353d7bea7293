# SPDX-License-Identifier: Apache-2.0
"""A small filesystem bank with everything in it that a bank can hold."""

import datetime
import random

import pytest

from karbor.resource import Resource
from karbor.services.protection.bank.encryption.bank_keyring import BankKeyring
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.fakes.file_system_bank import file_system_bank

PLAN = {"id": "plan-1", "name": "nightly", "resources": [{"id": "s1", "type": "S"}]}
SERVER = Resource("S", "s1", "server")
VOLUMES = (Resource("V", "v1", "root"), Resource("V", "v2", "data"))
#: Chunks of noise and pages are objects, what compresses is in the pages.
OPTIONS = StreamOptions(
    chunk_size=4096, max_bytes_in_flight=16384, worker_threads=2, inline_limit=200
)


def hours_later(hours=2):
    """A clock that is ahead, for what is judged only when it is old enough."""
    return lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)


@pytest.fixture
def plugin(tmp_path):
    return file_system_bank(tmp_path / "bank")


@pytest.fixture
def open_bank(plugin, tmp_path, request):
    """Open the bank as a process of its own does; encrypted where a test asks for it
    by ``@pytest.mark.parametrize("open_bank", ["encrypted"], indirect=True)``."""
    master_keys = None
    if getattr(request, "param", None) == "encrypted":
        master_keys = KeyFile(str(tmp_path / "master-keys"))
        master_keys.make("lab")

    def open_bank():
        keyring = master_keys and BankKeyring(Bank(plugin), master_keys)
        return Bank(plugin, OPTIONS, keyring)

    return open_bank


@pytest.fixture
def bank(open_bank):
    return open_bank()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "bank" / "karbor"


@pytest.fixture
def collection(bank):
    return CheckpointCollection(bank)


@pytest.fixture
def protect(collection):
    """Make a checkpoint as a service does."""

    def protect(status="available", seed=1, size=12 * 1024, **changes):
        values = {"provider_id": "provider-1", "project_id": "project-1", **changes}
        checkpoint = collection.create(PLAN, **values)
        checkpoint.save_graph(ResourceGraph((*VOLUMES, SERVER), ((), (), (0, 1))))
        noise = random.Random(seed)
        for volume in VOLUMES:
            section = checkpoint.get_resource_bank_section(volume.id)
            section.update_object("metadata", {"name": volume.name, "size": size})
            # Chunks that do not compress, do, and are zero.
            data = noise.randbytes(size) + b"karbor" * 1000 + bytes(3 * 4096) + b"end"
            section.write_stream("disk", [data])
        checkpoint.save_resources_status(
            {f"V#{volume.id}": {"status": "available"} for volume in VOLUMES}
        )
        if status != "protecting":
            checkpoint.transition(status)
        return checkpoint

    return protect
