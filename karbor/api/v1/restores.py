# SPDX-License-Identifier: Apache-2.0
"""Restores and verifications: what is done with a checkpoint, and how it went.

The record is created here and completed by the protection service. When that
refuses at once, nothing has begun: the record is removed and the caller gets the
reason. When it is not known whether something has begun, the record stays, failed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import falcon

from karbor import exception
from karbor.api import body
from karbor.api.listing import QuerySchema
from karbor.api.policies import restores as restore_policies
from karbor.api.policies import verifications as verification_policies
from karbor.api.schemas import bodies
from karbor.api.v1.controller import (
    Controller,
    check_uuid,
    page_arguments,
    pick,
    to_message,
)
from karbor.common import constants
from karbor.context import RequestContext
from karbor.db.repository import Repository

_QUERY = QuerySchema("id", "status", "checkpoint_id", "provider_id", of_projects=True)


def _start(
    context: RequestContext,
    repository: Repository,
    values: dict[str, Any],
    begin: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Create a record and have the work begun that it stands for."""
    record = repository.create(
        context,
        {
            "status": constants.RESTORE_STATUS_IN_PROGRESS,
            "resources_status": {},
            "resources_reason": {},
            **values,
        },
    )
    try:
        begin(to_message(record))
    except exception.KarborException as error:
        if error.code < 500:
            repository.delete(context, record["id"])
        else:
            _fail(context, repository, record["id"])
        raise
    except Exception:
        _fail(context, repository, record["id"])
        raise
    return repository.get(context, record["id"])


def _fail(context: RequestContext, repository: Repository, record_id: str) -> None:
    record = repository.get(context, record_id)
    if record["status"] == constants.RESTORE_STATUS_IN_PROGRESS:
        repository.update(
            context, record_id, {"status": constants.RESTORE_STATUS_FAILURE}
        )


class Restores(Controller):
    """``/restores``"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, restore_policies.GET_ALL)
        query = _QUERY.parse(req, context, self.conf)
        found = self.database.restores.list(
            context, all_tenants=query.all_tenants, **page_arguments(query)
        )
        views = [view_restore(restore) for restore in found]
        self.answer_page(req, resp, query, "restores", views)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, restore_policies.CREATE)
        values = body.load(req, bodies.RESTORE_CREATE)["restore"]
        # Goes to the protection service and nowhere else: it holds a password.
        restore_auth = values.pop("restore_auth", None)
        restore = _start(
            context,
            self.database.restores,
            {
                "provider_id": values["provider_id"],
                "checkpoint_id": values["checkpoint_id"],
                "restore_target": values.get("restore_target"),
                "parameters": values.get("parameters") or {},
            },
            lambda record: self.protection.restore(context, record, restore_auth),
        )
        self.answer(resp, {"restore": view_restore(restore)})


class Restore(Controller):
    """``/restores/{restore_id}``"""

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, restore_id: str
    ) -> None:
        context = self.allow(req, restore_policies.GET)
        check_uuid(restore_id, "restore")
        restore = self.database.restores.get(context, restore_id)
        self.allow(req, restore_policies.GET, restore)
        self.answer(resp, {"restore": view_restore(restore)})


class Verifications(Controller):
    """``/verifications``"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, verification_policies.GET_ALL)
        query = _QUERY.parse(req, context, self.conf)
        found = self.database.verifications.list(
            context, all_tenants=query.all_tenants, **page_arguments(query)
        )
        views = [view_verification(verification) for verification in found]
        self.answer_page(req, resp, query, "verifications", views)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, verification_policies.CREATE)
        values = body.load(req, bodies.VERIFICATION_CREATE)["verification"]
        verification = _start(
            context,
            self.database.verifications,
            {
                "provider_id": values["provider_id"],
                "checkpoint_id": values["checkpoint_id"],
                "parameters": values.get("parameters") or {},
            },
            lambda record: self.protection.verification(context, record),
        )
        self.answer(resp, {"verification": view_verification(verification)})


class Verification(Controller):
    """``/verifications/{verification_id}``"""

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, verification_id: str
    ) -> None:
        context = self.allow(req, verification_policies.GET)
        check_uuid(verification_id, "verification")
        verification = self.database.verifications.get(context, verification_id)
        self.allow(req, verification_policies.GET, verification)
        self.answer(resp, {"verification": view_verification(verification)})


_SHARED_FIELDS = (
    "id",
    "project_id",
    "provider_id",
    "checkpoint_id",
    "parameters",
    "status",
    "resources_status",
    "resources_reason",
    "created_at",
    "updated_at",
)


def view_restore(restore: Mapping[str, Any]) -> dict[str, Any]:
    """A restore as an answer shows it."""
    return pick(restore, *_SHARED_FIELDS, "restore_target")


def view_verification(verification: Mapping[str, Any]) -> dict[str, Any]:
    """A verification as an answer shows it."""
    return pick(verification, *_SHARED_FIELDS)
