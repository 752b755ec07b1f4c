"""What a recording's header tells: recorder, start, place, and the words the device left.

Read are the chunks that recorders write into WAV files: LIST/INFO comments (AudioMoth, old and new
wording, and the JSON that OpenSoundscape puts there), ID3, GUANO, and Wildlife Acoustics' WAMD. Only the
chunks are read, never the sound, and each only up to a set size: a header that claims more costs nothing.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

MAX_CHUNK_BYTES = 1_000_000
MAX_CHUNKS = 1_000
_INFO_NAMES = {b"ICMT": "comment", b"IART": "artist", b"ICRD": "date", b"INAM": "title", b"ICOP": "copyright"}
_WAMD_TEXTS = {
    0x01: "model", 0x02: "serial", 0x03: "firmware", 0x04: "name", 0x05: "started", 0x06: "place", 0x0A:
    "note", 0x12: "microphone", 0x14: "place",
}  # fmt: skip


@dataclass(frozen=True)
class HeaderFacts:
    """What one file's header tells.

    `origin` names the chunk that told recorder and time; `device` is the make and model. Latitude and
    longitude are degrees. `copyright` is the text of the header's licence field, `texts` everything else
    worth keeping.
    """

    origin: str = ""
    device: str | None = None
    recorder_id: str | None = None
    started_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    copyright: str | None = None
    texts: dict[str, str] = field(default_factory=dict)


def read_header(path: Path | str) -> HeaderFacts:
    """What the header of a WAV file tells; empty for other files and for headers without a word.

    Damaged chunks are passed over: whether the sound can be used is for others to say.
    """
    with Path(path).open("rb") as file:
        chunks = read_chunks(file)
    found = HeaderFacts()
    info = read_info(chunks.get("LIST", [])) | {f"id3_{key}": text for key, text in _read_id3(chunks).items()}
    comments = [info[key] for key in ("comment", "id3_comment") if key in info]
    for comment in comments:
        if not found.origin:
            found = read_comment(comment)
    for chunk in chunks.get("guan", []):
        found = _merge(read_guano(chunk), found)
    for chunk in chunks.get("wamd", []):
        found = _merge(read_wamd(chunk), found)
    device = found.device or (info.get("artist") if info.get("artist", "").startswith("AudioMoth") else None)
    texts = {**info, **found.texts}
    return HeaderFacts(
        found.origin,
        device,
        found.recorder_id,
        found.started_at,
        found.latitude,
        found.longitude,
        info.get("copyright"),
        texts,
    )


def read_chunks(file: BinaryIO) -> dict[str, list[bytes]]:
    """The bodies of a RIFF or RF64 file's small chunks by name; the sound itself is passed over."""
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        return {}
    file.seek(0, 2)
    size_bytes = file.tell()
    position = 12
    chunks: dict[str, list[bytes]] = {}
    long_data_bytes = None
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = header[:4].decode("latin-1"), struct.unpack("<I", header[4:])[0]
        if name == "ds64":
            body = file.read(min(length, 28))
            long_data_bytes = struct.unpack("<Q", body[8:16])[0] if len(body) >= 16 else None
        elif name == "data" and length == 0xFFFFFFFF and long_data_bytes is not None:
            length = long_data_bytes
        elif name not in ("data", "fmt ") and length <= MAX_CHUNK_BYTES:
            chunks.setdefault(name, []).append(file.read(length))
        position += 8 + length + length % 2
        if position >= size_bytes:
            break
    return chunks


def read_info(lists: list[bytes]) -> dict[str, str]:
    """Texts of LIST/INFO chunks by a plain name."""
    found: dict[str, str] = {}
    for body in lists:
        if body[:4] != b"INFO":
            continue
        position = 4
        while position + 8 <= len(body):
            key, length = (
                body[position : position + 4],
                struct.unpack("<I", body[position + 4 : position + 8])[0],
            )
            text = _decode(body[position + 8 : position + 8 + length])
            if key in _INFO_NAMES and text:
                found.setdefault(_INFO_NAMES[key], text)
            position += 8 + length + length % 2
    return found


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8").strip("\x00 \r\n\t")
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip("\x00 \r\n\t")


def _read_id3(chunks: dict[str, list[bytes]]) -> dict[str, str]:
    """Comment and artist of an ID3v2 chunk; frames are found by their names, sizes bounded by the chunk."""
    found: dict[str, str] = {}
    for body in chunks.get("id3 ", []) + chunks.get("ID3 ", []):
        position = 10
        while body[:3] == b"ID3" and position + 10 <= len(body):
            name, size = (
                body[position : position + 4],
                struct.unpack(">I", body[position + 4 : position + 8])[0],
            )
            content = body[position + 10 : position + 10 + size]
            if not name.strip(b"\x00") or size == 0:
                break
            if name == b"COMM" and len(content) > 4:
                found.setdefault("comment", _id3_text(content[:1] + content[4:]).rsplit("\x00", 1)[-1])
            elif name == b"TPE1":
                found.setdefault("artist", _id3_text(content))
            position += 10 + size
    return {key: text for key, text in found.items() if text}


def _id3_text(content: bytes) -> str:
    encoding = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}.get(
        content[0] if content else 0, "latin-1"
    )
    return content[1:].decode(encoding, errors="replace").strip("\x00 \r\n\t\ufeff")


_RECORDED = re.compile(
    r"Recorded at (?P<time>\d{2}:\d{2}:\d{2})(?:\.\d+)? (?P<date>\d{2}/\d{2}/\d{4}) "
    r"\(UTC(?P<zone>[+-]\d{1,2}(?::?\d{2})?)?\)"
)
_SERIAL = re.compile(r"\b(?:AudioMoth|during deployment) (?P<serial>[0-9A-Fa-f]{16})\b")


def read_comment(comment: str) -> HeaderFacts:
    """What an AudioMoth comment tells, in the wording of any firmware, or inside OpenSoundscape's JSON.

    >>> facts = read_comment("Recorded at 10:25:00 04/04/2020 (UTC) by AudioMoth 24526B065D325963")
    >>> facts.recorder_id, facts.started_at.isoformat()
    ('24526B065D325963', '2020-04-04T10:25:00+00:00')
    """
    if comment.startswith("opso_metadata"):
        return _read_opensoundscape(comment.removeprefix("opso_metadata"))
    when, who = _RECORDED.search(comment), _SERIAL.search(comment)
    if when is None and who is None:
        return HeaderFacts()
    started_at = None
    if when is not None:
        started_at = _parse(
            f"{when['date']} {when['time']}", "%d/%m/%Y %H:%M:%S", _zone(when["zone"] or "+0")
        )
    temperature = re.search(r"temperature was (-?\d+(?:\.\d+)?)C", comment)
    texts = {"temperature_c": temperature[1]} if temperature else {}
    return HeaderFacts(
        "AudioMoth comment", "AudioMoth", who["serial"] if who else None, started_at, texts=texts
    )


def _read_opensoundscape(text: str) -> HeaderFacts:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return HeaderFacts()
    if not isinstance(values, dict):
        return HeaderFacts()
    inner = values.get("comment")
    found = (
        read_comment(inner)
        if isinstance(inner, str) and not inner.startswith("opso_metadata")
        else HeaderFacts()
    )
    started_at = _iso(str(values.get("recording_start_time", "")))
    if started_at is None and not found.origin:
        return HeaderFacts()
    device_id = str(values.get("device_id", "")).removeprefix("AudioMoth ") or None
    return HeaderFacts(
        "OpenSoundscape comment",
        found.device,
        found.recorder_id or device_id,
        started_at or found.started_at,
        texts=found.texts,
    )


def read_guano(chunk: bytes) -> HeaderFacts:
    """What a GUANO chunk tells: lines of `key: value` in UTF-8.

    Source: GUANO specification 1.0.
    """
    values: dict[str, str] = {}
    for line in _decode(chunk).splitlines():
        key, separator, value = line.partition(":")
        if separator and value.strip():
            values.setdefault(key.strip(), value.strip())
    if not values:
        return HeaderFacts()
    latitude, longitude = _place(values.get("Loc Position", ""))
    device = " ".join(values[key] for key in ("Make", "Model") if key in values) or None
    kept = {"Note", "Species Manual", "Temperature Ext", "Temperature Int", "OAD|Deployment ID"}
    texts = {f"guano_{key}": values[key] for key in sorted(kept & set(values))}
    return HeaderFacts(
        "GUANO",
        device,
        values.get("Serial"),
        _iso(values.get("Timestamp", "")),
        latitude,
        longitude,
        texts=texts,
    )


def read_wamd(chunk: bytes) -> HeaderFacts:
    """What a Wildlife Acoustics chunk tells: fields of 16-bit name, 32-bit length, and text.

    Source: wa_meta 1.0, Wildlife Acoustics.
    """
    values: dict[str, str] = {}
    position = 0
    while position + 6 <= len(chunk):
        key, length = struct.unpack("<HI", chunk[position : position + 6])
        if key in _WAMD_TEXTS:
            text = _decode(chunk[position + 6 : position + 6 + length])
            values.setdefault(_WAMD_TEXTS[key], text)
        position += 6 + length
    if not values:
        return HeaderFacts()
    latitude, longitude = _place(values.get("place", ""))
    model = values.get("model", "").strip()
    device = model if not model or "Wildlife" in model else f"Wildlife Acoustics {model}"
    texts = {f"wamd_{key}": values[key] for key in ("note", "microphone", "name") if values.get(key)}
    return HeaderFacts(
        "WAMD",
        device or None,
        values.get("serial") or None,
        _iso(values.get("started", "")),
        latitude,
        longitude,
        texts=texts,
    )


def _place(text: str) -> tuple[float | None, float | None]:
    """Two signed numbers, or Wildlife Acoustics' `WGS84,42.1,N,71.2,W`; degrees."""
    signed = re.match(r"^\(?\s*(-?\d+\.?\d*)[ ,]+(-?\d+\.?\d*)\s*\)?$", text)
    lettered = re.match(r"^(?:WGS\d*,)?\s*(\d+\.?\d*),\s*([NS]),\s*(\d+\.?\d*),\s*([EW])", text)
    if signed:
        latitude, longitude = float(signed[1]), float(signed[2])
    elif lettered:
        latitude = float(lettered[1]) * (-1 if lettered[2] == "S" else 1)
        longitude = float(lettered[3]) * (-1 if lettered[4] == "W" else 1)
    else:
        return None, None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)


def _iso(text: str) -> datetime | None:
    """An ISO time, with `T` or a space, with or without fractions and zone."""
    cleaned = re.sub(r"\.\d+", "", text.strip()).replace("Z", "+00:00")
    cleaned = re.sub(r"(?<=\d)([+-]\d{2})(\d{2})$", r"\1:\2", cleaned)
    try:
        return datetime.fromisoformat(cleaned) if len(cleaned) >= 16 else None
    except ValueError:
        return None


def _parse(text: str, pattern: str, zone: timezone) -> datetime | None:
    try:
        return datetime.strptime(text, pattern).replace(tzinfo=zone)
    except ValueError:
        return None


def _zone(text: str) -> timezone:
    """`+1`, `-05`, `+0530` or `+05:30` as a zone."""
    digits = text[1:].replace(":", "")
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    minutes_east = (hours * 60 + minutes) * (-1 if text[0] == "-" else 1)
    return timezone(timedelta(minutes=max(-1439, min(1439, minutes_east))))


def _merge(first: HeaderFacts, second: HeaderFacts) -> HeaderFacts:
    """What `first` tells, filled up from `second`."""
    if not first.origin:
        return second
    return HeaderFacts(
        first.origin,
        first.device or second.device,
        first.recorder_id or second.recorder_id,
        first.started_at or second.started_at,
        first.latitude if first.latitude is not None else second.latitude,
        first.longitude if first.longitude is not None else second.longitude,
        texts={**second.texts, **first.texts},
    )
