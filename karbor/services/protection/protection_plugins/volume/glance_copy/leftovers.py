# SPDX-License-Identifier: Apache-2.0
"""Deleting what is on the way of a volume's data when nobody needs it any more."""

import functools
from typing import TYPE_CHECKING

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.resumable import (
    Notes,
    noted_restores,
    protect_notes,
)
from karbor.services.protection.protection_plugins.volume import temporary
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.saved import (
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.making import VolumeMaking
from karbor.services.protection.protection_plugins.volume.settings import (
    VolumeCloud,
    VolumeSettings,
)
from karbor.services.protection.protection_plugins.volume.snapshotting import (
    TemporarySnapshot,
)
from karbor.services.protection.waiting.until import Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

#: Names of notes: of the temporary volume, and of the image that has its data or the
#: bank's.
VOLUME, IMAGE = "volume", "image"


def clean_up_all(
    settings: VolumeSettings, context: RequestContext, section: "BankSection"
) -> Waits:
    """Delete what operations on a checkpoint left that were cut off.

    A volume that one had restored completely is kept.

    :raises LeftBehind: naming what could not be deleted
    """
    cloud = settings.cloud(context)
    saved = SavedVolume.find(section)
    described = saved.described if saved else VolumeDescription("", {})
    yield from removal.each(
        *(
            functools.partial(_settle_restore, cloud, notes, described)
            for notes in noted_restores(section)
        ),
        lambda: clean_up_protection(cloud, protect_notes(section)),
    )


def clean_up_protection(cloud: VolumeCloud, notes: Notes) -> Waits:
    """Delete what is temporary, in the order in which it depends on another.

    :raises LeftBehind: naming all that could not be deleted
    """
    yield from removal.each(
        lambda: _clean_up_image(cloud, notes),
        lambda: clean_up_volume(cloud, notes),
        lambda: TemporarySnapshot(cloud, notes).clean_up(),
    )


def clean_up_volume(cloud: VolumeCloud, notes: Notes) -> Waits:
    """Delete the temporary volume of a protection, if it is there.

    :raises LeftBehind: when it could not be deleted
    """
    yield from temporary.clean_up(cloud, notes, VOLUME, cloud.volumes, cloud.volumes)


def remove_image(cloud: VolumeCloud, notes: Notes) -> Waits:
    """Delete a restore's image, whose id is its note's token, if it is there.

    :raises LeftBehind: when it could not be deleted
    """
    note = notes.find(IMAGE)
    if note is None:
        return
    images = cloud.images
    things = cloud.image_things(images)
    try:
        yield from temporary.remove(
            cloud, things, images.delete, note.token, is_idle=True
        )
    except exception.KarborException as error:
        raise removal.LeftBehind(
            what=things.kind, id=note.token, reason=error
        ) from error
    notes.forget(IMAGE)


def _settle_restore(
    cloud: VolumeCloud, notes: Notes, described: VolumeDescription
) -> Waits:
    making = VolumeMaking(cloud, notes, {})
    # Some back ends keep an image as long as there is a volume of it.
    yield from removal.each(
        lambda: making.settle(described), lambda: remove_image(cloud, notes)
    )


def _clean_up_image(cloud: VolumeCloud, notes: Notes) -> Waits:
    images = cloud.images
    things = cloud.image_things(images)
    yield from temporary.clean_up(cloud, notes, IMAGE, things, images)
