# SPDX-License-Identifier: Apache-2.0
"""The image plugin against a real Glance and a real bank."""

import contextlib
import hashlib
import os
import threading
import time

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.clients import glance_images
from karbor.services.protection.protection_plugins.image import saved_image
from karbor.tests.fakes.fault_proxy import Fault, FaultProxy
from karbor.tests.functional.glance import project_context
from karbor.tests.functional.image_bench import ImageBench

pytestmark = pytest.mark.xdist_group("glance")

SEVERAL_CHUNKS = 3 * 1024 * 1024 + 12345
ODD_PROPERTIES = {
    "a b/c~d": 'quoted "é" ✓',
    "items": "like a method of a dict",
    "self.destruct": "no",
    "hw_disk_bus": "virtio",
    "empty": "",
}


@pytest.fixture
def context():
    return project_context()


@pytest.fixture
def bench(tmp_path, glance):
    with contextlib.closing(ImageBench(tmp_path, glance)) as made:
        yield made


@pytest.fixture
def own_bench(tmp_path, own_glance):
    made = ImageBench(tmp_path, own_glance, cleanup_timeout=60)
    with contextlib.closing(made):
        yield made


def image_ids(lab, context):
    return {image["id"] for image in lab.images(context).owned_by(context.project_id)}


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, SEVERAL_CHUNKS])
def test_an_image_comes_back_with_the_same_bytes(bench, glance, context, size):
    data = os.urandom(size)
    image = glance.upload(context, data)
    checkpoint = bench.protect(context, image["id"])
    glance.images(context).delete(image["id"])
    new_id, record = bench.restore(checkpoint, context, image["id"])
    assert new_id != image["id"]
    assert glance.data(context, new_id) == data
    restored = glance.images(context).get(new_id)
    assert restored["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert record.resource_status(constants.IMAGE_RESOURCE_TYPE, image["id"]) == (
        constants.RESOURCE_STATUS_AVAILABLE
    )


def test_everything_that_is_known_of_an_image_comes_back(bench, glance, context):
    image = glance.upload(
        context,
        b"data" * 1000,
        name="naïve image",
        tags=["one", "zwei ✓"],
        min_disk=3,
        min_ram=64,
        protected=True,
        visibility="community",
        os_hidden=True,
        **ODD_PROPERTIES,
    )
    checkpoint = bench.protect(context, image["id"])
    new_id, _record = bench.restore(checkpoint, context, image["id"])
    restored = glance.images(context).get(new_id)
    own = {"id", "self", "file", "created_at", "updated_at"}
    for fields in (image, restored):
        fields["tags"].sort()
        for name in own:
            fields.pop(name)
    assert restored == image


def test_restore_name_names_the_new_image(bench, glance, context):
    image = glance.upload(context, b"x", name="old")
    checkpoint = bench.protect(context, image["id"])
    new_id, _record = bench.restore(
        checkpoint, context, image["id"], restore_name="new"
    )
    assert glance.images(context).get(new_id)["name"] == "new"


def test_a_public_image_of_others_is_used_as_it_is_while_it_is_there(
    bench, glance, context
):
    public = glance.upload(
        project_context("admin", "operators"), b"x" * 1000, visibility="public"
    )
    checkpoint = bench.protect(context, public["id"])

    new_id, record = bench.restore(checkpoint, context, public["id"])

    assert new_id == public["id"]
    (reason,) = record.resources_reason.values()
    assert "still there" in reason


def test_a_public_image_of_others_that_is_gone_comes_back_as_ones_own(
    bench, glance, context
):
    admin = project_context("admin", "operators")
    public = glance.upload(admin, b"x" * 1000, visibility="public")
    checkpoint = bench.protect(context, public["id"])
    glance.images(admin).delete(public["id"])

    new_id, _record = bench.restore(checkpoint, context, public["id"])

    restored = glance.images(context).get(new_id)
    assert restored["owner"] == context.project_id
    assert restored["visibility"] == "private"
    assert glance.data(context, new_id) == b"x" * 1000


def test_a_named_restore_of_an_image_of_others_makes_one(bench, glance, context):
    public = glance.upload(
        project_context("admin", "operators"), b"x", visibility="public"
    )
    checkpoint = bench.protect(context, public["id"])

    new_id, _record = bench.restore(
        checkpoint, context, public["id"], restore_name="mine"
    )

    assert new_id != public["id"]
    assert glance.images(context).get(new_id)["name"] == "mine"


def test_a_visibility_that_the_user_may_not_give_is_told(bench, glance, context):
    admin = project_context("admin", context.project_id)
    image = glance.upload(admin, b"x", visibility="public")
    checkpoint = bench.protect(context, image["id"])
    new_id, record = bench.restore(checkpoint, context, image["id"])
    assert glance.images(context).get(new_id)["visibility"] == "private"
    (reason,) = record.resources_reason.values()
    assert "stays private" in reason


def test_progress_counts_the_bytes(bench, glance, context):
    image = glance.upload(context, bytes(SEVERAL_CHUNKS))
    checkpoint = bench.protect(context, image["id"])
    assert bench.progress.snapshot()["bytes_done"] == SEVERAL_CHUNKS
    bench.restore(checkpoint, context, image["id"])
    snapshot = bench.progress.snapshot()
    assert snapshot["bytes_done"] == snapshot["bytes_total"] == 2 * SEVERAL_CHUNKS


def test_saved_info_shows_what_was_saved(bench, glance, context):
    image = glance.upload(context, b"x", name="shown", tags=["t"], color="red")
    checkpoint = bench.protect(context, image["id"], backup_name="nightly")
    resource = Resource(constants.IMAGE_RESOURCE_TYPE, image["id"], None)
    section = checkpoint.get_resource_bank_section(image["id"], is_writable=False)
    info = bench.plugin.get_saved_info(section, resource)
    assert info["backup_name"] == "nightly"
    assert info["image_metadata"]["name"] == "shown"
    assert info["image_metadata"]["properties"] == {"color": "red"}


def test_an_image_without_data_is_refused(bench, glance, context):
    image = glance.images(context).create(
        {"name": "empty", "disk_format": "raw", "container_format": "bare"}
    )
    with pytest.raises(exception.CreateResourceFailed, match="queued"):
        bench.protect(context, image["id"])


def test_an_image_that_is_not_there_is_refused(bench, glance, context):
    with pytest.raises(exception.CreateResourceFailed, match="no such image"):
        bench.protect(context, "00000000-0000-4000-8000-00000000dead")


def test_another_projects_image_is_refused(bench, glance, context):
    image = glance.upload(project_context("bob"), b"secret")
    with pytest.raises(exception.CreateResourceFailed, match="no such image"):
        bench.protect(context, image["id"])


def test_an_image_deleted_between_preparing_and_reading_is_noticed(
    bench, glance, context
):
    image = glance.upload(context, b"x" * 1000)
    checkpoint = bench.checkpoint(context)
    bench.run("protect", checkpoint, context, image["id"], hooks=("on_prepare_finish",))
    glance.images(context).delete(image["id"])
    with pytest.raises(exception.CreateResourceFailed, match="deleted while"):
        bench.run("protect", checkpoint, context, image["id"], hooks=("on_main",))
    section = checkpoint.get_resource_bank_section(image["id"])
    assert section.list_streams() == []


def test_other_content_than_was_taken_down_is_noticed(bench, glance, context):
    """As if the image had been deleted and made anew under its id."""
    image = glance.upload(context, b"x" * 1000)
    checkpoint = bench.checkpoint(context)
    section = checkpoint.get_resource_bank_section(image["id"])
    saved_image.SavedImage.of({**image, "os_hash_value": "0" * 128}).save(section)
    with pytest.raises(exception.CreateResourceFailed, match="changed while"):
        bench.run("protect", checkpoint, context, image["id"], hooks=("on_main",))


def test_data_that_glances_store_lost_is_noticed(bench, glance, context, tmp_path):
    image = glance.upload(context, b"x" * 1000)
    pieces = saved_image.CheckedData(
        saved_image.SavedImage.of(image), iter([b"x" * 999])
    )
    with pytest.raises(saved_image.DataDiffers, match="999 bytes"):
        list(pieces)
    pieces = saved_image.CheckedData(
        saved_image.SavedImage.of(image), iter([b"y" * 1000])
    )
    with pytest.raises(saved_image.DataDiffers, match="sha512"):
        list(pieces)


def test_protecting_again_after_a_crash_reads_nothing_twice(bench, glance, context):
    image = glance.upload(context, b"x" * 1000)
    checkpoint = bench.protect(context, image["id"])
    glance.images(context).delete(image["id"])
    bench.run("protect", checkpoint, context, image["id"], hooks=("on_main",))
    bench.restore(checkpoint, context, image["id"])


def verify(bench, checkpoint, context, image_id):
    record = bench.verification()
    try:
        bench.run("verify", checkpoint, context, image_id, verify=record)
    finally:
        status = record.resource_status(constants.IMAGE_RESOURCE_TYPE, image_id)
    return status, record


def test_verify_reads_everything_back(bench, glance, context):
    image = glance.upload(context, os.urandom(SEVERAL_CHUNKS))
    checkpoint = bench.protect(context, image["id"])
    before = bench.progress.snapshot()["bytes_done"]
    status, _record = verify(bench, checkpoint, context, image["id"])
    assert status == constants.RESOURCE_STATUS_AVAILABLE
    assert bench.progress.snapshot()["bytes_done"] - before == SEVERAL_CHUNKS


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_verify_finds_a_damaged_chunk(bench, glance, context):
    image = glance.upload(context, os.urandom(SEVERAL_CHUNKS))
    checkpoint = bench.protect(context, image["id"])
    damage(bench.chunk_files(checkpoint)[0])
    record = bench.verification()
    with pytest.raises(exception.VerifyResourceFailed, match="chunk"):
        bench.run("verify", checkpoint, context, image["id"], verify=record)
    status = record.resource_status(constants.IMAGE_RESOURCE_TYPE, image["id"])
    assert status == constants.RESOURCE_STATUS_ERROR
    (reason,) = record.resources_reason.values()
    assert checkpoint.id in reason


def test_verify_goes_as_deep_as_it_is_asked_to(bench, glance, context):
    image = glance.upload(context, os.urandom(SEVERAL_CHUNKS))
    checkpoint = bench.protect(context, image["id"])
    path = bench.chunk_files(checkpoint)[0]
    damage(path)
    arguments = ("verify", checkpoint, context, image["id"])

    bench.run(*arguments, {"depth": "objects"}, verify=bench.verification())
    everything = {"depth": "sample", "sample_percent": 100}
    with pytest.raises(exception.VerifyResourceFailed, match=r"chunk \d"):
        bench.run(*arguments, everything, verify=bench.verification())
    path.unlink()
    with pytest.raises(exception.VerifyResourceFailed, match=r"chunk \d.*lost"):
        bench.run(*arguments, {"depth": "objects"}, verify=bench.verification())


def test_verify_finds_that_nothing_was_protected(bench, glance, context):
    image = glance.upload(context, b"x")
    checkpoint = bench.checkpoint(context)
    with pytest.raises(exception.VerifyResourceFailed, match="no completely"):
        bench.run("verify", checkpoint, context, image["id"])


def test_a_restore_from_a_damaged_chunk_leaves_no_image(bench, glance, context):
    image = glance.upload(context, os.urandom(SEVERAL_CHUNKS))
    checkpoint = bench.protect(context, image["id"])
    damage(bench.chunk_files(checkpoint)[0])
    record = bench.record()
    with pytest.raises(exception.RestoreResourceFailed, match="chunk"):
        bench.restore(checkpoint, context, image["id"], record)
    assert image_ids(glance, context) == {image["id"]}
    status = record.resource_status(constants.IMAGE_RESOURCE_TYPE, image["id"])
    assert status == constants.RESOURCE_STATUS_ERROR


def test_a_restored_image_with_another_hash_is_refused(bench, glance, context):
    image = glance.upload(context, b"x" * 1000)
    checkpoint = bench.protect(context, image["id"])
    section = checkpoint.get_resource_bank_section(image["id"])
    metadata = section.get_object("metadata")
    metadata["data"]["hash_value"] = "0" * 128
    section.update_object("metadata", metadata)
    with pytest.raises(exception.RestoreResourceFailed, match="sha512"):
        bench.restore(checkpoint, context, image["id"])
    assert image_ids(glance, context) == {image["id"]}


def test_a_glance_with_another_hash_is_checked_all_the_same(bench, glance, context):
    image = glance.upload(context, b"x" * 1000)
    checkpoint = bench.protect(context, image["id"])
    section = checkpoint.get_resource_bank_section(image["id"])
    metadata = section.get_object("metadata")
    metadata["data"] = {"hash_algo": "sha256", "hash_value": "of the other cloud"}
    section.update_object("metadata", metadata)
    new_id, _record = bench.restore(checkpoint, context, image["id"])
    assert glance.data(context, new_id) == b"x" * 1000


def test_a_restore_that_crashed_goes_on_with_the_image_it_made(bench, glance, context):
    data = os.urandom(SEVERAL_CHUNKS)
    image = glance.upload(context, data)
    checkpoint = bench.protect(context, image["id"])
    record = bench.record()
    new_resources = {}
    for hooks in (("on_main",), ("on_main", "on_complete")):
        bench.run(
            "restore",
            checkpoint,
            context,
            image["id"],
            hooks=hooks,
            restore=record,
            new_resources=new_resources,
        )
    (new_id,) = new_resources.values()
    assert image_ids(glance, context) == {image["id"], new_id}
    assert glance.data(context, new_id) == data
    section = checkpoint.get_resource_bank_section(image["id"])
    assert not section.list_objects(prefix="notes/")


def test_a_complete_image_stays_when_another_resource_fails(bench, glance, context):
    image = glance.upload(context, b"x" * 1000)
    checkpoint = bench.protect(context, image["id"])
    kwargs = {"restore": bench.record(), "new_resources": {}}
    arguments = ("restore", checkpoint, context, image["id"])
    bench.run(*arguments, hooks=("on_main",), **kwargs)
    bench.run(*arguments, hooks=("on_revert",), **kwargs)
    (new_id,) = kwargs["new_resources"].values()
    assert glance.images(context).get(new_id)["status"] == "active"


def test_two_restores_of_one_checkpoint_make_two_images(bench, glance, context):
    image = glance.upload(context, b"x" * 1000)
    checkpoint = bench.protect(context, image["id"])
    made = [bench.restore(checkpoint, context, image["id"])[0] for _ in range(2)]
    assert image_ids(glance, context) == {image["id"], *made}
    assert len(set(made)) == 2


def test_a_copy_restores_when_its_source_is_gone(bench, glance, context):
    data = os.urandom(SEVERAL_CHUNKS)
    image = glance.upload(context, data)
    checkpoint = bench.protect(context, image["id"])
    copied = bench.checkpoint(context)
    bench.run("copy", checkpoint, context, image["id"], checkpoint_copy=copied)
    bench.run("delete", checkpoint, context, image["id"])
    new_id, _record = bench.restore(copied, context, image["id"])
    assert glance.data(context, new_id) == data


def test_a_copy_that_fails_leaves_nothing(bench, glance, context):
    image = glance.upload(context, os.urandom(SEVERAL_CHUNKS))
    checkpoint = bench.protect(context, image["id"])
    damage(bench.chunk_files(checkpoint)[0])
    copied = bench.checkpoint(context)
    with pytest.raises(exception.CreateResourceFailed, match="chunk"):
        bench.run("copy", checkpoint, context, image["id"], checkpoint_copy=copied)
    assert copied.get_resource_bank_section(image["id"]).list_objects() == []


def test_delete_leaves_nothing_of_the_image(bench, glance, context):
    image = glance.upload(context, os.urandom(SEVERAL_CHUNKS))
    checkpoint = bench.protect(context, image["id"])
    bench.run("delete", checkpoint, context, image["id"])
    section = checkpoint.get_resource_bank_section(image["id"])
    assert section.list_objects() == []
    with pytest.raises(exception.RestoreResourceFailed, match="no completely"):
        bench.restore(checkpoint, context, image["id"])


class StopsGlance:
    """Progress that stops Glance when so many bytes have been moved.

    Whoever reports meanwhile waits, so that no more is moved than is in flight.
    """

    def __init__(self, lab, limit):
        self.lab = lab
        self.left = limit
        self.lock = threading.Lock()

    def expect(self, size):
        """Not looked at."""

    def advance(self, size):
        with self.lock:
            self.left -= size
            if self.left <= 0 and self.lab is not None:
                self.lab.stop()
                self.lab = None


def test_glance_stopped_during_a_restore_keeps_no_half_made_image(
    own_glance, own_bench, context
):
    size = 24 * 1024 * 1024
    bench = own_bench
    image = own_glance.upload(context, os.urandom(size))
    checkpoint = bench.protect(context, image["id"])
    stopper = StopsGlance(own_glance, size // 2)

    def start_again():
        while stopper.lab is not None:
            time.sleep(0.05)
        own_glance.start()

    starter = threading.Thread(target=start_again)
    starter.start()
    with pytest.raises(exception.RestoreResourceFailed):
        bench.run(
            "restore",
            checkpoint,
            context,
            image["id"],
            restore=bench.record(),
            new_resources={},
            progress=stopper,
        )
    starter.join()
    assert image_ids(own_glance, context) == {image["id"]}


def test_a_download_that_breaks_off_goes_on(glance, context, tmp_path, monkeypatch):
    monkeypatch.setattr(glance_images, "FIRST_PAUSE", 0.01)
    data = os.urandom(SEVERAL_CHUNKS)
    image = glance.upload(context, data)
    asked = []
    with FaultProxy(int(glance.url.rpartition(":")[2])).running() as proxy:
        proxy.fail(Fault.CUT_ANSWER, Fault.CUT_ANSWER, path="/file")
        plan = proxy.plan

        def remember(request):
            if request.path.endswith("/file"):
                asked.append(request.headers.get("range"))
            return plan(request)

        proxy.plan = remember
        with contextlib.closing(ImageBench(tmp_path, proxy)) as bench:
            checkpoint = bench.protect(context, image["id"])
            section = checkpoint.get_resource_bank_section(image["id"])
            with section.open_stream("data") as stream:
                assert stream.read() == data
    first, *later = asked
    assert first is None
    assert len(later) == 2
    assert all(later)


def test_glance_stopped_during_a_protect_fails_it(
    own_glance, own_bench, context, monkeypatch
):
    monkeypatch.setattr(glance_images, "FIRST_PAUSE", 0.01)
    size = 64 * 1024 * 1024
    bench = own_bench
    image = own_glance.upload(context, bytes(size))
    checkpoint = bench.checkpoint(context)
    with pytest.raises(exception.CreateResourceFailed, match="give the data"):
        bench.run(
            "protect",
            checkpoint,
            context,
            image["id"],
            progress=StopsGlance(own_glance, size // 8),
        )
    section = checkpoint.get_resource_bank_section(image["id"])
    assert section.list_objects() == []
