# SPDX-License-Identifier: Apache-2.0
"""Translation of user-visible messages; plugins of Karbor 1.x import ``_``."""

import oslo_i18n

DOMAIN = "karbor"

_translators = oslo_i18n.TranslatorFactory(domain=DOMAIN)

_ = _translators.primary
