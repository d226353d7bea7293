# SPDX-License-Identifier: Apache-2.0
"""Who may do what, by default; an operator changes it in policy.yaml."""

from oslo_policy import policy

from karbor.api.policies import (
    base,
    operation_logs,
    plans,
    protectables,
    providers,
    restores,
    services,
    verifications,
)


def list_rules() -> list[policy.RuleDefault]:
    """All rules; the sample policy file is made from them."""
    return [
        *base.RULES,
        *operation_logs.RULES,
        *plans.RULES,
        *protectables.RULES,
        *providers.RULES,
        *restores.RULES,
        *services.RULES,
        *verifications.RULES,
    ]
