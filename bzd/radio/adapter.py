# SPDX-License-Identifier: Apache-2.0
"""The Bluetooth adapter: how it is, and whether a badge may broadcast on it.

A rolling ID protects nobody if the radio beside it sends an address that stays. So the badge refuses an adapter whose
state would put the public address, or one that outlives a rotation, on air. What the kernel does was measured with
Linux 6.1 and 6.12 and read in net/bluetooth/hci_sync.c: only advertising that is not connectable takes a new
non-resolvable private address each time, and the adapter's own connectable and discoverable settings make it so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bzd.errors import RadioError

ADAPTER = "org.bluez.Adapter1"
MAIN_CONF = Path("/etc/bluetooth/main.conf")
"""Where bluetoothd reads its configuration on Debian and Raspberry Pi OS."""

_OFF = "off"
_LONGEST = 1 << 20
"""Of that file; Debian's has 10 kB."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What bluetoothd says of an adapter (BlueZ, doc/org.bluez.Adapter.rst).

    Attributes:
        powered: whether it is on.
        blocked: whether rfkill keeps it off; known from BlueZ's experimental features on.
        discoverable: whether it answers inquiries.
        connectable: whether it accepts connections; None where this bluetoothd does not say: 5.82 does, 5.66
            does not; see `bzd.radio.leftover`.
        discovering: whether a discovery runs, of any program.
    """

    powered: bool
    blocked: bool = False
    discoverable: bool = False
    connectable: bool | None = None
    discovering: bool = False

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> Adapter:
        """From the properties of `org.bluez.Adapter1`."""
        return cls(
            powered=bool(properties.get("Powered", False)),
            blocked=properties.get("PowerState") == "off-blocked",
            discoverable=bool(properties.get("Discoverable", False)),
            connectable=bool(properties["Connectable"]) if "Connectable" in properties else None,
            discovering=bool(properties.get("Discovering", False)),
        )


def check(name: str, adapter: Adapter, privacy: str) -> None:
    """Refuse an adapter on which broadcasting would give the badge away.

    Args:
        name: of the adapter, for example `hci0`.
        adapter: how it is.
        privacy: bluetoothd's Privacy setting, see `privacy_setting`.

    Raises:
        RadioError: saying what is wrong and how to mend it.
    """
    if adapter.discoverable:
        raise RadioError(
            f"adapter {name} is discoverable, so that advertising would show its public address",
            f"`bluetoothctl discoverable off`, and pair nothing while {name} is a badge's",
        )
    if adapter.connectable:
        raise RadioError(
            f"adapter {name} is connectable, so that advertising would show its public address",
            "`btmgmt connectable off`, or find the program that turned it on",
        )
    if privacy != _OFF:
        raise RadioError(
            f"bluetoothd's Privacy is {privacy!r}, with which the address outlives a change of the rolling ID",
            f"set Privacy = off in the section [General] of {MAIN_CONF}, then `systemctl restart bluetooth`",
        )


def privacy_setting(path: Path = MAIN_CONF) -> str:
    """The Privacy setting in bluetoothd's configuration; `off`, its default, where there is none.

    With `device` or `network`, a legacy controller was seen to keep its resolvable address over a new registration.

    Args:
        path: bluetoothd's configuration file, which need not be there.

    Raises:
        RadioError: if it is there and may not be read: then the setting could be anything.
    """
    return setting("Privacy", path, default=_OFF).lower()


def setting(name: str, path: Path = MAIN_CONF, *, default: str = "") -> str:
    """What stands for a name in the section [General] of bluetoothd's configuration.

    Read as GLib's GKeyFile does, which bluetoothd uses: white space around a line is nothing, only `#` begins a
    comment, the last of several counts. A line that is none is passed over, where GLib would refuse the whole file and
    bluetoothd take its defaults: what may be wrong is better refused than believed.

    Raises:
        RadioError: if the file is there and may not be read.
    """
    section, found = "", default
    for line in map(str.strip, _read(path).split("\n")):
        if line.startswith("["):
            section = line[1:].partition("]")[0]
        elif section == "General" and not line.startswith("#"):
            key, equals, value = line.partition("=")
            found = value.strip() if equals and key.strip() == name else found
    return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        hint = f"`sudo chmod 0644 {path}`, as it is after its installation, or run this as root"
        raise RadioError(
            f"{path} may not be read, and bluetoothd's Privacy is unknown: {error.strerror}", hint
        ) from error
