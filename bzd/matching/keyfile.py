# SPDX-License-Identifier: Apache-2.0
"""Key files: reading and verifying them, and writing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from bzd.errors import InputError
from bzd.matching import archive, messages
from bzd.matching.keys import INTERVALS_PER_KEY, MAX_ONSET_DAYS, MAX_TIME, DiagnosisKey, ReportType
from bzd.matching.signing import SHA256_OID, SigningKey, VerifyKey
from bzd.protocols import gaen, protocols

MAX_KEYS = 500_000
"""The most keys that a server puts into one file (Exposure Notification server, internal/export/config.go)."""

FUTURE_S = 7200
"""Seconds by which a key may begin ahead of the clock: what matching forgives (`bzd.matching.matcher.TOLERANCE_S`)."""

MAX_NAME = 256
"""Most characters of a region, and of the name and version of a key; real ones have a few, and they are shown."""
_FUTURE = "interval in the future"
_MAX_OTHER_FIELDS = 1000
"""Fields of an export that are not keys: 5 and some signature infos."""
_MAX_RISK = 8
"""Transmission risk levels are 0 to 8 (export.proto)."""
_MAX_TIMESTAMP = 1 << 63
UNSIGNED_HINT = "--verify-key FILE names the public key of who publishes; --allow-unsigned takes any file as it is"
"""What to do about a file that cannot be verified."""


@dataclass(frozen=True, slots=True)
class SignatureInfo:
    """What a file says of the key that signed it (export.proto, `SignatureInfo`)."""

    key_id: str = ""
    version: str = ""
    algorithm: str = SHA256_OID

    def __str__(self) -> str:
        return f"{self.key_id or '(no ID)'}{f' version {self.version}' if self.version else ''}"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file.

    Attributes:
        keys: keys that are published for the first time.
        revised: keys of which news is published.
        start: first instant of the time in which these keys were uploaded, UTC unix seconds.
        end: last instant of it.
        region: whose keys they are, for example a country's two letters.
        batch_num: which file of its batch it is, from 1.
        batch_size: how many files its batch has.
        signers: what the file says of the keys that signed it; empty for an unsigned file.
        verified_by: the key that its signature verified with, None if no signature was checked.
        skipped: entries that were left out: reason and number.
        sha256: of the file's bytes.
        name: what it is called in messages.
    """

    keys: tuple[DiagnosisKey, ...]
    revised: tuple[DiagnosisKey, ...] = ()
    start: float = 0.0
    end: float = 0.0
    region: str = ""
    batch_num: int = 1
    batch_size: int = 1
    signers: tuple[SignatureInfo, ...] = ()
    verified_by: VerifyKey | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    sha256: bytes = b""
    name: str = "key file"

    def begun(self, now: float) -> KeyFile:
        """The file without keys that begin in the future, which are counted as skipped: nobody can have heard them.

        Args:
            now: UTC unix seconds. A machine may have no clock of its own: what the file says of its own time, and
                `FUTURE_S`, forgive one that is behind.
        """
        latest = max(now, self.end) + FUTURE_S
        last = {name: latest // protocol.interval_s for name, protocol in protocols().items()}
        keys, revised = (
            tuple(key for key in of if key.first <= last[key.protocol]) for of in (self.keys, self.revised)
        )
        ahead = len(self.keys) + len(self.revised) - len(keys) - len(revised)
        if not ahead:
            return self
        return replace(self, keys=keys, revised=revised, skipped={**self.skipped, _FUTURE: ahead})


def read_key_file(path: Path, verify_keys: Sequence[VerifyKey] = (), *, allow_unsigned: bool = False) -> KeyFile:
    """Read and verify a key file: a zip, or export.bin alone, which is never signed.

    Args:
        path: the file.
        verify_keys: public keys; one that the file's signature names must verify it.
        allow_unsigned: take a file without a signature, and any file where there is no key to verify with.

    Raises:
        InputError: if it is no key file, holds too much, or does not verify.
    """
    return parse_key_file(archive.read_bytes(path), verify_keys, allow_unsigned=allow_unsigned, name=str(path))


def parse_key_file(
    data: bytes, verify_keys: Sequence[VerifyKey] = (), *, allow_unsigned: bool = False, name: str = "key file"
) -> KeyFile:
    """A key file from its bytes; as `read_key_file`."""
    export, signature_bytes = archive.unpack(data, name)
    signatures = _signatures(signature_bytes, name)
    verified_by = _verify(export, signatures, verify_keys, allow_unsigned, name)
    message = _parse_export(export, name)
    names = [message.region, *(text for info, _ in signatures for text in (info.key_id, info.version, info.algorithm))]
    if max(map(len, names)) > MAX_NAME:
        raise InputError(f"{name} names a region or a key with more than {MAX_NAME} characters", "no server does")
    skipped: Counter[str] = Counter()
    return KeyFile(
        keys=_keys(message.keys, skipped),
        revised=_keys(message.revised_keys, skipped),
        start=float(message.start_timestamp),
        end=float(message.end_timestamp),
        region=message.region,
        batch_num=message.batch_num,
        batch_size=message.batch_size,
        signers=tuple(info for info, _ in signatures),
        verified_by=verified_by,
        skipped=dict(skipped),
        sha256=sha256(data).digest(),
        name=name,
    )


def _signatures(data: bytes | None, name: str) -> list[tuple[SignatureInfo, bytes]]:
    if data is None:
        return []
    try:
        signed = messages.parse(messages.signature_list_message(), data).signatures
    except ValueError as error:
        raise InputError(f"{archive.SIGNATURE_NAME} in {name} is damaged") from error
    return [(_info(signature.signature_info), signature.signature) for signature in signed]


def _info(message: Any) -> SignatureInfo:
    return SignatureInfo(
        message.verification_key_id, message.verification_key_version, message.signature_algorithm or SHA256_OID
    )


def _verify(
    export: bytes,
    signatures: Sequence[tuple[SignatureInfo, bytes]],
    keys: Sequence[VerifyKey],
    allow_unsigned: bool,  # noqa: FBT001  one caller
    name: str,
) -> VerifyKey | None:
    if not signatures or not keys:
        if allow_unsigned:
            return None
        lack = "is not signed" if keys else "cannot be verified: no key to verify it with"
        raise InputError(f"{name} {lack}", UNSIGNED_HINT)
    fitting = [
        (key, info, signature)
        for info, signature in signatures
        for key in keys
        if key.is_for(info.key_id, info.version)
    ]
    if not fitting:
        named = "; ".join(str(info) for info, _ in signatures[:3])
        raise InputError(f"{name} is signed by key {named}, which none of the keys given is", UNSIGNED_HINT)
    for key, info, signature in fitting:
        if key.verifies(export, signature, info.algorithm):
            return key
    raise InputError(
        f"the signature of {name} does not verify", "the file was changed, or another key signed it: do not use it"
    )


def _parse_export(export: bytes, name: str) -> Any:
    payload = export[len(archive.HEADER) :]
    try:
        fields = messages.count_fields(payload, MAX_KEYS + _MAX_OTHER_FIELDS)
        if fields <= MAX_KEYS + _MAX_OTHER_FIELDS:
            message = messages.parse(messages.export_message(), payload)
            if len(message.keys) + len(message.revised_keys) <= MAX_KEYS:
                return message
    except ValueError as error:
        raise InputError(f"{archive.EXPORT_NAME} in {name} is damaged: {error}") from error
    raise InputError(f"{name} holds more than {MAX_KEYS} keys", "no server writes that many into one file")


def _keys(entries: Any, skipped: Counter[str]) -> tuple[DiagnosisKey, ...]:
    types = {int(kind): kind for kind in ReportType}
    keys: list[DiagnosisKey] = []
    for entry in entries:
        key, first, intervals = entry.key_data, entry.rolling_start_interval_number, entry.rolling_period
        wrong = _wrong(key, first, intervals)
        if wrong:
            skipped[wrong] += 1
            continue
        onset = entry.days_since_onset_of_symptoms if entry.HasField("days_since_onset_of_symptoms") else None
        risk = entry.transmission_risk_level if entry.HasField("transmission_risk_level") else None
        # A type that is not known yet is a case all the same.
        kind = types.get(entry.report_type, ReportType.UNKNOWN)
        onset = onset if onset is None or -MAX_ONSET_DAYS <= onset <= MAX_ONSET_DAYS else None
        keys.append(DiagnosisKey(key, first, intervals, gaen.NAME, kind, onset, risk))
    return tuple(keys)


def _wrong(key: bytes, first: int, intervals: int) -> str:
    """Why an entry cannot be used; empty if it can."""
    if len(key) != gaen.PROTOCOL.key_bytes:
        return "key of wrong length"
    if not 1 <= intervals <= INTERVALS_PER_KEY:
        return "rolling period not 1 to 144"
    if first < 0 or (first + intervals) * gaen.INTERVAL_S > MAX_TIME:
        return "interval out of range"
    return ""


def write_key_file(file: KeyFile, signing_key: SigningKey | None = None) -> bytes:
    """The bytes of a key file; its keys in the order given.

    Args:
        file: what to write; `signers[0]` names the key that signs, others are not written.
        signing_key: signs it; None writes an unsigned archive.

    Raises:
        ValueError: if it holds what the format cannot say: keys of another protocol, too many of them, or numbers out
            of range.
    """
    if len(file.keys) + len(file.revised) > MAX_KEYS:
        raise ValueError(f"{len(file.keys) + len(file.revised)} keys; a file holds at most {MAX_KEYS}")
    info = file.signers[0] if file.signers else SignatureInfo()
    message = messages.export_message()
    message.start_timestamp, message.end_timestamp = _timestamp(file.start), _timestamp(file.end)
    message.region = file.region
    message.batch_num, message.batch_size = file.batch_num, file.batch_size
    if signing_key is not None:
        _set_info(message.signature_infos.add(), info)
    for key in file.keys:
        _set_key(message.keys.add(), key)
    for key in file.revised:
        _set_key(message.revised_keys.add(), key)
    export = archive.HEADER + message.SerializeToString(deterministic=True)
    return archive.pack(export, None if signing_key is None else _signed(export, file, info, signing_key))


def _signed(export: bytes, file: KeyFile, info: SignatureInfo, signing_key: SigningKey) -> bytes:
    message = messages.signature_list_message()
    signature = message.signatures.add()
    _set_info(signature.signature_info, info)
    signature.batch_num, signature.batch_size = file.batch_num, file.batch_size
    signature.signature = signing_key.sign(export)
    return bytes(message.SerializeToString(deterministic=True))


def _set_info(message: Any, info: SignatureInfo) -> None:
    message.verification_key_version = info.version
    message.verification_key_id = info.key_id
    message.signature_algorithm = info.algorithm


def _set_key(message: Any, key: DiagnosisKey) -> None:
    wrong = _wrong(key.key, key.first, key.intervals)
    if key.protocol != gaen.NAME or wrong:
        raise ValueError(f"{key.protocol} key that a key file cannot hold: {wrong or 'another protocol'}")
    message.key_data = key.key
    message.rolling_start_interval_number = key.first
    message.rolling_period = key.intervals
    if key.report_type != ReportType.UNKNOWN:
        message.report_type = int(key.report_type)
    if key.days_since_onset is not None:
        if abs(key.days_since_onset) > MAX_ONSET_DAYS:
            raise ValueError(f"{key.days_since_onset} days since onset; -14 to 14 can be said")
        message.days_since_onset_of_symptoms = key.days_since_onset
    if key.transmission_risk is not None:
        message.transmission_risk_level = min(max(key.transmission_risk, 0), _MAX_RISK)


def _timestamp(seconds: float) -> int:
    if not 0 <= seconds < _MAX_TIMESTAMP:
        raise ValueError(f"time {seconds}; seconds since 1970")
    return int(seconds)
