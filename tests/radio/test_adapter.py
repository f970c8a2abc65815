# SPDX-License-Identifier: Apache-2.0
"""An adapter that would give the badge away is refused, with a way to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bzd.errors import RadioError
from bzd.radio.adapter import Adapter, check, privacy_setting, setting


def test_a_plain_adapter_is_fit() -> None:
    """Powered, not discoverable, not connectable, Privacy off: as bluetoothd leaves it after a start."""
    adapter = Adapter.from_properties({"Powered": True, "Discoverable": False, "Discovering": True})
    assert adapter == Adapter(powered=True, discovering=True)
    check("hci0", adapter, "off")


@pytest.mark.parametrize(
    ("properties", "privacy", "named"),
    [
        ({"Powered": True, "Discoverable": True}, "off", "discoverable"),
        ({"Powered": True, "Connectable": True}, "off", "connectable"),
        ({"Powered": True}, "device", "Privacy"),
        ({"Powered": True}, "network/on", "Privacy"),
    ],
)
def test_what_would_show_an_address_that_stays_is_refused(
    properties: dict[str, bool], privacy: str, named: str
) -> None:
    """Each with the adapter or setting in the message and a command in the hint."""
    with pytest.raises(RadioError, match=named) as refused:
        check("hci0", Adapter.from_properties(properties), privacy)
    assert "off" in refused.value.hint


def test_a_block_by_rfkill_is_known() -> None:
    """PowerState tells it where bluetoothd has it."""
    assert Adapter.from_properties({"Powered": False, "PowerState": "off-blocked"}).blocked
    assert not Adapter.from_properties({"Powered": False}).blocked


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("[General]\n# Privacy = device\n", "off"),
        ("[General]\nName = %h\nPrivacy = Device\n\n[Policy]\nAutoEnable=true\n", "device"),
        ("[General]\nPrivacy=off\nPrivacy=network\n", "network"),
        ("[LE]\nPrivacy = device\n", "off"),
        ("no section\n", "off"),
        ("[General]\nName = x\n  Privacy = device\n", "device"),
        ("\t[General]\r\n\tPrivacy\t=\tdevice\t\r\n", "device"),
        ("[General]\nName = x\n  # Privacy = device\n", "off"),
        ("[General]\nPrivacy = device\n[LE]\n[General]\nName = x\n", "device"),
        ("[General]\nnonsense\nPrivacy = device\n", "device"),
        ("[General]\nName = x\n  [LE]\n  Privacy = device\n", "off"),
        ("", "off"),
    ],
)
def test_privacy_setting(tmp_path: Path, text: str, setting: str) -> None:
    """As bluetoothd reads it: comments, other sections and files that it cannot parse leave the default."""
    path = tmp_path / "main.conf"
    path.write_text(text, encoding="utf-8")
    assert privacy_setting(path) == setting


def test_a_configuration_that_may_not_be_read_is_no_permission(tmp_path: Path) -> None:
    """What cannot be known is refused, with the file's name and a way to open it."""
    with pytest.raises(RadioError, match=str(tmp_path)) as refused:
        privacy_setting(tmp_path)  # a folder, which nobody may read as a file, not even root
    assert "chmod" in refused.value.hint


def test_any_setting_can_be_had(tmp_path: Path) -> None:
    """By its name, to the letter, in the section that bluetoothd reads it from."""
    path = tmp_path / "main.conf"
    path.write_text("[LE]\nTemporaryTimeout=1\n[General]\n TemporaryTimeout = 0\n", encoding="utf-8")
    assert (setting("TemporaryTimeout", path), setting("temporarytimeout", path)) == ("0", "")


def test_without_a_configuration_privacy_is_off(tmp_path: Path) -> None:
    """No file is bluetoothd's default."""
    assert privacy_setting(tmp_path / "absent") == "off"
