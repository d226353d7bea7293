# SPDX-License-Identifier: Apache-2.0
"""What the rules of all resources are made of."""

from oslo_policy import policy

RULE_ADMIN_OR_OWNER = "rule:admin_or_owner"
RULE_ADMIN_API = "rule:admin_api"

_ADMIN = "is_admin:True or (role:admin and is_admin_project:True)"

RULES = [
    policy.RuleDefault(
        "context_is_admin", "role:admin", description="Who counts as an admin."
    ),
    policy.RuleDefault(
        "admin_or_owner",
        f"{_ADMIN} or project_id:%(project_id)s",
        description="An admin, or a member of the project that the target is of.",
    ),
    policy.RuleDefault("admin_api", _ADMIN, description="An admin."),
    policy.RuleDefault(
        "default", RULE_ADMIN_OR_OWNER, description="Where no rule is named."
    ),
]


def rule(
    name: str,
    description: str,
    method: str,
    path: str,
    check: str = RULE_ADMIN_OR_OWNER,
) -> policy.DocumentedRuleDefault:
    """The rule of one REST method; ``path`` is below ``/v1/{project_id}``."""
    return policy.DocumentedRuleDefault(
        name=name,
        check_str=check,
        description=description,
        operations=[{"method": method, "path": path}],
    )
