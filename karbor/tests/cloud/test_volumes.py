# SPDX-License-Identifier: Apache-2.0
"""Volumes with random bytes, through each of the three ways to keep their data."""

import pytest

VOLUME = "OS::Cinder::Volume"


#: What is to come back with the data.
FACTS = (
    "availability_zone",
    "bootable",
    "description",
    "metadata",
    "size",
    "status",
    "volume_image_metadata",
    "volume_type",
)


def described(project):
    """A volume with everything that is to come back."""
    volume = project.volume(
        name="precious", description="of the shop", metadata={"tier": "1"}
    )
    for action in (
        {"os-set_image_metadata": {"metadata": {"os_distro": "debian"}}},
        {"os-set_bootable": {"bootable": True}},
    ):
        answer = project.connection.block_storage.post(
            f"/volumes/{volume.id}/action", json=action
        )
        assert answer.ok, answer.text
    return volume


def listing(project, *but):
    """All that the project has, but for what Cinder itself puts into its Swift."""
    return without("containers", *but, listed=project.listing())


def settled(project, expected):
    """The same, when Swift and Cinder list no more what was deleted."""
    listed = project.settled(
        lambda listed: without("containers", listed=listed) == expected
    )
    return without("containers", listed=listed)


def without(*kinds, listed):
    return {kind: things for kind, things in listed.items() if kind not in kinds}


def facts(project, volume_id):
    answer = project.connection.block_storage.get(f"/volumes/{volume_id}")
    shown = answer.json()["volume"]
    return {name: shown[name] for name in FACTS}


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
    digest, before = project.digest(volume.id), listing(project)
    provider_id = provider(volume=way)
    plan_id = karbor.plan(provider_id, (VOLUME, volume), parameters={VOLUME: options})

    checkpoint_id = karbor.protect(provider_id, plan_id)

    after = listing(project, "objects")
    new = {kind for kind in after if after[kind] - before.get(kind, set())}
    assert {kind.removeprefix("volume ") for kind in new} == kept
    karbor.verify(provider_id, checkpoint_id)
    project.scribble(volume.id)
    karbor.restore(
        provider_id, checkpoint_id, parameters={VOLUME: {"restore_name": "again"}}
    )
    restored = project.connection.block_storage.find_volume("again")
    assert project.digest(restored.id) == digest
    assert facts(project, restored.id) == facts(project, volume.id)
    karbor.delete(provider_id, checkpoint_id)
    before["volumes"].add((restored.id, "again"))
    assert settled(project, before) == before


def test_an_attached_volume_is_restored_into_a_given_one(project, karbor, provider):
    """By an incremental backup, which is deleted before its base."""
    volume = project.volume(name="precious")
    server = project.server(project.network().id)
    project.attach(server.id, volume.id)
    before = listing(project)
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
    assert settled(project, before) == before
