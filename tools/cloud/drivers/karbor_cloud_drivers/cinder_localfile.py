# SPDX-License-Identifier: Apache-2.0
"""A Cinder back end: a volume is a sparse raw file, a snapshot a full copy of it.

To users it is as LVM: an attached volume can be snapshotted, a snapshot does not need
its volume. It needs nothing of the kernel. Volumes are attached by os-brick's own
connector LOCAL, which is given the path of the file.
"""

import contextlib
import os

from cinder import exception, interface
from cinder.image import image_utils
from cinder.volume import configuration, driver, volume_utils
from oslo_config import cfg
from oslo_utils import fileutils, units

OPTS = [
    cfg.StrOpt(
        "localfile_dir",
        default="$state_path/localfile",
        help="Folder of the volumes' files.",
    ),
    cfg.IntOpt(
        "localfile_size_gb",
        default=1000,
        help="The capacity that is reported; files are sparse.",
    ),
]
cfg.CONF.register_opts(OPTS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class LocalFileDriver(driver.CloneableImageVD, driver.MigrateVD, driver.BaseVD):
    """Volumes and snapshots are files of one folder, by their names."""

    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.configuration.append_config_values(OPTS)
        self._stats = {}

    @classmethod
    def get_driver_options(cls):
        return OPTS

    def do_setup(self, context):
        fileutils.ensure_tree(self._folder, mode=0o755)

    def check_for_setup_error(self):
        if not os.access(self._folder, os.W_OK):
            raise exception.VolumeBackendAPIException(
                data=f"{self._folder} is not writable"
            )

    def local_path(self, volume):
        """Of a volume or a snapshot."""
        return os.path.join(self._folder, volume["name"])

    def create_volume(self, volume):
        _resize(self.local_path(volume), volume["size"])

    def delete_volume(self, volume):
        self._remove(volume)

    def extend_volume(self, volume, new_size):
        _resize(self.local_path(volume), new_size)

    def create_cloned_volume(self, volume, src_vref):
        self._copy(self.local_path(src_vref), volume)

    def create_snapshot(self, snapshot):
        source = os.path.join(self._folder, snapshot["volume_name"])
        self._copy(source, snapshot, snapshot["volume_size"])

    def delete_snapshot(self, snapshot):
        self._remove(snapshot)

    def create_volume_from_snapshot(self, volume, snapshot):
        self._copy(self.local_path(snapshot), volume)

    def revert_to_snapshot(self, context, volume, snapshot):
        self._copy(self.local_path(snapshot), volume)

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        return None, False

    def copy_image_to_volume(
        self, context, volume, image_service, image_id, disable_sparse=False
    ):
        path = self.local_path(volume)
        image_utils.fetch_to_raw(
            context,
            image_service,
            image_id,
            path,
            self.configuration.volume_dd_blocksize,
            size=volume["size"],
            run_as_root=False,
        )
        # qemu-img leaves the file as long as the image.
        _resize(path, volume["size"])

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        volume_utils.upload_volume(
            context,
            image_service,
            image_meta,
            self.local_path(volume),
            volume,
            run_as_root=False,
        )

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def create_export_snapshot(self, context, snapshot, connector):
        pass

    def remove_export_snapshot(self, context, snapshot):
        pass

    def initialize_connection(self, volume, connector, **named):
        return {
            "driver_volume_type": "local",
            "data": {"device_path": self.local_path(volume)},
        }

    def terminate_connection(self, volume, connector, **named):
        # A restore of a backup truncates the file first, and may leave it short.
        _resize(self.local_path(volume), volume["size"])

    def initialize_connection_snapshot(self, snapshot, connector, **named):
        return self.initialize_connection(snapshot, connector)

    def terminate_connection_snapshot(self, snapshot, connector, **named):
        pass

    def migrate_volume(self, context, volume, host):
        return False, None

    def retype(self, context, volume, new_type, diff, host):
        return False, None

    @property
    def _folder(self):
        return self.configuration.localfile_dir

    def _copy(self, source, target, gigabytes=None):
        path = self.local_path(target)
        temporary = f"{path}.part"
        self._execute("cp", "--sparse=auto", "--reflink=auto", source, temporary)
        _resize(temporary, gigabytes or target["size"])
        os.rename(temporary, path)

    def _remove(self, volume):
        # A deletion may come twice.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.local_path(volume))

    def _update_volume_stats(self):
        name = self.configuration.safe_get("volume_backend_name")
        size = self.configuration.localfile_size_gb
        used = sum(_used(entry) for entry in os.scandir(self._folder)) / units.Gi
        self._stats = {
            "volume_backend_name": name,
            "vendor_name": "Karbor",
            "driver_version": self.VERSION,
            "storage_protocol": "local",
            "pools": [
                {
                    "pool_name": name,
                    "total_capacity_gb": size,
                    "free_capacity_gb": size - used,
                    "provisioned_capacity_gb": used,
                    "reserved_percentage": 0,
                    "QoS_support": False,
                    "thin_provisioning_support": True,
                    "thick_provisioning_support": False,
                    "max_over_subscription_ratio": 20.0,
                    "multiattach": True,
                    "backend_state": "up",
                }
            ],
        }


def _resize(path, gigabytes):
    """Make a file, or cut or fill it with a hole, to a size."""
    with open(path, "ab") as file:
        file.truncate(gigabytes * units.Gi)


def _used(entry):
    with contextlib.suppress(FileNotFoundError):
        return entry.stat().st_blocks * 512
    return 0
