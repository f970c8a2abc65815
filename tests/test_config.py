# SPDX-License-Identifier: Apache-2.0
"""Any TOML file and any `--set` give a configuration within its bounds, or a ConfigError."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.config import Config, LoadedConfig, load
from bzd.errors import ConfigError
from bzd.matching.encounters import PATH_LOSS_1M_DB
from bzd.matching.matcher import TOLERANCE_S
from bzd.matching.rules import DEFAULT_RULE

NAMES = [setting.name for setting in load().settings()]
SECTIONS = sorted({name.partition(".")[0] for name in NAMES})
_word = st.sampled_from([*SECTIONS, *(name.partition(".")[2] for name in NAMES), "", "x", "é", "[", '"']) | st.text()
_scalar = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["true", "1e400", "-0.0", "nan", "1979-05-27", "[1]", "{a=1}", "''", "0x10", "1_0", "9" * 5000, "["]
    ),
    st.text(),
)
_lines = st.one_of(
    st.sampled_from(SECTIONS).map(lambda section: f"[{section}]"),
    st.builds("{} = {}".format, st.sampled_from([name.partition(".")[2] for name in NAMES]), _scalar),
    st.builds("{} = {}".format, st.sampled_from(NAMES), _scalar),
    st.text(),
)


def _in_bounds(loaded: LoadedConfig) -> None:
    """Every value has the type of its default and lies within the bounds that its option states."""
    for section in fields(Config):
        values = getattr(loaded.config, section.name)
        for option in fields(values):
            value = getattr(values, option.name)
            assert type(value) is type(option.default)
            low, high = option.metadata["low"], option.metadata["high"]
            assert low is None or low <= value <= high
            assert not isinstance(value, tuple) or all(isinstance(text, str) for text in value)


def _loaded(path: Path | None, overrides: list[str]) -> None:
    with suppress(ConfigError):
        _in_bounds(load(path, overrides))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.builds("{}.{}={}".format, _word, _word, _scalar) | st.text(), max_size=4))
def test_any_override(overrides: list[str]) -> None:
    """Whatever stands behind --set, nothing but a ConfigError is raised."""
    _loaded(None, overrides)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), _scalar)
def test_any_value(name: str, value: str) -> None:
    """Any value of an option that exists is taken within its bounds, or refused."""
    _loaded(None, [f"{name}={value}"])


@settings(max_examples=200, deadline=None)
@given(st.lists(_lines, max_size=8).map("\n".join).map(lambda text: text.encode(errors="surrogatepass")) | st.binary())
def test_any_file(content: bytes) -> None:
    """Whatever a configuration file holds, nothing but a ConfigError is raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bzd.toml"
        path.write_bytes(content)
        _loaded(path, [])


@pytest.mark.parametrize(
    "content", [b"a = " + b"[" * 100_000, b"[" + b"a." * 16_000 + b"b]", b"x = 1" + b"0" * 10_000, b"#" * 32_769]
)
def test_hostile_files(content: bytes, tmp_path: Path) -> None:
    """Nesting, numbers and sizes beyond what Python's parser takes are an error like any other."""
    path = tmp_path / "bzd.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        load(path)


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [("scan.period_s=300", 300.0), ("proximity.min_sightings=3", 3), ("ranging.near_m=1e0", 1.0)],
)
def test_overrides_win_over_the_file(given_as: str, expected: Any, tmp_path: Path) -> None:
    """--set is stronger than the file, and the origin says so."""
    name = given_as.partition("=")[0]
    section, _, key = name.partition(".")
    path = tmp_path / "bzd.toml"
    path.write_text(f"[{section}]\n{key} = 7\n")
    by_name = {setting.name: setting for setting in load(path, [given_as]).settings()}
    assert (by_name[name].value, by_name[name].origin) == (expected, "--set")
    assert {setting.origin for other, setting in by_name.items() if other != name} == {"default"}
    from_file = {setting.name: setting for setting in load(path).settings()}[name]
    assert (from_file.value, from_file.origin) == (7, str(path))


def test_a_device_is_not_read_for_ever() -> None:
    """What never ends is refused after as much as a configuration may have."""
    with pytest.raises(ConfigError, match="larger than"):
        load(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("value", "expected"), [('["a.pub", "310=b.pub"]', ("a.pub", "310=b.pub")), ("a.pub", ("a.pub",)), ("[]", ())]
)
def test_a_list_of_strings(value: str, expected: tuple[str, ...]) -> None:
    """TOML's list, or one string for a list of one."""
    assert load(None, [f"match.verify_keys={value}"]).config.match.verify_keys == expected


@pytest.mark.parametrize("value", ["3", "[1]", "[[]]", "true"])
def test_a_list_of_anything_else(value: str) -> None:
    """Is refused by name."""
    with pytest.raises(ConfigError, match=r"match\.verify_keys must be a list of strings"):
        load(None, [f"match.verify_keys={value}"])


@pytest.mark.parametrize("name", ["match.feed_folder", "metrics.textfile", "match.calibration", "match.verify_keys"])
def test_no_text_holds_a_nul(name: str) -> None:
    """A path with one is a ValueError wherever it is used, which would end a daemon at SIGHUP."""
    with pytest.raises(ConfigError, match=f"{name} must not hold a NUL"):
        load(None, [f'{name}="a\\u0000b"'])


def test_numbers_that_matching_states_too() -> None:
    """The defaults of `[match]` are those of the matcher."""
    defaults = load().config.match
    assert (defaults.tolerance_s, defaults.path_loss_1m_db, defaults.rule) == (
        TOLERANCE_S,
        PATH_LOSS_1M_DB,
        DEFAULT_RULE,
    )


@pytest.mark.parametrize("adapter", ["", "hci", "hci 0", "hci0/../x", "hci0\n", "hci٣", "HCI0", "hci999999"])
def test_an_adapter_has_a_name_of_adapters(adapter: str) -> None:
    """It becomes part of a D-Bus path, which takes no other."""
    with pytest.raises(ConfigError, match=r"radio.adapter must look like 'hci0'"):
        load(None, [f"radio.adapter={adapter}"])
    assert load(None, ["radio.adapter=hci12"]).config.radio.adapter == "hci12"
