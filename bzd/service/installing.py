# SPDX-License-Identifier: Apache-2.0
"""Puts the service onto a machine or into an image of one, and takes it away again."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bzd import config
from bzd.errors import OutputError, StateError
from bzd.service import source
from bzd.service.system import System
from bzd.store.identity import PublicKey
from bzd.store.state import KEY_RECIPIENTS, RECIPIENTS, STORE_FILE, output_error

SERVICE = "bzd.service"
FIRST_BOOT = "bzd-init.service"
FETCHER = "bzd-feed.service"
POLLS = "bzd-feed.timer"
USERS = ("bzd", "bzd-feed")
STATE = "var/lib/bzd"
FETCHED = "var/lib/bzd-feed"
CONFIG = "etc/bzd"
CONFIG_FILE = f"{CONFIG}/bzd.toml"
LINK = "usr/local/bin/bzd"
WARNINGS, LAMP = "bzd-warn.path", "bzd-warn.service"
"""Watches for warnings, and does what the admin says then: nothing, as it comes."""

_UNITS = "usr/local/lib/systemd/system"
"""Below what an admin changes, /etc, and apart from what packages bring, /usr/lib (systemd.unit(5))."""
_DECLARATION = "bzd.conf"
"""Name of the files in sysusers.d and tmpfiles.d."""
_EXAMPLE = f"{CONFIG}/bzd.toml.example"
_SEALED_TO = f"etc/systemd/system/{FIRST_BOOT}.d/recipients.conf"
EXPERIMENTAL = "etc/systemd/system/bluetooth.service.d/bzd.conf"
"""Has bluetoothd offer its experimental interfaces."""
_BLUETOOTHD = "usr/libexec/bluetooth/bluetoothd"
"""What that drop-in starts: where Debian's and Raspberry Pi OS's package bluez has it."""
_INIT = re.compile(r"^ExecStart=/\S+/bin/bzd init ", re.MULTILINE)
"""In that drop-in, of any virtual environment."""
_FILES = {
    f"{_UNITS}/{SERVICE}": SERVICE,
    f"{_UNITS}/{FIRST_BOOT}": FIRST_BOOT,
    f"{_UNITS}/{FETCHER}": FETCHER,
    f"{_UNITS}/{POLLS}": POLLS,
    f"usr/local/lib/sysusers.d/{_DECLARATION}": "sysusers.d/bzd.conf",
    f"usr/local/lib/tmpfiles.d/{_DECLARATION}": "tmpfiles.d/bzd.conf",
    _EXAMPLE: "bzd.toml",
    f"{_UNITS}/{WARNINGS}": WARNINGS,
    f"{_UNITS}/{LAMP}": LAMP,
}
"""Where on the machine, and where in `source.folder`."""


class Installation:
    """The service on one machine.

    Args:
        root: the machine's root directory, `/` or an image's.
        prefix: the virtual environment with bzd, as seen from that root.
    """

    def __init__(self, root: Path, prefix: str) -> None:
        self.system = System(root)
        self._root = root
        self._prefix = prefix

    @property
    def state(self) -> Path:
        """The service's state directory."""
        return self._root / STATE

    @property
    def has_feed(self) -> bool:
        """Whether the machine's configuration names a feed.

        Raises:
            ConfigError: if it is wrong.
        """
        path = self._root / CONFIG_FILE
        return path.exists() and bool(config.load(path).config.match.feed)

    @property
    def has_store(self) -> bool:
        """Whether a sealed store was made already."""
        return os.path.exists(self._root / STATE / STORE_FILE)  # noqa: PTH110  exists raises where one may not look

    def install(
        self, recipients: Sequence[PublicKey], key_recipients: Sequence[PublicKey], *, experimental: bool
    ) -> list[str]:
        """Write all files, make user and directories, and have the service started at boot.

        Args:
            recipients: whom the store will be sealed to; an identity of its own without any.
            key_recipients: whom the badge's own keys will be sealed to; the recipients without any.
            experimental: whether bluetoothd is to offer its experimental interfaces.

        Returns:
            paths that were written and did not have that content before.

        Raises:
            InputError: if bzd is not at the prefix, or cannot run from there.
            ConfigError: if there is a configuration already, and it is wrong.
            StateError: if an image has a store, which all badges made from it would share.
            OutputError: if something cannot be written, a program of the system fails, or bluetoothd is not where
                `experimental` would start it.
        """
        self._check()
        if experimental:
            self._check_bluetoothd()
        has_feed = self.has_feed
        changed = [path for path, name in _FILES.items() if self._write(path, source.unit(name, self._prefix))]
        if recipients:
            changed += self._seal_to({RECIPIENTS: recipients, KEY_RECIPIENTS: key_recipients})
        else:
            changed += self._move_first_boot()
        if experimental and self._write(EXPERIMENTAL, source.unit("bluetooth.service.d/bzd.conf", self._prefix)):
            changed.append(EXPERIMENTAL)
        if self._link():
            changed.append(LINK)
        self.system.make_user(_DECLARATION)
        self.system.make_directories(_DECLARATION)
        self.system.enable(SERVICE)
        self.system.enable(WARNINGS)
        if has_feed:  # one that an admin enabled otherwise stays so
            self.system.enable(POLLS)
        return changed

    def start(self, *, experimental: bool) -> None:
        """Start the service now, or anew if it runs.

        Args:
            experimental: whether bluetoothd has to be started anew as well.

        Raises:
            OutputError: if it cannot be started.
        """
        if experimental:
            self.system.restart("bluetooth.service")
        self.system.restart(WARNINGS)
        self.system.restart(SERVICE)
        if self.has_feed:
            self.system.restart(POLLS)

    def uninstall(self, *, delete_data: bool) -> list[str]:
        """Stop the service and take away what `install` wrote.

        Args:
            delete_data: also the store, the configuration, the recipients and the user.

        Returns:
            paths that were removed.

        Raises:
            OutputError: if something cannot be removed or a program of the system fails.
        """
        for unit in (SERVICE, WARNINGS, POLLS, FETCHER):
            if (self._root / _UNITS / unit).exists():
                self.system.disable(unit)
        link = self._root / LINK
        own = [LINK] if link.is_symlink() and str(link.readlink()) == f"{self._prefix}/bin/bzd" else []
        gone = [path for path in (*_FILES, _SEALED_TO, EXPERIMENTAL, *own) if self._remove(path)]
        self.system.reload()
        if delete_data:
            gone += [path for path in (STATE, FETCHED, CONFIG) if self._remove(path)]
            for user in filter(self._has_user, USERS):
                self.system.remove_user(user)
        return gone

    def _check(self) -> None:
        source.check_prefix(self._prefix)
        program = self._root / self._prefix.lstrip("/") / "bin/bzd"
        if not os.path.lexists(program):
            raise OutputError(
                f"there is no bzd at {program}",
                f"`{self._prefix}/bin/pip install .` in a checkout, or of a wheel, puts it there",
            )
        if not self.system.image:
            source.check_interpreter(self._prefix)
        elif self.has_store:
            raise StateError(
                f"{self._root} has a store already, which every badge made from it would share",
                f"remove {self._root / STATE}; each badge makes its own when it first starts",
            )

    def _check_bluetoothd(self) -> None:
        program = self._root / _BLUETOOTHD
        if not program.exists():
            raise OutputError(
                f"there is no {program}, which --experimental would start",
                "`apt install bluez`; where it lies elsewhere, `Experimental = true` in /etc/bluetooth/main.conf does "
                "the same",
            )

    def _move_first_boot(self) -> list[str]:
        """Have the unit that makes the store, if it was told whom to seal to, run from this virtual environment."""
        try:
            text = (self._root / _SEALED_TO).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return []
        text = _INIT.sub(lambda _: self._init, text)
        return [_SEALED_TO] if self._write(_SEALED_TO, text) else []

    @property
    def _init(self) -> str:
        return f"ExecStart={self._prefix}/bin/bzd init "

    def _seal_to(self, folders: Mapping[str, Sequence[PublicKey]]) -> list[str]:
        """Keep public keys, and name them to the unit that makes the store."""
        words: list[str] = []
        changed: list[str] = []
        for folder, keys in folders.items():
            for public in keys:
                path = f"{CONFIG}/{folder}/{public.fingerprint}.pub"
                changed += [path] if self._write(path, public.dumps().decode()) else []
                words += [f"--{folder.removesuffix('s')}", f"/{path}"]
        text = f"# Made by `bzd install-service`.\n[Service]\nExecStart=\n{self._init}{' '.join(words)}\n"
        return [*changed, _SEALED_TO] if self._write(_SEALED_TO, text) else changed

    def _link(self) -> bool:
        link, target = self._root / LINK, f"{self._prefix}/bin/bzd"
        if link.is_symlink() and str(link.readlink()) == target:
            return False
        if link.is_symlink() and str(link.readlink()).endswith("/bin/bzd"):
            link.unlink()  # of a virtual environment elsewhere: this is an upgrade
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        except FileExistsError as error:
            raise OutputError(f"{link} is there and no link to bzd", "remove it, or move it away") from error
        except OSError as error:
            raise output_error(link, error) from error
        return True

    def _write(self, path: str, text: str) -> bool:
        """Write a file unless it holds just that; whole, or not at all."""
        target = self._root / path
        with suppress(OSError, ValueError):
            if target.read_text(encoding="utf-8") == text:
                return False
        part = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8")
            part.chmod(0o644)
            part.replace(target)
        except OSError as error:
            raise output_error(target, error) from error
        return True

    def _remove(self, path: str) -> bool:
        """Remove a file or a folder with all in it, and a folder of drop-ins that it leaves empty."""
        target = self._root / path
        if not os.path.lexists(target):
            return False
        try:
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink()
        except OSError as error:
            raise output_error(target, error) from error
        if target.parent.suffix == ".d":
            with suppress(OSError):
                target.parent.rmdir()
        return True

    def _has_user(self, name: str) -> bool:
        try:
            users = (self._root / "etc/passwd").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith(f"{name}:") for line in users)
