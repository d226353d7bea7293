# SPDX-License-Identifier: Apache-2.0
"""What is left in the cloud of an operation that failed."""

from karbor import exception
from karbor.i18n import _


class LeftBehind(exception.KarborException):
    """Something that an operation made could not be deleted.

    :param things: what is there, each with its id and why
    """

    message = _("Delete by hand what could not be deleted: %(things)s")
