# SPDX-License-Identifier: Apache-2.0
"""Volumes with random bytes, through each of the three ways to keep their data."""

import pytest

VOLUME = "OS::Cinder::Volume"


def described(project):
    """A volume with everything that is to come back, and its description."""
    storage = project.connection.block_storage
    volume = project.volume(
        name="precious", description="of the shop", metadata={"tier": "1"}
    )
    storage.set_volume_image_metadata(volume, metadata={"os_distro": "debian"})
    storage.set_volume_bootable_status(volume, True)
    return storage.get_volume(volume.id)


def facts(volume):
    return (
        volume.size,
        volume.volume_type,
        volume.availability_zone,
        volume.is_bootable,
        volume.metadata,
        volume.volume_image_metadata,
    )


@pytest.mark.parametrize(
    ("way", "options", "kept"),
    [
        ("glance", {"backup_name": "nightly"}, set()),
        ("backup", {"backup_name": "nightly"}, {"backups"}),
        ("snapshot", {"snapshot_name": "nightly"}, {"snapshots"}),
    ],
)
def test_a_volume_comes_back_with_every_byte(
    project, karbor, provider, way, options, kept
):
    volume = described(project)
    digest, before = project.digest(volume.id), project.listing()
    provider_id = provider(volume=way)
    plan_id = karbor.plan(provider_id, (VOLUME, volume), parameters={VOLUME: options})

    checkpoint_id = karbor.protect(provider_id, plan_id)

    after = project.listing()
    new = {kind for kind in after if after[kind] - before.get(kind, set())}
    assert {kind.removeprefix("volume_") for kind in new} == kept
    karbor.verify(provider_id, checkpoint_id)
    project.scribble(volume.id)
    karbor.restore(
        provider_id, checkpoint_id, parameters={VOLUME: {"restore_name": "again"}}
    )
    storage = project.connection.block_storage
    restored = storage.get_volume(storage.find_volume("again").id)
    assert project.digest(restored.id) == digest
    assert restored.status == "available"
    assert restored.description == "of the shop"
    assert facts(restored) == facts(volume)
    karbor.delete(provider_id, checkpoint_id)
    left = project.listing()
    assert left.pop("volumes") - before.pop("volumes") == {(restored.id, "again")}
    assert left == before


def test_an_attached_volume_is_restored_into_a_given_one(project, karbor, provider):
    """By an incremental backup, which is deleted before its base."""
    volume = project.volume(name="precious")
    server = project.server(project.network().id)
    project.attach(server.id, volume.id)
    before = project.listing()
    provider_id = provider(volume="backup")
    checkpoints = []
    for _each in range(2):
        project.scribble(volume.id)
        digest = project.digest(volume.id)
        plan_id = karbor.plan(
            provider_id, (VOLUME, volume), parameters={VOLUME: {"backup_mode": "auto"}}
        )
        checkpoints.append(karbor.protect(provider_id, plan_id))
    storage = project.connection.block_storage
    assert [b.is_incremental for b in storage.backups(sort="created_at:asc")] == [
        False,
        True,
    ]
    other = project.volume(name="other")

    karbor.restore(
        provider_id, checkpoints[-1], parameters={VOLUME: {"volume_id": other.id}}
    )

    assert project.digest(other.id) == digest
    for checkpoint_id in reversed(checkpoints):
        karbor.delete(provider_id, checkpoint_id)
    storage.delete_volume(other)
    storage.wait_for_delete(other)
    assert project.listing() == before
