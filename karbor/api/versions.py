# SPDX-License-Identifier: Apache-2.0
"""The documents that say which versions of the API there are; no token needed."""

from typing import Any

import falcon
from oslo_config import cfg

from karbor.api import faults
from karbor.api.listing import base_url


class Versions:
    """``/``: all versions, as discovery in keystoneauth wants them."""

    is_public = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.status = falcon.HTTP_MULTIPLE_CHOICES
        resp.content_type = falcon.MEDIA_JSON
        resp.data = faults.to_bytes({"versions": [document(req, self._conf)]})


class Version1:
    """``/v1``: the one version."""

    is_public = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = faults.to_bytes({"version": document(req, self._conf)})


def document(req: falcon.Request, conf: cfg.ConfigOpts) -> dict[str, Any]:
    """What discovery reads of version 1."""
    href = f"{base_url(req, conf)}/v1/"
    return {
        "id": "v1.0",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": href}],
    }
