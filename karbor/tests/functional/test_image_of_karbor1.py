# SPDX-License-Identifier: Apache-2.0
"""Images that Karbor 1.x protected, restored into a real Glance."""

import contextlib
import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.tests.fakes.karbor1_bank import Karbor1Bank
from karbor.tests.functional.glance import project_context
from karbor.tests.functional.image_bench import ImageBench

pytestmark = pytest.mark.xdist_group("glance")

UTF_8 = "données ".encode() * 40_000
ANY = bytes(range(256)) * 2000


@pytest.fixture
def context():
    return project_context()


@pytest.fixture
def bench(tmp_path, glance):
    with contextlib.closing(ImageBench(tmp_path, glance)) as made:
        yield made


@pytest.fixture
def protected(bench, context):
    """A checkpoint with one image, as Karbor 1.x left it: checkpoint, image's id."""

    def protected(data, python):
        old = Karbor1Bank(bench.bank_path / "karbor", python)
        checkpoint_id, image_id = str(uuid.uuid4()), str(uuid.uuid4())
        old.checkpoint(checkpoint_id, images=(image_id,), project_id=context.project_id)
        # A multiple of the nine bytes of the text above: no character is cut.
        old.image(checkpoint_id, image_id, data, object_size=9 * 7000)
        store = bench.provider.checkpoints.store
        return type(bench.checkpoint(context))(
            store, store.read(checkpoint_id)
        ), image_id

    return protected


@pytest.mark.parametrize(
    ("data", "python"), [(UTF_8, 3), (b"", 3), (UTF_8, 2), (ANY, 2), (b"", 2)]
)
def test_it_comes_back_with_the_same_bytes(
    bench, glance, context, protected, data, python
):
    checkpoint, image_id = protected(data, python)
    bench.run("verify", checkpoint, context, image_id)
    new_id, _record = bench.restore(checkpoint, context, image_id, restore_name="back")
    image = glance.images(context).get(new_id)
    assert (image["name"], image["disk_format"], image["status"]) == (
        "back",
        "raw",
        "active",
    )
    assert b"".join(glance.images(context).download(new_id)) == data


def test_its_saved_info_is_shown(bench, context, protected):
    checkpoint, image_id = protected(ANY, 2)
    section = checkpoint.get_resource_bank_section(image_id, is_writable=False)
    info = bench.plugin.get_saved_info(
        section, Resource(constants.IMAGE_RESOURCE_TYPE, image_id, None)
    )
    assert info["image_metadata"]["disk_format"] == "raw"


@pytest.mark.parametrize("damage", ["flip", "lose", "cut", "unfinished"])
def test_its_damage_is_found_before_an_image_is_left(
    bench, glance, context, protected, damage
):
    checkpoint, image_id = protected(ANY, 2)
    section = checkpoint.get_resource_bank_section(image_id)
    if damage == "flip":
        value = bytearray(section.get_object("data_2"))
        value[7] ^= 1
        section.update_object("data_2", bytes(value))
    elif damage == "lose":
        section.delete_object("data_9")
    elif damage == "cut":
        section.delete_object("data_3")
    else:
        metadata = section.get_object("metadata")
        del metadata["chunks_num"]
        section.update_object("metadata", metadata)
    before = {
        image["id"] for image in glance.images(context).owned_by(context.project_id)
    }
    with pytest.raises(exception.VerifyResourceFailed):
        bench.run("verify", checkpoint, context, image_id)
    with pytest.raises(exception.RestoreResourceFailed):
        bench.restore(checkpoint, context, image_id)
    after = {
        image["id"] for image in glance.images(context).owned_by(context.project_id)
    }
    assert after == before


def test_its_copy_restores_when_it_is_gone(bench, glance, context, protected):
    checkpoint, image_id = protected(ANY, 2)
    copy = bench.checkpoint(context)
    bench.run("copy", checkpoint, context, image_id, checkpoint_copy=copy)
    bench.run("delete", checkpoint, context, image_id)
    new_id, _record = bench.restore(copy, context, image_id)
    assert b"".join(glance.images(context).download(new_id)) == ANY
