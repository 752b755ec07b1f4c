"""What a recording's header tells: recorder, start, place, and the words the device left.

Read are the chunks that recorders write into WAV files: LIST/INFO comments (AudioMoth, old and new
wording, and the JSON that OpenSoundscape puts there), ID3, GUANO, and Wildlife Acoustics' WAMD. Only the
chunks are read, never the sound, and each only up to a set size: a header that claims more costs nothing.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

from vernal.audio.chunks import chunks_of
from vernal.common.json_text import parse_json
from vernal.common.problems import InputError

MAX_CHUNK_BYTES = 1_000_000
_PASSED_OVER = (b"data", b"fmt ", b"ds64")
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
        found = _filled(read_guano(chunk), found)
    for chunk in chunks.get("wamd", []):
        found = _filled(read_wamd(chunk), found)
    artist = info.get("artist", "")
    device = found.device or (artist if artist.startswith("AudioMoth") else None)
    return replace(found, device=device, copyright=info.get("copyright"), texts={**info, **found.texts})


def read_chunks(file: BinaryIO) -> dict[str, list[bytes]]:
    """The bodies of a RIFF or RF64 file's small chunks by name; the sound itself is passed over."""
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        return {}
    bodies: dict[str, list[bytes]] = {}
    for name, start, length in chunks_of(file):
        if name not in _PASSED_OVER and length is not None and length <= MAX_CHUNK_BYTES:
            file.seek(start)
            bodies.setdefault(name.decode("latin-1"), []).append(file.read(length))
    return bodies


def read_info(lists: list[bytes]) -> dict[str, str]:
    """Texts of LIST/INFO chunks by a plain name."""
    texts: dict[str, str] = {}
    for body in lists:
        for key, raw in _fields(body[4:], "<4sI", is_padded=True) if body[:4] == b"INFO" else ():
            text = _decode(raw)
            if key in _INFO_NAMES and text:
                texts.setdefault(_INFO_NAMES[key], text)
    return texts


def _fields(body: bytes, form: str, is_padded: bool = False) -> Iterator[tuple[Any, bytes]]:
    """Names and contents of fields, each behind a name and a length as `struct` reads them by `form`."""
    header = struct.Struct(form)
    position = 0
    while position + header.size <= len(body):
        name, length = header.unpack_from(body, position)
        position += header.size
        yield name, body[position : position + length]
        position += length + (length % 2 if is_padded else 0)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8").strip("\x00 \r\n\t")
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip("\x00 \r\n\t")


def _read_id3(chunks: dict[str, list[bytes]]) -> dict[str, str]:
    """Comment and artist of an ID3v2 chunk; frames are found by their names, sizes bounded by the chunk."""
    texts: dict[str, str] = {}
    for body in chunks.get("id3 ", []) + chunks.get("ID3 ", []):
        for name, content in _fields(body[10:], ">4sI2x") if body[:3] == b"ID3" else ():
            if not name.strip(b"\x00") or not content:
                break
            if name == b"COMM" and len(content) > 4:
                texts.setdefault("comment", _id3_text(content[:1] + content[4:]).rsplit("\x00", 1)[-1])
            elif name == b"TPE1":
                texts.setdefault("artist", _id3_text(content))
    return {key: text for key, text in texts.items() if text}


def _id3_text(content: bytes) -> str:
    encoding = {1: "utf-16", 2: "utf-16-be", 3: "utf-8"}.get(content[0], "latin-1")
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
    started_at = None if when is None else _clock(f"{when['date']} {when['time']}", when["zone"] or "+0")
    temperature = re.search(r"temperature was (-?\d+(?:\.\d+)?)C", comment)
    texts = {"temperature_c": temperature[1]} if temperature else {}
    serial = who["serial"] if who else None
    return HeaderFacts("AudioMoth comment", "AudioMoth", serial, started_at, texts=texts)


def _read_opensoundscape(text: str) -> HeaderFacts:
    try:
        values = parse_json(text, "The comment")
    except InputError:
        return HeaderFacts()
    if not isinstance(values, dict):
        return HeaderFacts()
    inner = str(values.get("comment", ""))
    found = HeaderFacts() if inner.startswith("opso_metadata") else read_comment(inner)
    started_at = _iso(str(values.get("recording_start_time", "")))
    if started_at is None and not found.origin:
        return HeaderFacts()
    device_id = str(values.get("device_id", "")).removeprefix("AudioMoth ") or None
    return replace(
        found,
        origin="OpenSoundscape comment",
        recorder_id=found.recorder_id or device_id,
        started_at=started_at or found.started_at,
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
    started_at = _iso(values.get("Timestamp", ""))
    return HeaderFacts("GUANO", device, values.get("Serial"), started_at, latitude, longitude, texts=texts)


def read_wamd(chunk: bytes) -> HeaderFacts:
    """What a Wildlife Acoustics chunk tells: fields of 16-bit name, 32-bit length, and text.

    Source: wa_meta 1.0, Wildlife Acoustics.
    """
    values: dict[str, str] = {}
    for key, raw in _fields(chunk, "<HI"):
        if key in _WAMD_TEXTS:
            values.setdefault(_WAMD_TEXTS[key], _decode(raw))
    if not values:
        return HeaderFacts()
    latitude, longitude = _place(values.get("place", ""))
    model = values.get("model", "").strip()
    device = model if not model or "Wildlife" in model else f"Wildlife Acoustics {model}"
    serial, started_at = values.get("serial") or None, _iso(values.get("started", ""))
    texts = {f"wamd_{key}": values[key] for key in ("note", "microphone", "name") if values.get(key)}
    return HeaderFacts("WAMD", device or None, serial, started_at, latitude, longitude, texts=texts)


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


def _clock(text: str, zone: str) -> datetime | None:
    """An AudioMoth's time, its day first."""
    try:
        return datetime.strptime(text, "%d/%m/%Y %H:%M:%S").replace(tzinfo=fixed_zone(zone))
    except ValueError:
        return None


def fixed_zone(text: str) -> timezone:
    """`+1`, `-05`, `+0530` or `+05:30` as a zone."""
    digits = text[1:].replace(":", "")
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    minutes_east = (hours * 60 + minutes) * (-1 if text[0] == "-" else 1)
    return timezone(timedelta(minutes=max(-1439, min(1439, minutes_east))))


def _filled(first: HeaderFacts, second: HeaderFacts) -> HeaderFacts:
    """What `first` tells, filled up from `second`."""
    if not first.origin:
        return second
    told = {name: value for name, value in vars(first).items() if value is not None}
    return replace(second, **told | {"texts": {**second.texts, **first.texts}})
