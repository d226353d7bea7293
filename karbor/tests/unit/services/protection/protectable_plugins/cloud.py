# SPDX-License-Identifier: Apache-2.0
"""Names that the tests of these plugins share."""

from karbor.common import constants
from karbor.resource import Resource

PROJECT = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32


def project(project_id=PROJECT):
    return Resource(constants.PROJECT_RESOURCE_TYPE, project_id, None)


def server(server_id, name=None):
    return Resource(constants.SERVER_RESOURCE_TYPE, server_id, name)


def ids(resources):
    return [resource.id for resource in resources]
