# SPDX-License-Identifier: Apache-2.0
"""A deleted checkpoint's own chunks leave a running service's bank by themselves."""

import dataclasses
import datetime
import os
import time

import pytest

from karbor.tests.unit.services.protection.disk_service import CHUNK, OWNER, SOURCE


@pytest.mark.parametrize("disk_service", [(), (SOURCE,)], indirect=True)
def test_a_deleted_checkpoint_leaves_only_what_another_needs(disk_service):
    provider = disk_service.provider(SOURCE)
    provider.garbage = dataclasses.replace(
        provider.garbage, after_deletion=datetime.timedelta(0)
    )
    shared = os.urandom(4 * CHUNK)
    kept = disk_service.protected(disk_service.plan(), shared)
    needed = disk_service.chunks(SOURCE)
    gone = disk_service.protected(disk_service.plan(), shared + os.urandom(4 * CHUNK))
    assert len(disk_service.chunks(SOURCE)) > len(needed)

    disk_service.admission.delete(OWNER, SOURCE, gone)
    disk_service.wait()
    deadline = time.monotonic() + 60
    while disk_service.chunks(SOURCE) != needed:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert disk_service.restore(SOURCE, kept) == shared
