# SPDX-License-Identifier: Apache-2.0
"""Application data protection for OpenStack clouds."""

from oslo_service import backend

# oslo.messaging picks oslo.service's back end when it is imported, and without this
# picks eventlet's. Karbor uses threads only, so it says so before any other import.
backend.register_backend_default_hook(lambda: backend.BackendType.THREADING)
