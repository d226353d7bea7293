# SPDX-License-Identifier: Apache-2.0
"""Downloads from a Glance whose connections break."""

import os

import pytest

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import glance_images
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.glance_images import Images
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.image_store import ImageServer

DATA = os.urandom(4_000_000)


@pytest.fixture
def glance():
    with ImageServer().running() as server:
        yield server


@pytest.fixture
def download(glance, monkeypatch):
    """Downloads an image with the data."""
    monkeypatch.setattr(glance_images, "FIRST_PAUSE", 0.001)
    conf = empty_configuration()
    glance.configure(conf)
    conf.set_override("retries", 0, "glance_client")
    context = RequestContext(user_id="u", project_id="p", overwrite=False)
    images = Images(ClientFactory.create_client("glance", context, conf))
    image_id = glance.make(name="one")["id"]
    glance.fill(image_id, DATA)
    return lambda: b"".join(images.download(image_id))


@pytest.mark.parametrize("sent", [3_999_999, 4_000_000])
def test_it_ends_where_the_data_does(glance, download, sent):
    glance.breaks = [sent]
    assert download() == DATA


def offsets(glance):
    return [request.headers.get("Range") for request in glance.requests]


def test_it_goes_on_where_a_connection_broke(glance, download):
    glance.breaks = [1_500_000, 1_500_000]
    assert download() == DATA
    first, second, third = offsets(glance)
    assert first is None
    assert 0 < int(second[6:-1]) < int(third[6:-1]) < 3_000_001


def test_a_glance_that_knows_no_ranges_is_read_again(glance, download):
    glance.knows_ranges = False
    glance.breaks = [1_500_000, 2_500_000]
    assert download() == DATA


def test_it_goes_on_when_glance_is_away_for_a_moment(glance, download):
    glance.breaks = [1_500_000]
    answer = glance._download

    def be_away_next(data, request):
        glance.failing["GET"] = [] if "Range" in request.headers else [503, 502]
        return answer(data, request)

    glance._download = be_away_next
    assert download() == DATA
    assert len(glance.requests) == 4


def test_it_ends_when_connections_break_again_and_again(glance, download):
    glance.breaks = [200_000, *[0] * 10]
    with pytest.raises(ServiceFailed, match="give the data of image") as caught:
        download()
    assert caught.value.retryable
    assert len(glance.requests) == 1 + glance_images.RESUMPTIONS


def test_a_connection_that_breaks_at_once_is_made_again(glance, download):
    glance.breaks = [10]
    assert download() == DATA


def test_what_glance_refuses_is_not_asked_again(glance, download):
    glance.failing["GET"] = [403]
    with pytest.raises(ServiceFailed, match="made to fail"):
        download()
    assert len(glance.requests) == 1


def test_an_image_that_is_deleted_meanwhile_is_an_error(glance, download):
    glance.breaks = [200_000]
    answer = glance._download

    def lose(data, request):
        glance.images.clear()
        return answer(data, request)

    glance._download = lose
    with pytest.raises(ServiceFailed, match="no such image"):
        download()
