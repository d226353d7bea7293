# SPDX-License-Identifier: Apache-2.0
"""Rules of providers and of the checkpoints below them."""

from karbor.api.policies.base import rule

GET = "provider:get"
GET_ALL = "provider:get_all"
CHECKPOINT_GET = "provider:checkpoint_get"
CHECKPOINT_GET_ALL = "provider:checkpoint_get_all"
CHECKPOINT_CREATE = "provider:checkpoint_create"
CHECKPOINT_DELETE = "provider:checkpoint_delete"
CHECKPOINT_UPDATE = "provider:checkpoint_update"
COPY_CREATE = "copy:create"

_CHECKPOINTS = "/providers/{provider_id}/checkpoints"
_CHECKPOINT = _CHECKPOINTS + "/{checkpoint_id}"

RULES = [
    rule(GET, "Show a provider.", "GET", "/providers/{provider_id}"),
    rule(GET_ALL, "List providers.", "GET", "/providers"),
    rule(CHECKPOINT_GET, "Show a checkpoint.", "GET", _CHECKPOINT),
    rule(CHECKPOINT_GET_ALL, "List checkpoints.", "GET", _CHECKPOINTS),
    rule(CHECKPOINT_CREATE, "Protect a plan.", "POST", _CHECKPOINTS),
    rule(CHECKPOINT_DELETE, "Delete a checkpoint.", "DELETE", _CHECKPOINT),
    rule(CHECKPOINT_UPDATE, "Reset a checkpoint's state.", "PUT", _CHECKPOINT),
    rule(COPY_CREATE, "Copy a plan's checkpoints.", "POST", _CHECKPOINTS + "/action"),
]
