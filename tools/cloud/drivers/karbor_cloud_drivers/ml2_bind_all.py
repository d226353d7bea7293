# SPDX-License-Identifier: Apache-2.0
"""An ML2 mechanism driver that binds every port at once, without agents."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class BindAllMechanismDriver(api.MechanismDriver):
    """Binds a port to the first segment of its network; the port is then ACTIVE."""

    def initialize(self):
        """Nothing to do: there is nothing behind this."""

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        segment = context.segments_to_bind[0]
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_OVS,
            {
                portbindings.CAP_PORT_FILTER: True,
                portbindings.VIF_DETAILS_CONNECTIVITY: self.connectivity,
            },
            status=constants.PORT_STATUS_ACTIVE,
        )
