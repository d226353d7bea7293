# SPDX-License-Identifier: Apache-2.0
"""Decides whether a caller may do something, with oslo.policy."""

from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_policy import opts, policy

from karbor import exception
from karbor.api import policies
from karbor.context import RequestContext


class Authority:
    """The rules of this service, with the operator's changes. Thread-safe."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        opts.set_defaults(conf, policy_file="policy.yaml")
        self.enforcer = policy.Enforcer(conf)
        self.enforcer.register_defaults(policies.list_rules())

    def is_admin(self, context: RequestContext) -> bool:
        """Whether the rule context_is_admin holds for the caller."""
        return bool(self.enforcer.authorize("context_is_admin", {}, context))

    def check(
        self,
        context: RequestContext,
        action: str,
        target: Mapping[str, Any] | None = None,
    ) -> None:
        """
        :param action: a rule's name, such as ``plan:create``
        :param target: what it is done to; default: something of the caller's project
        :raises PolicyNotAuthorized: when the rule does not hold
        """
        credentials = context.to_policy_values()
        credentials["is_admin"] = context.is_admin
        project_id = (target or {}).get("project_id") or context.project_id
        if not self.enforcer.authorize(action, {"project_id": project_id}, credentials):
            raise exception.PolicyNotAuthorized(action=action)


def get_enforcer() -> policy.Enforcer:
    """The enforcer for oslo.policy's command line tools."""
    cfg.CONF([], project="karbor")
    return Authority(cfg.CONF).enforcer
