# SPDX-License-Identifier: Apache-2.0
"""Shares of a real Manila, whose dummy driver keeps no data: its API is real."""

import pytest

from karbor.tests.rabbit.daemon import wait_until

SHARE = "OS::Manila::Share"


@pytest.fixture
def share(project):
    """An available share with metadata, which two may mount."""
    manila = project.connection.shared_file_system
    made = manila.create_share(
        share_protocol="NFS", size=1, name="home", metadata={"owner": "me"}
    )
    made = project.wait_for(lambda: manila.get_share(made.id), "available")
    for who, level in (("10.0.0.0/24", "rw"), ("10.0.1.7", "ro")):
        manila.create_access_rule(
            made.id, access_type="ip", access_to=who, access_level=level
        )
    return made


def access_of(project, share_id):
    rules = project.connection.shared_file_system.access_rules(share_id)
    return {(rule.access_to, rule.access_level) for rule in rules}


def gone(project, share_id):
    manila = project.connection.shared_file_system
    wait_until(
        lambda: project.is_gone(lambda: manila.get_share(share_id)),
        f"share {share_id} deleted",
        60,
    )


def test_a_share_comes_back_with_who_may_mount_it(project, karbor, provider, share):
    manila = project.connection.shared_file_system
    before = project.listing()
    chosen = provider()
    plan_id = karbor.plan(
        chosen,
        (SHARE, share),
        parameters={SHARE: {"snapshot_name": "nightly", "description": "why"}},
    )

    checkpoint_id = karbor.protect(chosen, plan_id)

    [snapshot] = manila.share_snapshots()
    assert (snapshot.name, snapshot.status) == ("nightly", "available")
    karbor.verify(chosen, checkpoint_id)
    karbor.restore(chosen, checkpoint_id, parameters={SHARE: {"restore_name": "again"}})
    [restored] = [one for one in manila.shares() if one.id != share.id]
    assert (restored.name, restored.size) == ("again", 1)
    assert restored.metadata == {"owner": "me"}
    assert access_of(project, restored.id) == access_of(project, share.id)
    manila.delete_share(restored.id)
    karbor.delete(chosen, checkpoint_id)
    gone(project, restored.id)
    assert project.listing() == before


def test_a_share_that_is_gone_fails_the_checkpoint_by_name(
    project, karbor, provider, share
):
    manila = project.connection.shared_file_system
    plan_id = karbor.plan(provider(), (SHARE, share))
    manila.delete_share(share.id)
    gone(project, share.id)

    karbor.protect(provider(), plan_id, status="error")

    assert list(manila.share_snapshots()) == []
