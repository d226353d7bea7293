# SPDX-License-Identifier: Apache-2.0
"""Providers: where checkpoints go and what protects which resource type."""

from collections.abc import Mapping
from typing import Any

import falcon

from karbor.api.listing import QuerySchema
from karbor.api.policies import providers as policies
from karbor.api.v1.controller import Controller, check_uuid, page_arguments, pick

_QUERY = QuerySchema("name", "description", "id")


class Providers(Controller):
    """``/providers``"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, policies.GET_ALL)
        query = _QUERY.parse(req, context, self.conf)
        found = self.protection.list_providers(context, **page_arguments(query))
        self.answer_page(req, resp, query, "providers", [view(one) for one in found])


class Provider(Controller):
    """``/providers/{provider_id}``"""

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, provider_id: str
    ) -> None:
        context = self.allow(req, policies.GET)
        check_uuid(provider_id, "provider")
        provider = self.protection.show_provider(context, provider_id)
        self.answer(resp, {"provider": view(provider)})


def view(provider: Mapping[str, Any]) -> dict[str, Any]:
    """A provider as an answer shows it."""
    return pick(provider, "id", "name", "description", "extended_info_schema")
