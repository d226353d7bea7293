# SPDX-License-Identifier: Apache-2.0
"""Nova's own fake hypervisor, which also makes images and survives a restart.

Installed as ``nova.virt.karbor_cloud``, because Nova loads drivers from there only.
"""

import io
import os

from nova import context as nova_context
from nova import exception, objects
from nova.compute import power_state, task_states
from nova.image import glance
from nova.virt import fake

_IMAGE_BYTES = 64 * 1024


class CloudDriver(fake.FakeDriverWithoutFakeNodes):
    """Servers are entries of a dictionary; what they attach is real elsewhere."""

    def init_host(self, host):
        """Remember the servers that there were before a restart."""
        super().init_host(host)
        context = nova_context.get_admin_context()
        for instance in objects.InstanceList.get_by_host(
            context, host, expected_attrs=["flavor"]
        ):
            self.instances[instance.uuid] = fake.FakeInstance(
                instance.name,
                instance.power_state or power_state.RUNNING,
                instance.uuid,
            )
            self.resources.claim(
                vcpus=instance.flavor.vcpus,
                mem=instance.flavor.memory_mb,
                disk=instance.flavor.root_gb,
            )

    def snapshot(self, context, instance, image_id, update_task_state):
        """Upload random bytes, so that the image becomes active."""
        if instance.uuid not in self.instances:
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        api = glance.API()
        image = api.get(context, image_id)
        image.update({"disk_format": "raw", "container_format": "bare"})
        update_task_state(
            task_state=task_states.IMAGE_UPLOADING,
            expected_state=task_states.IMAGE_PENDING_UPLOAD,
        )
        api.update(context, image_id, image, io.BytesIO(os.urandom(_IMAGE_BYTES)))
