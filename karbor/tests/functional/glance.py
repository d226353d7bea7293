# SPDX-License-Identifier: Apache-2.0
"""A real Glance for tests, by ``tools/glance_lab.py``."""

import hashlib
import pathlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import glance as glance_client
from karbor.services.protection.clients.glance_images import Images

TOOL = pathlib.Path(__file__).resolve().parents[3] / "tools" / "glance_lab.py"


class GlanceLab:
    """A Glance in a folder, started and stopped as a test likes.

    :param base: where everything of it is
    """

    def __init__(self, base: pathlib.Path) -> None:
        self._base = base
        self.url = ""

    def start(self) -> None:
        """Start it, the second time on the same port."""
        port = self.url.rpartition(":")[2] or "0"
        self.url = self._run("start", "--port", port)

    def stop(self) -> None:
        """Stop it; its images stay."""
        self._run("stop")

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, str(TOOL), "--base", str(self._base), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{' '.join(command)}:\n{ended.stderr}"
        return ended.stdout.strip()

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Glance's endpoint."""
        glance_client.OPTIONS.register(conf)
        conf.set_override("glance_endpoint", self.url, group="glance_client")

    def images(self, context: RequestContext) -> Images:
        """The images that a user of it sees."""
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        self.configure(conf)
        return Images(ClientFactory.create_client("glance", context, conf))

    def upload(
        self, context: RequestContext, data: bytes, **fields: Any
    ) -> dict[str, Any]:
        """A new image with data, as Glance shows it."""
        images = self.images(context)
        defaults = {
            "name": "an image",
            "disk_format": "raw",
            "container_format": "bare",
        }
        image = images.create({**defaults, **fields})
        images.upload(image["id"], _Bytes(data))
        found = images.get(image["id"])
        assert found is not None
        assert found["os_hash_value"] == hashlib.sha512(data).hexdigest()
        return found

    def data(self, context: RequestContext, image_id: str) -> bytes:
        """All bytes of an image."""
        return b"".join(self.images(context).download(image_id))


def project_context(user: str = "alice", project: str | None = None) -> RequestContext:
    """A member of a project that no other test uses."""
    return RequestContext(
        user_id=user, project_id=project or uuid.uuid4().hex, overwrite=False
    )


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)

    def read(self, size: int) -> bytes:
        piece, self._view = bytes(self._view[:size]), self._view[size:]
        return piece


@pytest.fixture(scope="session")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GlanceLab]:
    """One Glance for all tests that do not stop it; they use projects of their own."""
    lab = GlanceLab(tmp_path_factory.mktemp("glance"))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def own_glance(tmp_path: pathlib.Path) -> Iterator[GlanceLab]:
    """A Glance that the test may stop."""
    lab = GlanceLab(tmp_path / "glance")
    lab.start()
    yield lab
    lab.stop()
