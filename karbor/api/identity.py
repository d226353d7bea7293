# SPDX-License-Identifier: Apache-2.0
"""Makes the context of each request: who asks, and for which project."""

import json
import re
from typing import Any

import falcon
from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.api.policy import Authority
from karbor.context import RequestContext

LOG = logging.getLogger(__name__)

#: What a bank can keep as a part of a key.
_PROJECT_ID = re.compile(r"(?!\.{1,2}$|\s+$)[^/\x00-\x1f\x7f]{1,255}")


class Identity:
    """Falcon middleware: puts a RequestContext into ``req.context.karbor``.

    With Keystone, keystonemiddleware has checked the token before this runs.
    Without, the project is that of the URL, and everybody is its admin, as Karbor
    1.x has it.
    """

    def __init__(self, conf: cfg.ConfigOpts, authority: Authority) -> None:
        self._authority = authority
        self._make = (
            self._without_keystone
            if conf.auth_strategy == "noauth"
            else self._from_keystone
        )

    def process_resource(
        self,
        req: falcon.Request,
        _resp: falcon.Response,
        resource: Any,
        params: dict[str, Any],
    ) -> None:
        if getattr(resource, "is_public", False):
            return
        url_project = params.pop("project_id")
        if not _PROJECT_ID.fullmatch(url_project):
            raise exception.InvalidInput(
                reason="the project id in the URL is longer than 255 characters, or "
                "'.', '..', blank, or has control characters"
            )
        req.context.karbor = self._make(req, url_project)

    def _without_keystone(
        self, req: falcon.Request, url_project: str
    ) -> RequestContext:
        token = req.get_header("X-Auth-Token") or ""
        user = token.partition(":")[0] or req.get_header("X-Auth-User") or "admin"
        return RequestContext(
            user_id=user,
            project_id=url_project,
            is_admin=True,
            roles=["admin"],
            request_id=req.env.get("openstack.request_id"),
            global_request_id=req.env.get("openstack.global_request_id"),
            remote_address=req.remote_addr,
        )

    def _from_keystone(self, req: falcon.Request, url_project: str) -> RequestContext:
        if req.get_header("X-Identity-Status") != "Confirmed":
            raise falcon.HTTPUnauthorized(description="A valid token is required.")
        context: RequestContext = RequestContext.from_environ(
            req.env,
            remote_address=req.remote_addr,
            service_catalog=_catalog(req),
        )
        context.is_admin = self._authority.is_admin(context)
        if context.project_id == url_project:
            return context
        if not context.is_admin:
            raise exception.NotAuthorized(
                "The project in the URL is not the project that the token is for."
            )
        # An admin sees and changes what the URL's project has. The token stays that of
        # its own project, which the context remembers.
        context.project_id = url_project
        return context


def _catalog(req: falcon.Request) -> list[dict[str, Any]]:
    text = req.get_header("X-Service-Catalog")
    if not text:
        return []
    try:
        return list(json.loads(text))
    except ValueError:
        LOG.warning("keystonemiddleware gave a service catalog that is no JSON")
        return []
