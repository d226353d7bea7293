# SPDX-License-Identifier: Apache-2.0
"""Services: which ones there are, up or down, enabled or disabled. For admins."""

from collections.abc import Mapping
from typing import Any

import falcon
from oslo_config import cfg

from karbor import exception
from karbor.api import body
from karbor.api.listing import parameters
from karbor.api.policies import services as policies
from karbor.api.schemas import bodies
from karbor.api.schemas.validation import Schema
from karbor.api.v1.controller import Controller, pick
from karbor.db.services import ServiceRepository

_TEXT = {"type": "string", "maxLength": 255}
_QUERY = Schema(
    {
        "type": "object",
        "properties": {"host": _TEXT, "binary": _TEXT},
        "additionalProperties": False,
    },
    "the query",
)


class Services(Controller):
    """``/os-services``"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, policies.GET_ALL)
        filters = parameters(req)
        _QUERY.check(filters)
        found = self.database.services.list(
            context, filters=filters, sort_keys=["host", "binary"], sort_dirs=["asc"]
        )
        views = [view(service, self.conf) for service in found]
        self.answer(resp, {"services": views})


class Service(Controller):
    """``/os-services/{service_id}``"""

    def on_put(
        self, req: falcon.Request, resp: falcon.Response, service_id: str
    ) -> None:
        context = self.allow(req, policies.UPDATE)
        values = body.load(req, bodies.SERVICE_UPDATE)
        disabled = values["status"] == "disabled"
        reason = values.get("disabled_reason")
        if reason and not disabled:
            raise exception.InvalidInput(
                reason="disabled_reason goes with the status disabled only"
            )
        service = self.database.services.update(
            context, service_id, {"disabled": disabled, "disabled_reason": reason}
        )
        self.answer(resp, {"service": view(service, self.conf)})


def view(service: Mapping[str, Any], conf: cfg.ConfigOpts) -> dict[str, Any]:
    """A service as an answer shows it."""
    is_up = ServiceRepository.is_up(service, conf.service_down_time)
    return {
        **pick(service, "id", "binary", "host", "updated_at", "disabled_reason"),
        "status": "disabled" if service["disabled"] else "enabled",
        "state": "up" if is_up else "down",
    }
