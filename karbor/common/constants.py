# SPDX-License-Identifier: Apache-2.0
"""Names that plugins, operators and clients share with Karbor."""

RPC_VERSION = "1.0"

OPERATION_TYPES = (
    OPERATION_PROTECT,
    OPERATION_RESTORE,
    OPERATION_DELETE,
    OPERATION_VERIFY,
    OPERATION_COPY,
) = ("protect", "restore", "delete", "verify", "copy")

PLUGIN_BANK = "bank"

RESOURCE_TYPES = (
    PROJECT_RESOURCE_TYPE,
    SERVER_RESOURCE_TYPE,
    VOLUME_RESOURCE_TYPE,
    IMAGE_RESOURCE_TYPE,
    SHARE_RESOURCE_TYPE,
    NETWORK_RESOURCE_TYPE,
    DATABASE_RESOURCE_TYPE,
) = (
    "OS::Keystone::Project",
    "OS::Nova::Server",
    "OS::Cinder::Volume",
    "OS::Glance::Image",
    "OS::Manila::Share",
    "OS::Neutron::Network",
    "OS::Trove::Instance",
)

#: Types that only hold others together: without a plugin for them there is nothing
#: of their own to protect, so they take part in the graph without hooks.
GROUPING_RESOURCE_TYPES = (PROJECT_RESOURCE_TYPE,)

PLAN_STATUS_SUSPENDED = "suspended"
PLAN_STATUS_STARTED = "started"

CHECKPOINT_STATUS_ERROR = "error"
CHECKPOINT_STATUS_PROTECTING = "protecting"
CHECKPOINT_STATUS_WAIT_COPYING = "wait_copying"
CHECKPOINT_STATUS_COPYING = "copying"
CHECKPOINT_STATUS_COPY_FINISHED = "finished"
CHECKPOINT_STATUS_AVAILABLE = "available"
CHECKPOINT_STATUS_DELETING = "deleting"
CHECKPOINT_STATUS_DELETED = "deleted"
CHECKPOINT_STATUS_ERROR_DELETING = "error-deleting"

RESOURCE_STATUS_ERROR = "error"
RESOURCE_STATUS_PROTECTING = "protecting"
RESOURCE_STATUS_STARTED = "started"
RESOURCE_STATUS_AVAILABLE = "available"
RESOURCE_STATUS_DELETING = "deleting"
RESOURCE_STATUS_DELETED = "deleted"
RESOURCE_STATUS_RESTORING = "restoring"
RESOURCE_STATUS_RESTORED = "restored"
RESOURCE_STATUS_VERIFYING = "verifying"
RESOURCE_STATUS_COPYING = "copying"
RESOURCE_STATUS_UNDEFINED = "undefined"

RESTORE_STATUS_SUCCESS = "success"
RESTORE_STATUS_FAILURE = "fail"
RESTORE_STATUS_IN_PROGRESS = "in_progress"

OPERATION_EXE_STATE_IN_PROGRESS = "in_progress"
OPERATION_EXE_STATE_SUCCESS = "success"
OPERATION_EXE_STATE_FAILED = "failed"

CHECKPOINT_CREATED_BY = (OPERATION_ENGINE, MANUAL) = ("operation-engine", "manual")
