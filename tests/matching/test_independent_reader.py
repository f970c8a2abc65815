# SPDX-License-Identifier: Apache-2.0
"""What `publish` writes, read by programs that are not ours: zipfile, protoc with the field table, openssl.

The field table is that of google/exposure-notifications-server, internal/pb/export/export.proto, written down here
from its documentation and not taken from `bzd.matching.messages`.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bzd.matching.keyfile import KeyFile
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.publishing import Publishing, publish
from bzd.matching.signing import SigningKey

PROTO = """
syntax = "proto2";
message TemporaryExposureKeyExport {
  optional fixed64 start_timestamp = 1;
  optional fixed64 end_timestamp = 2;
  optional string region = 3;
  optional int32 batch_num = 4;
  optional int32 batch_size = 5;
  repeated SignatureInfo signature_infos = 6;
  repeated TemporaryExposureKey keys = 7;
  repeated TemporaryExposureKey revised_keys = 8;
}
message SignatureInfo {
  reserved 1, 2;
  optional string verification_key_version = 3;
  optional string verification_key_id = 4;
  optional string signature_algorithm = 5;
}
message TemporaryExposureKey {
  enum ReportType {
    UNKNOWN = 0; CONFIRMED_TEST = 1; CONFIRMED_CLINICAL_DIAGNOSIS = 2; SELF_REPORT = 3; RECURSIVE = 4; REVOKED = 5;
  }
  optional bytes key_data = 1;
  optional int32 transmission_risk_level = 2;
  optional int32 rolling_start_interval_number = 3;
  optional int32 rolling_period = 4 [default = 144];
  optional ReportType report_type = 5;
  optional sint32 days_since_onset_of_symptoms = 6;
}
message TEKSignatureList { repeated TEKSignature signatures = 1; }
message TEKSignature {
  optional SignatureInfo signature_info = 1;
  optional int32 batch_num = 2;
  optional int32 batch_size = 3;
  optional bytes signature = 4;
}
"""
HEADER = b"EK Export v1    "
DAY = 2_990_880
"""First interval of 2026-11-13."""
NOW = (DAY + 3 * 144) * 600.0 + 30_000.0
KEYS = (
    DiagnosisKey(bytes(range(16)), DAY, 144),
    DiagnosisKey(
        b'"\\\n\t\r\x00\x7f\x80\xff0123456', DAY, 37, report_type=ReportType.CONFIRMED_TEST, days_since_onset=-14
    ),
    DiagnosisKey(bytes([255] * 16), DAY + 144, 1, report_type=ReportType.SELF_REPORT, days_since_onset=14),
    DiagnosisKey(bytes([7] * 16), DAY + 100, 44, report_type=ReportType.RECURSIVE, days_since_onset=0),
    DiagnosisKey(bytes([9] * 16), DAY, 144, transmission_risk=8),
)
REVISED = DiagnosisKey(bytes([5] * 16), DAY, 144, report_type=ReportType.CONFIRMED_CLINICAL_DIAGNOSIS)
ALGORITHM = {"signature_algorithm": "1.2.840.10045.4.3.2"}
INFO = ALGORITHM | {"verification_key_version": "v1", "verification_key_id": "452"}

Message = dict[str, list[Any]]


@pytest.fixture(scope="module")
def protoc(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Decodes a message with protoc, an unknown field being an error; gives it by field names."""
    program = shutil.which("protoc")
    if program is None:
        pytest.skip("no protoc (Debian package protobuf-compiler)")
    folder = tmp_path_factory.mktemp("proto")
    (folder / "export.proto").write_text(PROTO)

    def decode(message: str, data: bytes) -> Message:
        command = [program, f"--proto_path={folder}", f"--decode={message}", "export.proto"]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return _fields(iter(done.stdout.decode("ascii").splitlines()))

    return decode


def _fields(lines: Iterator[str]) -> Message:
    """The text form of a message: `name: value` and `name {` ... `}`."""
    found: Message = {}
    for line in lines:
        text = line.strip()
        if text == "}":
            return found
        if text.endswith("{"):
            found.setdefault(text[:-1].strip(), []).append(_fields(lines))
        else:
            name, _, value = text.partition(": ")
            # A field that the table does not have shows as a number.
            assert re.fullmatch(r"[a-z_]+", name), line
            found.setdefault(name, []).append(_value(value))
    return found


def _value(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1].encode("ascii").decode("unicode_escape").encode("latin-1")
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _plain(message: Message) -> dict[str, Any]:
    """Each field of a message that has it once."""
    assert all(len(values) == 1 for values in message.values())
    return {name: values[0].decode() if isinstance(values[0], bytes) else values[0] for name, values in message.items()}


def _key(message: Message) -> DiagnosisKey:
    """The key that an entry says, by what export.proto documents of absent fields."""
    of = {name: values[0] for name, values in message.items()}
    assert all(len(values) == 1 for values in message.values())
    return DiagnosisKey(
        of["key_data"],
        of["rolling_start_interval_number"],
        of.get("rolling_period", 144),
        report_type=ReportType[of.get("report_type", "UNKNOWN")],
        days_since_onset=of.get("days_since_onset_of_symptoms"),
        transmission_risk=of.get("transmission_risk_level"),
    )


@pytest.fixture(scope="module")
def batch(signing_key: SigningKey) -> list[bytes]:
    """Two files with everything that a key can say, news of keys, and no padding."""
    how = Publishing("VN", "452", "v1", padded_to=0, max_keys=4)
    given = [KeyFile(KEYS, revised=(REVISED,))]
    return list(publish(given, now=NOW, how=how, revoke=[KEYS[4]], signing_key=signing_key).files)


def members(data: bytes) -> tuple[bytes, bytes]:
    """export.bin and export.sig, and nothing else."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["export.bin", "export.sig"]
        return archive.read("export.bin"), archive.read("export.sig")


def test_every_field(batch: list[bytes], protoc: Any) -> None:
    """Both files say what was put in: region, times, batch, signer, keys in order, news after them."""
    exports = [members(data)[0] for data in batch]
    assert all(export.startswith(HEADER) for export in exports)
    read = [protoc("TemporaryExposureKeyExport", export[len(HEADER) :]) for export in exports]
    keys, revised = ([_key(key) for one in read for key in one.pop(name, [])] for name in ("keys", "revised_keys"))
    assert keys == sorted(KEYS[:4])
    assert revised == sorted([REVISED, KEYS[4]._replace(report_type=ReportType.REVOKED)])
    for number, one in enumerate(read, 1):
        (info,) = one.pop("signature_infos")
        assert _plain(info) == INFO
        end = int(NOW // 3600 * 3600)
        said = {
            "start_timestamp": DAY * 600,
            "end_timestamp": end,
            "region": "VN",
            "batch_num": number,
            "batch_size": 2,
        }
        assert _plain(one) == said


def test_the_signature(batch: list[bytes], protoc: Any, signing_key: SigningKey, tmp_path: Path) -> None:
    """export.sig names signer and batch, and openssl verifies its signature over the whole of export.bin."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    (tmp_path / "ha.pub").write_bytes(signing_key.public_pem())
    for number, data in enumerate(batch, 1):
        export, signatures = members(data)
        (signature,) = protoc("TEKSignatureList", signatures)["signatures"]
        (info,), (made,) = signature.pop("signature_info"), signature.pop("signature")
        assert (_plain(info), _plain(signature)) == (INFO, {"batch_num": number, "batch_size": 2})
        (tmp_path / "export.bin").write_bytes(export)
        (tmp_path / "signature").write_bytes(made)
        command = ["openssl", "dgst", "-sha256", "-verify", "ha.pub", "-signature", "signature", "export.bin"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout == b"Verified OK\n"


def test_padding_cannot_be_told_from_keys(protoc: Any, signing_key: SigningKey) -> None:
    """Another reader sees a thousand entries, each with the fields of a real one."""
    how = Publishing("VN", "452", "v1")
    (data,) = publish([KeyFile(KEYS[1:4])], now=NOW, how=how, signing_key=signing_key).files
    keys = protoc("TemporaryExposureKeyExport", members(data)[0][16:])["keys"]
    real = {tuple(sorted((name, *said) for name, said in key.items() if name != "key_data")) for key in keys}
    assert (len(keys), len({key["key_data"][0] for key in keys}), len(real)) == (1000, 1000, 3)
