# SPDX-License-Identifier: Apache-2.0
"""Application data protection for OpenStack clouds."""

import warnings

from oslo_service import backend

# oslo.messaging picks oslo.service's back end when it is imported, and without this
# picks eventlet's. Karbor uses threads only, so it says so before any other import.
backend.register_backend_default_hook(lambda: backend.BackendType.THREADING)

# oslo.service brings eventlet, and futurist looks whether it is there: neither
# starts it, so its warning would tell an operator nothing.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
