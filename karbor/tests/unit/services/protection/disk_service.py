# SPDX-License-Identifier: Apache-2.0
"""A service whose providers protect files as disks, each into a bank of its own."""

import os
import time
import uuid

from karbor.context import RequestContext
from karbor.services.protection import messages
from karbor.tests.fakes import disk_plugin

SOURCE = "11111111-d011-4026-8228-28730d734a3f"
TARGET = "22222222-d011-4026-8228-28730d734a3f"
NOOP = "33333333-d011-4026-8228-28730d734a3f"
PROJECT = "abcd" * 8
OWNER = RequestContext("owner", PROJECT, is_admin=False, overwrite=False)
DISK = "disk-1"
CHUNK = 64 * 1024

PROVIDER_FILE = """\
[provider]
name = {id}
id = {id}
plugin = {plugin}
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {bank}

[bank_streams]
chunk_size = 65536
"""
ENCRYPTION = """\
[bank_encryption]
enabled = true
key_file = {keys}
"""


class DiskService:
    """A service with three providers, each with a bank of its own."""

    def __init__(self, of, base):
        self.service = of
        self.admission = of._endpoint._admission
        self.queries = of._endpoint._queries
        self.base = base

    def provider(self, provider_id):
        return self.service.providers.get(provider_id)

    def plan(self, parameters=None, **fields):
        plan = {
            "id": str(uuid.uuid4()),
            "provider_id": SOURCE,
            "project_id": PROJECT,
            "resources": [{"type": disk_plugin.TYPE, "id": DISK, "name": "a disk"}],
            "parameters": parameters or {},
            **fields,
        }
        return messages.Plan.parse(plan)

    def copy_plan(self, plan, target=TARGET, context=OWNER, **fields):
        asked = {
            **plan.to_dict(),
            **fields,
            "parameters": {**plan.parameters, "target_provider_id": target},
        }
        return self.admission.copy(context, messages.Plan.parse(asked))

    def write_disk(self, data):
        (self.base / "disks" / DISK).write_bytes(data)

    def protected(self, plan, data):
        self.write_disk(data)
        checkpoint_id = self.admission.protect(OWNER, plan, {})
        self.wait()
        assert self.status(SOURCE, checkpoint_id) == "available"
        return checkpoint_id

    def wait(self):
        deadline = time.monotonic() + 60
        while self.service._runner.running():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def checkpoint(self, provider_id, checkpoint_id):
        return self.provider(provider_id).checkpoints.get(checkpoint_id)

    def status(self, provider_id, checkpoint_id):
        return self.checkpoint(provider_id, checkpoint_id).status

    def request(self, provider_id, checkpoint_id, **parameters):
        return messages.RecordRequest.parse(
            {
                "id": str(uuid.uuid4()),
                "provider_id": provider_id,
                "checkpoint_id": checkpoint_id,
                "parameters": parameters,
            },
            "restore",
        )

    def restore(self, provider_id, checkpoint_id):
        request = self.request(provider_id, checkpoint_id)
        self.admission.restore(OWNER, request, None)
        self.wait()
        record = self.service.database.restores.get(OWNER, request.id)
        assert record["status"] == "success", record
        return (self.base / "disks" / f"{DISK}.restored").read_bytes()

    def verify(self, provider_id, checkpoint_id, **parameters):
        request = self.request(
            provider_id, checkpoint_id, **{disk_plugin.TYPE: parameters}
        )
        self.admission.verify(OWNER, request)
        self.wait()
        return self.service.database.verifications.get(OWNER, request.id)

    def bank_path(self, provider_id):
        return self.base / "banks" / provider_id

    def chunks(self, provider_id):
        """The names of the bank's chunks; folders may go while this looks."""
        folder = self.bank_path(provider_id) / "karbor" / "chunks"
        found = (name for _path, _folders, names in os.walk(folder) for name in names)
        return {name for name in found if len(name) > 64}
