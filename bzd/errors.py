# SPDX-License-Identifier: Apache-2.0
"""Every error that a user can meet, with its exit code and a hint.

::

    BzdError                    1   something failed that no class below names
     ├─ ConfigError             3   the configuration file or a --set value is wrong
     ├─ InputError              4   a file named on the command line cannot be used
     │   └─ TraceError          4   ... is no trace, or a kind of trace that holds no advertisements
     ├─ OutputError             5   a file cannot be written, or may not be written there
     │   └─ DiskFullError       5   ... because the disk is full or read-only
     ├─ StateError              6   there is no store here, or there is one already
     ├─ IdentityError           7   the identity is missing or cannot open this
     │   └─ PassphraseError     7   ... because the passphrase is wrong or was not given
     ├─ StoreError              8   the store is damaged, or is no store
     │   └─ StoreVersionError   8   ... because a newer bzd wrote it
     ├─ BusyError               9   another process holds what this one needs
     ├─ RadioError             12   the Bluetooth adapter cannot be used, or may not be used as it is
     │   ├─ BusError           12   ... because bluetoothd or the bus refused or did not answer
     │   └─ MonitorRefusedError 12  ... because bluetoothd takes no advertisement monitor
     └─ FeedError              14   a feed of key files cannot be fetched, or does what none may do

2 is wrong usage (click), 130 an interrupt; 10 and 11 are reserved for `match --exit-code`, and 13 says that
`doctor` found a problem. A code not listed is a failure.
"""

from __future__ import annotations

from typing import ClassVar


class BzdError(Exception):
    """The base of all errors that are shown to the user as one line, with a hint on a second.

    Args:
        message: what is wrong, lower case, without a full stop, naming the file or value.
        hint: what to do about it; without one, the hint of the class is shown.
    """

    exit_code: ClassVar[int] = 1
    hint: str = "run again with --help, or report this with the command you ran"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class ConfigError(BzdError):
    """The configuration file or a `--set` value is wrong."""

    exit_code = 3
    hint = "`bzd config` shows every option, its value and where it came from"


class InputError(BzdError):
    """A file named on the command line cannot be used."""

    exit_code = 4
    hint = "check the path and its permissions"


class TraceError(InputError):
    """The file is no trace, or a kind of trace that holds no advertisements."""

    hint = "bzd reads btsnoop, pcap, pcapng, PacketLogger and its own JSON Lines, also gzipped"


class OutputError(BzdError):
    """A file cannot be written, or may not be written there."""

    exit_code = 5
    hint = "name another file; bzd overwrites no key and no store"


class DiskFullError(OutputError):
    """The disk is full or read-only."""

    hint = "what was there is still readable; make room, or remount the file system writable, and run again"


class StateError(BzdError):
    """There is no store here, or there is one already."""

    exit_code = 6
    hint = "`bzd init --state DIR` makes a store; --state or $BZD_STATE names one"


class IdentityError(BzdError):
    """The identity is missing or cannot open this."""

    exit_code = 7
    hint = "give the identity that belongs to one of the recipients with --identity FILE"


class PassphraseError(IdentityError):
    """The passphrase is wrong or was not given."""

    hint = "type it at the prompt, or name a file that holds it with --passphrase-file"


class StoreError(BzdError):
    """The store is damaged, or the file is no store."""

    exit_code = 8
    hint = "`bzd export store --salvage -o FILE` saves what can still be read"


class StoreVersionError(StoreError):
    """A newer bzd wrote the store."""

    hint = "read it with the version of bzd that wrote it, or a newer one"


class BusyError(BzdError):
    """Another process holds what this one needs."""

    exit_code = 9
    hint = "wait for the other bzd to end, or stop it"


class RadioError(BzdError):
    """The Bluetooth adapter cannot be used, or may not be used as it is."""

    exit_code = 12
    hint = "`bzd doctor` looks at adapter, bluetoothd and kernel, and says what to do"


class BusError(RadioError):
    """A call that failed, or a bus that is not there.

    Attributes:
        name: the D-Bus error name, for example `org.bluez.Error.Failed`.
        refused: whether bluetoothd itself refused, so that the call is known to have had no effect.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{message} ({name})")
        self.name = name
        self.refused = name.startswith("org.bluez.Error.")


class MonitorRefusedError(RadioError):
    """This bluetoothd takes no advertisement monitor, so that there is no full mode."""


class FeedError(BzdError):
    """A feed of key files cannot be fetched, or does what none may do."""

    exit_code = 14
    hint = "check the address and the network; what was fetched before is kept, and the rest is asked for next time"
