# SPDX-License-Identifier: Apache-2.0
"""The state directory: which files are in it, with which modes, and reading the keys among them.

::

    store.sqlite            0600  the sealed store (with -wal and -shm beside it while it is open)
    store.sqlite-recent     0600  while a badge appends to it, or was cut off: what it flushed last (`bzd.store.recent`)
    store.lock              0600  empty; whoever appends holds a lock on it
    findings.lock           0600  empty; whoever matches and keeps what is found holds a lock on it
    recipients/*.pub        0644  public keys that contacts are sealed to, from the next segment on
    key-recipients/*.pub    0644  public keys that the badge's own daily keys are sealed to
    identity.key            0600  only where this machine may read its own store
    feed/                   0755  key files that `bzd match --feed` fetched (`bzd.feed`)
    machine                 0600  hashes that tell a copied card (`bzd.store.machine`)
    paused                  0600  only while the badge is paused (`bzd.daemon.pausing`)
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from bzd.errors import DiskFullError, IdentityError, InputError, OutputError, StateError
from bzd.store.identity import FILE_MAX_BYTES, Identity, PublicKey, needs_passphrase

STORE_FILE = "store.sqlite"
"""The sealed store."""
EXPORTED_SUFFIX = ".bzd"
"""What the names of exported stores end in, where a folder stands for those in it."""
LOCK_FILE = "store.lock"
"""What an appender locks."""
FINDINGS_LOCK_FILE = "findings.lock"
"""What whoever keeps findings locks."""
IDENTITY_FILE = "identity.key"
"""The identity, where it is kept on this machine."""
OTHER_USER = "run as the user that owns it, or with sudo"
"""What helps whoever may not look at a badge's files, or write them."""
RECIPIENTS = "recipients"
"""Folder of the public keys that contacts are sealed to."""
KEY_RECIPIENTS = "key-recipients"
"""Folder of the public keys that the badge's own daily keys are sealed to."""
CREDENTIAL = "bzd-identity"
"""Name of the systemd credential that holds an identity (systemd.exec(5), LoadCredentialEncrypted=)."""
RECIPIENTS_MAX = 255
"""Most recipients of a store; a sealed key's slot is one byte."""


def store_file(source: Path) -> Path:
    """The store that a path names: the one in a state directory, or an exported file itself."""
    # os.path here and below, because Path.is_dir raises where a folder above may not be entered.
    return source / STORE_FILE if os.path.isdir(source) else source  # noqa: PTH112


def stores_in(folder: Path) -> list[Path]:
    """The exported stores in a folder that is no state directory, in order of their names; none if it is one.

    Raises:
        StateError: if it cannot be read.
    """
    # os.path, because Path.is_dir raises where a folder above may not be entered.
    if not os.path.isdir(folder) or os.path.lexists(folder / STORE_FILE):  # noqa: PTH112
        return []
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  only names are wanted
    except OSError as error:
        raise StateError(f"cannot read {folder}: {error.strerror}", "check the path and its permissions") from error
    return [folder / name for name in names if name.endswith(EXPORTED_SUFFIX) and not name.startswith(".")]


def recipients(state: Path, folder: str = RECIPIENTS) -> list[PublicKey]:
    """The public keys in a folder of the state directory, in order of their fingerprints.

    Raises:
        StateError: if there are none or too many.
        IdentityError: if a file among them is no public key.
    """
    paths = sorted((state / folder).glob("*.pub"))
    if not 1 <= len(paths) <= RECIPIENTS_MAX:
        raise StateError(f"{state / folder} holds {len(paths)} public keys, 1 to {RECIPIENTS_MAX} are needed")
    found = {PublicKey.loads(read_key_file(path), str(path)) for path in paths}
    return sorted(found, key=lambda public: public.fingerprint)


def write_recipients(state: Path, folder: str, keys: Sequence[PublicKey]) -> None:
    """Write public keys into a folder of the state directory, each under its fingerprint.

    Raises:
        OutputError: if they cannot be written.
        StateError: if the folder holds others already.
    """
    if (state / folder).is_symlink():
        raise StateError(f"{state / folder} is a link", "remove it; bzd makes the folder")
    make_directory(state / folder)
    for public in keys:
        path = state / folder / f"{public.fingerprint}.pub"
        if not path.exists():
            write_new(path, public.dumps(), 0o644)
    if set(recipients(state, folder)) != set(keys):
        raise StateError(f"{state / folder} holds other public keys already", "remove them, or name another directory")


def load_identity(path: Path, ask: Callable[[Path], str] | None = None) -> Identity:
    """Read an identity file.

    Args:
        path: the file.
        ask: gives the passphrase of the file at a path, called only if it is under one.

    Raises:
        InputError: if it cannot be read.
        IdentityError: if it is no identity; PassphraseError if the passphrase is wrong or there is nobody to ask.
    """
    data = read_key_file(path)
    passphrase = ask(path) if ask is not None and needs_passphrase(data) else None
    return Identity.loads(data, passphrase, str(path))


def load_identities(
    state: Path | None, files: Sequence[Path] = (), ask: Callable[[Path], str] | None = None
) -> list[Identity]:
    """The identities to open a store with.

    They are those of `files`; without any, that of the systemd credential `bzd-identity`; without one,
    `identity.key` of the state directory.

    Args:
        state: a state directory, or an exported file or None, which have none of their own.
        files: identity files that the user named.
        ask: see `load_identity`.

    Raises:
        IdentityError: if there is none.
        InputError: if one cannot be read.
    """
    candidates = list(files) or [path for path in _usual_identities(state) if os.path.exists(path)][:1]  # noqa: PTH110
    if not candidates:
        where = "" if state is None else f" for {state}"
        raise IdentityError(f"no identity{where}, so nothing can be read")
    return [load_identity(path, ask) for path in candidates]


def usual_identity(state: Path) -> Path | None:
    """The identity that this machine opens a state directory's store with; None if there is none here."""
    return next((path for path in _usual_identities(state) if os.path.exists(path)), None)  # noqa: PTH110  as above


def _usual_identities(state: Path | None) -> list[Path]:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    paths = [Path(credentials) / CREDENTIAL] if credentials else []
    return paths + ([state / IDENTITY_FILE] if state is not None and os.path.isdir(state) else [])  # noqa: PTH112


def read_key_file(path: Path) -> bytes:
    """What an identity or public key file holds; no more than a byte over the most that one can be.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def make_directory(path: Path) -> None:
    """Make a directory that only its owner can enter, or make it so; one that is there stays its owner's.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        new = not path.exists()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if new else 0))
        try:
            mode = os.fstat(descriptor).st_mode
            if mode & stat.S_ISVTX:
                raise OutputError(f"{path} is everybody's, as /tmp is", "name a folder of your own in it")
            if mode & 0o077:
                os.fchmod(descriptor, 0o700)
            if new:
                adopt(descriptor, path.parent)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise output_error(path, error) from error


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that is not there yet, onto the disk; on failure there is none.

    Raises:
        OutputError: if it is there already or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise OutputError(f"{path} is there already") from error
    except OSError as error:
        raise output_error(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            adopt(file.fileno(), path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise output_error(path, error) from error


def sync_directory(path: Path) -> None:
    """Make what was created or renamed in a directory last (fsync(2): a file's own sync does not do that)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def output_error(path: Path, error: OSError) -> OutputError:
    """What an error of the operating system while writing a file means to a user."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
        return DiskFullError(f"cannot write {path}: {error.strerror}")
    hint = OTHER_USER if isinstance(error, PermissionError) else "check the path and its permissions"
    return OutputError(f"cannot write {path}: {error.strerror}", hint)


def adopt(descriptor: int, parent: Path) -> None:
    """Give what root has just made in a service's directory to the service, as SQLite does with its log.

    Args:
        descriptor: what was made. By its path root could be led to give away something else.
        parent: the directory it was made in.
    """
    if os.geteuid() == 0:
        owner = parent.stat()
        if os.fstat(descriptor).st_uid != owner.st_uid:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
