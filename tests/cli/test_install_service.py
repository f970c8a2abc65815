# SPDX-License-Identifier: Apache-2.0
"""`bzd install-service` into an image: what is there afterwards, again, and after taking it away."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.cli.install_service import tell_rest, try_radio
from bzd.service.installing import EXPERIMENTAL, Installation

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Keys

_PROGRAMS = ("systemd-sysusers", "systemd-tmpfiles", "systemctl", "userdel")
_MISSING = [name for name in _PROGRAMS if shutil.which(name) is None]
image_only = pytest.mark.skipif(
    os.geteuid() != 0 or bool(_MISSING), reason="making users in an image needs root and systemd's programs"
)


BARE = {"opt/bzd/bin/bzd", "usr/libexec/bluetooth/bluetoothd"}
"""Files of `image`."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The least that is an image with bzd and BlueZ in it."""
    root = tmp_path / "image"
    (root / "opt/bzd/bin").mkdir(parents=True)
    (root / "opt/bzd/bin/bzd").touch()
    (root / "usr/libexec/bluetooth").mkdir(parents=True)
    (root / "usr/libexec/bluetooth/bluetoothd").touch()
    (root / "etc").mkdir()
    for name in ("passwd", "group", "shadow", "gshadow"):
        (root / "etc" / name).touch()
    return root


def files(root: Path) -> dict[str, str]:
    """All files and links below a root, but the user database: content, or where a link points."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = str(path.readlink())
        elif path.is_file() and path.name.rstrip("-").lstrip(".") not in {
            "passwd",
            "group",
            "shadow",
            "gshadow",
            "pwd.lock",
        }:
            found[str(path.relative_to(root))] = path.read_text()
    return found


@image_only
def test_an_image_gets_user_units_directories_and_link(bzd: Bzd, image: Path) -> None:
    """All that a first boot needs is there, the service is enabled, and there is no store."""
    result = bzd("install-service", "--root", image)
    assert (result.code, "traceback" in result.err.lower()) == (0, False)
    there = files(image)
    assert there["usr/local/bin/bzd"] == "/opt/bzd/bin/bzd"
    assert "ExecStart=/opt/bzd/bin/bzd run\n" in there["usr/local/lib/systemd/system/bzd.service"]
    wanted = there["etc/systemd/system/multi-user.target.wants/bzd.service"]
    assert wanted == "/usr/local/lib/systemd/system/bzd.service"
    assert "bzd:" in (image / "etc/passwd").read_text()
    state = image / "var/lib/bzd"
    user = next(line.split(":") for line in (image / "etc/passwd").read_text().splitlines() if line.startswith("bzd:"))
    assert (state.stat().st_uid, state.stat().st_mode & 0o777) == (int(user[2]), 0o700)
    assert list(state.iterdir()) == []
    assert "before" in result.err
    assert "systemctl" not in result.err, "nothing can be started in an image"


@image_only
def test_again_changes_nothing(bzd: Bzd, image: Path) -> None:
    """A second run says of no file that it wrote it, and what an admin put into /etc stays."""
    (image / "etc/bzd").mkdir()
    (image / "etc/bzd/bzd.toml").write_text("[scan]\nmode = 'active'\n")
    assert bzd("install-service", "--root", image).code == 0
    before = files(image)
    again = bzd("install-service", "--root", image)
    assert (again.code, again.out) == (0, "")
    assert files(image) == before
    assert before["etc/bzd/bzd.toml"].startswith("[scan]")


@image_only
def test_another_place_replaces_units_and_link(bzd: Bzd, image: Path) -> None:
    """An upgrade into a new virtual environment is the same command, from there."""
    assert bzd("install-service", "--root", image).code == 0
    shutil.copytree(image / "opt/bzd", image / "opt/bzd-2")
    assert bzd("install-service", "--root", image, "--prefix", "/opt/bzd-2").code == 0
    there = files(image)
    assert there["usr/local/bin/bzd"] == "/opt/bzd-2/bin/bzd"
    assert "ExecStart=/opt/bzd-2/bin/bzd init\n" in there["usr/local/lib/systemd/system/bzd-init.service"]


@image_only
def test_another_place_keeps_whom_the_first_boot_seals_to(bzd: Bzd, image: Path, keys: Keys) -> None:
    """The drop-in is moved to the new virtual environment, keeps its recipients, and is what it was on the way back."""
    words = ("install-service", "--root", image)
    path = "etc/systemd/system/bzd-init.service.d/recipients.conf"
    assert bzd(*words, "--recipient", keys("admin"), "--recipient", keys("deputy")).code == 0
    before = files(image)[path]
    shutil.copytree(image / "opt/bzd", image / "opt/bzd-2")
    moved = bzd(*words, "--prefix", "/opt/bzd-2")
    assert (moved.code, str(image / path) in moved.out) == (0, True)
    assert files(image)[path] == before.replace("/opt/bzd/bin/bzd", "/opt/bzd-2/bin/bzd") != before
    assert before.count("--recipient") == 2
    assert bzd(*words).code == 0
    assert files(image)[path] == before


@image_only
def test_recipients_are_kept_and_named_to_the_first_boot(bzd: Bzd, image: Path, keys: Keys) -> None:
    """The unit that makes the store gets one option for each key, by the path at which it lies in the image."""
    admin, owner = keys("admin"), keys("owner")
    assert bzd("install-service", "--root", image, "--recipient", admin, "--key-recipient", owner).code == 0
    there = files(image)
    sealed = [path for path in there if path.startswith("etc/bzd/recipients/")]
    owners = [path for path in there if path.startswith("etc/bzd/key-recipients/")]
    assert [there[path] for path in sealed] == [admin.read_text()]
    assert [there[path] for path in owners] == [owner.read_text()]
    command = there["etc/systemd/system/bzd-init.service.d/recipients.conf"].splitlines()[-1]
    assert command == (f"ExecStart=/opt/bzd/bin/bzd init --recipient /{sealed[0]} --key-recipient /{owners[0]}")


@image_only
def test_uninstalling_leaves_the_data_unless_told(
    bzd: Bzd, image: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and link go, user, store and configuration stay; with --delete-data those go too."""
    words = ("install-service", "--root", image)
    assert bzd(*words, "--experimental", "--recipient", keys()).code == 0
    assert (image / "etc/systemd/system/bluetooth.service.d/bzd.conf").exists()
    (image / "etc/bzd/bzd.toml").write_text("")
    (image / "var/lib/bzd/store.sqlite").write_text("a store")
    removed = bzd(*words, "--uninstall")
    assert removed.code == 0
    assert f"bzd: {image / 'var/lib/bzd'} and {image / 'etc/bzd'} stay; " in removed.err
    left = set(files(image))
    assert {"etc/bzd/bzd.toml", "var/lib/bzd/store.sqlite", "opt/bzd/bin/bzd"} <= left
    assert not [path for path in left if "systemd" in path or "usr/local" in path]
    assert "bzd:" in (image / "etc/passwd").read_text()
    monkeypatch.chdir(image.parent)  # as admins name it, which is not what userdel takes
    result = bzd("install-service", "--root", image.name, "--uninstall", "--delete-data")
    assert result.code == 0
    assert "flash" in result.err
    assert set(files(image)) == BARE
    assert "bzd:" not in (image / "etc/passwd").read_text()


@image_only
def test_feeds_are_fetched_if_one_is_configured(bzd: Bzd, image: Path) -> None:
    """The timer is there in any case, and is enabled only where it has something to do; its user sees no store."""
    timer = "etc/systemd/system/timers.target.wants/bzd-feed.timer"
    words = ("install-service", "--root", image)
    assert bzd(*words).code == 0
    there = files(image)
    assert timer not in there
    assert (
        "ExecStart=/opt/bzd/bin/bzd match --download /var/lib/bzd-feed\n"
        in (there["usr/local/lib/systemd/system/bzd-feed.service"])
    )
    users = {
        fields[0]: fields for fields in (line.split(":") for line in (image / "etc/passwd").read_text().splitlines())
    }
    assert (image / "var/lib/bzd-feed").stat().st_uid == int(users["bzd-feed"][2]) != int(users["bzd"][2])
    config = image / "etc/bzd/bzd.toml"
    config.write_text("[match]\nfeed = ['https://example.org/index.txt']\n")
    assert "bzd-feed.timer" in bzd(*words).err
    assert files(image)[timer] == "/usr/local/lib/systemd/system/bzd-feed.timer"
    config.write_text("[match]\nfeeds = []\n")
    assert bzd(*words).code == 3
    config.unlink()
    assert bzd(*words, "--uninstall", "--delete-data").code == 0
    assert set(files(image)) == BARE
    assert "bzd-feed" not in (image / "etc/passwd").read_text()


@image_only
def test_uninstalling_what_is_not_there_is_harmless(bzd: Bzd, image: Path) -> None:
    """It says so, and of no data that they stay."""
    result = bzd("install-service", "--root", image, "--uninstall")
    assert (result.code, result.out, result.err) == (0, "", "bzd: nothing was installed here\n")


def test_an_image_with_a_store_is_refused(bzd: Bzd, image: Path) -> None:
    """Every badge made from it would have the same identity and signing key."""
    (image / "var/lib/bzd").mkdir(parents=True)
    (image / "var/lib/bzd/store.sqlite").touch()
    result = bzd("install-service", "--root", image)
    assert result.code == 6
    assert "every badge made from it would share" in result.err


def test_experimental_needs_the_bluetoothd_that_it_starts(bzd: Bzd, image: Path) -> None:
    """A drop-in that names a program which is not there would leave the badge without Bluetooth: nothing is written."""
    (image / "usr/libexec/bluetooth/bluetoothd").unlink()
    before = files(image)
    result = bzd("install-service", "--root", image, "--experimental")
    assert (result.code, "usr/libexec/bluetooth/bluetoothd" in result.err) == (5, True)
    assert "apt install bluez" in result.err
    assert files(image) == before


def test_a_foreign_program_is_not_replaced(bzd: Bzd, image: Path) -> None:
    """Somebody's own /usr/local/bin/bzd stays."""
    (image / "usr/local/bin").mkdir(parents=True)
    (image / "usr/local/bin/bzd").write_text("mine")
    result = bzd("install-service", "--root", image)
    assert result.code == 5
    assert (image / "usr/local/bin/bzd").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--root", "{image}/nothing"), 5, "no directory"),
        (("--root", "{image}", "--prefix", "/opt/other"), 5, "no bzd at"),
        (("--root", "{image}", "--prefix", "/home/pi"), 4, "sandbox hides"),
        (("--root", "{image}", "--recipient", "{image}/none.pub"), 4, "none.pub"),
        (("--root", "{image}", "--delete-data"), 2, "--uninstall"),
        (("--root", "{image}", "--uninstall", "--now"), 2, "excludes"),
        (("--root", "{image}", "--now"), 5, "leave --now away"),
        (("--root", "{image}", "--key-recipient", "x.pub"), 2, "needs --recipient"),
    ],
)
def test_what_cannot_be_is_said(bzd: Bzd, image: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """Each wrong call has its exit code and its sentence, and leaves nothing behind."""
    before = files(image)
    result = bzd("install-service", *(word.format(image=image) for word in words))
    assert result.code == code
    assert said in result.err
    assert files(image) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may install")
def test_only_root_installs_on_this_machine(bzd: Bzd) -> None:
    """Without --root the files are the machine's own."""
    result = bzd("install-service", "--prefix", "/opt/bzd")
    assert (result.code, "sudo" in result.err) == (5, True)


def test_a_radio_that_cannot_be_tried_out_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service is installed by then: what is missing is said, with the command that makes up for it."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    try_radio(Installation(tmp_path, "/opt/bzd"))
    told = capsys.readouterr()
    assert told.out == ""
    assert "could not be tried out" in told.err
    assert "`sudo bzd doctor --radio`" in told.err


def test_bluetoothd_keeps_its_experimental_interfaces_until_it_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Taking the drop-in away changes no bluetoothd that runs: where one may, the command that does is said."""
    installation = Installation(tmp_path, "/opt/bzd")
    tell_rest(installation, [EXPERIMENTAL], delete_data=False)
    assert "experimental" not in capsys.readouterr().err
    monkeypatch.setattr(type(installation.system), "running", property(lambda _: True))
    tell_rest(installation, [], delete_data=False)
    assert "experimental" not in capsys.readouterr().err
    tell_rest(installation, [EXPERIMENTAL], delete_data=False)
    assert "`systemctl restart bluetooth`" in capsys.readouterr().err
