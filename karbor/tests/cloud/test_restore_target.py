# SPDX-License-Identifier: Apache-2.0
"""Restoring into another project, with the credentials of that one's member."""

import os

IMAGE = "OS::Glance::Image"


def protect(project, provider_id, data):
    """Protect an image of a project; gives the checkpoint's id."""
    image = project.image(data, name="precious")
    plan_id = project.karbor.plan(provider_id, (IMAGE, image))
    return project.karbor.protect(provider_id, plan_id)


def enter(project, password=None):
    """What the real client says to restore into another project."""
    return (
        *("--restore_target", project.cloud.auth_url),
        *("--restore_username", project.name),
        *("--restore_password", password or project.password),
    )


def test_an_image_comes_back_in_another_project(make_project, provider):
    project, other = make_project(), make_project()
    data = os.urandom(1024 * 1024)
    checkpoint_id = protect(project, provider(), data)
    before = project.listing()

    project.karbor.restore(
        provider(),
        checkpoint_id,
        *enter(other),
        parameters={IMAGE: {"restore_name": "moved"}},
    )

    assert project.listing() == before
    [restored] = other.connection.image.images(owner=other.id)
    assert restored.name == "moved"
    assert other.image_data(restored.id) == data
    project.karbor.delete(provider(), checkpoint_id)


def test_a_wrong_password_restores_nothing_and_is_told_nobody(
    make_project, provider, karbor_service
):
    project, other = make_project(), make_project()
    checkpoint_id = protect(project, provider(), b"bytes" * 1000)
    before = project.listing(), other.listing()

    project.karbor.restore(
        provider(), checkpoint_id, *enter(other, "guessed-wrong"), status="fail"
    )

    assert (project.listing(), other.listing()) == before
    assert "refused the user name or password" in karbor_service.log
    assert "guessed-wrong" not in karbor_service.log
    project.karbor.delete(provider(), checkpoint_id)
