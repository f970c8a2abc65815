# SPDX-License-Identifier: Apache-2.0
"""The kernel's management of Bluetooth, for what no D-Bus client could bring about.

Source: BlueZ, doc/mgmt-api.txt (commands 0x0005, 0x0007, 0x0023 and 0x0024).
"""

from __future__ import annotations

from bzd.doctor import management

_SET_POWERED, _SET_CONNECTABLE, _START_DISCOVERY, _STOP_DISCOVERY = 0x0005, 0x0007, 0x0023, 0x0024
_LE = 0x06
"""Addresses to discover: LE public and LE random."""


class Management(management.Management):
    """A management socket that changes things."""

    def power(self, *, on: bool) -> int:
        """Switch the adapter on or off; the status, 0 for success."""
        return self.ask(_SET_POWERED, bytes([on]))[0]

    def connect(self, *, on: bool) -> int:
        """Have the adapter accept connections or not, as `btmgmt connectable`; the status, 0 for success."""
        return self.ask(_SET_CONNECTABLE, bytes([on]))[0]

    def discover(self, *, on: bool) -> int:
        """Start or stop a discovery; the status, 0 for success."""
        return self.ask(_START_DISCOVERY if on else _STOP_DISCOVERY, bytes([_LE]))[0]
