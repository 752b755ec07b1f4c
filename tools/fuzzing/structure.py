"""Whole files whose contents are absurd: what damage by bytes hardly ever makes, for a checksum or a bracket stops it.

Tables get other types, rows and columns; documents other values; arrays other shapes; sound other formats; graphs of
networks other numbers.
"""

import contextlib
import csv
import io
import json
import struct
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import numpy as np
import yaml

_MOST_PARSED = 100_000  # bytes of a document or a table
_INTS = (0, 1, -1, 2, 7, 127, 255, 65_535, 2**31 - 1, -(2**31), 2**53, 2**63 - 1, -(2**63))
_FLOATS = (0.0, -0.0, 1.5, -1e-300, 1e300, 3e38, float("nan"), float("inf"), float("-inf"))
_TEXTS = (
    "", " ", "a", "RADR", "a.wav", "0", "-1", "1e999", "nan", "NULL", "true", "=1+1", "../x", "/", ".", "a/../b",
    "CON", "\0", "\n", "\u202e", "\ud800", "\x1b[2J", "é", "e\u0301", "９", "٣", "2025-02-30", "2025-04-03", "24:00",
    "+25:00", "9999-12-31T23:59:60Z", "x" * 5_000, "a,b;c\td", '"', "{}", "{0}", "%s", "${x}", "<b>", "[", "*", "~",
)  # fmt: skip
_SCALARS: tuple[Any, ...] = (*_INTS, 10**19, 10**400, *_FLOATS, *_TEXTS, None, True, False)
Changed = bytes | None


def restructured(content: bytes, rng: Random) -> bytes:
    """A whole file of other contents, or the same bytes where nothing is known of their kind."""
    for change in _ways(content):
        # Libraries that write files refuse some contents, each in its own way.
        with contextlib.suppress(Exception):
            made = change(content, rng)
            if made:
                return made
    return content


def _ways(content: bytes) -> tuple[Callable[[bytes, Random], Changed], ...]:
    if content[:4] == b"PAR1":
        return (_parquet,)
    if content[:6] == b"\x93NUMPY":
        return (_array,)
    if content[4:8] == b"TFL3":
        return (_tflite,)
    if content[:4] == b"RIFF":
        return (_chunks, _sound)
    if content[:4] in (b"RF64", b"fLaC", b"OggS"):
        return (_sound,)
    if b"MatMul" in content:  # ONNX has no magic bytes; every valid sample multiplies
        return (_onnx,)
    return () if len(content) > _MOST_PARSED else (_json_lines, _yaml, _csv)


# Documents ------------------------------------------------------------------------------------------


def _value(rng: Random, depth: int = 0) -> Any:
    draw = rng.random()
    if draw < 0.7 or depth > 2:
        return rng.choice(_SCALARS)
    some = [_value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 5)))]
    return some if draw < 0.85 else {str(rng.choice(_TEXTS)): one for one in some}


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with each of its keys."""
    if isinstance(document, dict | list):
        keys = list(document) if isinstance(document, dict) else range(len(document))
        return [place for key in keys for place in ((document, key), *_places(document[key]))]
    return []


def _document(document: Any, rng: Random) -> Any:
    """The same with one to three of its values other, gone, elsewhere, or under another name."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = _places(document)
        if not places or rng.random() < 0.02:
            return _value(rng)
        held, key = rng.choice(places)
        one, at = rng.choice(places)
        kind = rng.randrange(8)
        if kind < 4:
            held[key] = _value(rng)
        elif kind == 4:
            del held[key]
        elif kind == 5:
            held[key] = json.loads(json.dumps(one[at])) if rng.random() < 0.8 else [held[key]] * 50
        elif kind == 6 and isinstance(held, dict):
            held[rng.choice((*_TEXTS, str(key) + " ", str(key).upper()))] = held[key]
        elif isinstance(held[key], int | float):
            held[key] = rng.choice((-held[key], 2 * held[key], [held[key]]))
        else:
            held[key] = str(held[key]) + str(rng.choice(_TEXTS))
    return document


def _json_lines(content: bytes, rng: Random) -> Changed:
    """A document over the whole file, or one in each line."""
    with contextlib.suppress(ValueError):
        return json.dumps(_document(json.loads(content), rng)).encode()
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not lines or lines[0][:1] not in b"{[":
        return None
    at = rng.randrange(len(lines))
    lines[at] = json.dumps(_document(json.loads(lines[at]), rng)).encode()
    if rng.random() < 0.3:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"\n".join(lines) + b"\n"


def _yaml(content: bytes, rng: Random) -> Changed:
    if sum(map(content.count, (b"[", b"{", b"- "))) > 500:  # libyaml dies of what nests deep
        return None
    document = yaml.load(content, yaml.CSafeLoader)
    if not isinstance(document, dict | list):
        return None
    changed = _document(document, rng)
    return yaml.safe_dump(changed, sort_keys=False, allow_unicode=rng.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )


# Tables ---------------------------------------------------------------------------------------------


def _csv(content: bytes, rng: Random) -> Changed:
    encoding = "utf-8-sig" if content[:3] == b"\xef\xbb\xbf" else "utf-8"
    text = content.decode(encoding)
    mark = max(",;\t", key=text.partition("\n")[0].count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if row]
    if len(rows) < 2:
        return None
    for _ in range(rng.choice((1, 1, 2, 3))):
        _change_cells(rows, rng)
    made = io.StringIO()
    writer = csv.writer(
        made, delimiter=rng.choice((mark,) * 9 + (",",)), lineterminator=rng.choice(("\n", "\r\n"))
    )
    writer.writerows(rows)
    return made.getvalue().encode(rng.choice((encoding,) * 12 + ("utf-16", "cp1252", "latin-1")), "replace")


def _change_cells(rows: list[list[str]], rng: Random) -> None:
    at, kind = rng.randrange(len(rows)), rng.randrange(10)
    row = rows[at]
    column = rng.randrange(len(row) or 1)
    if kind < 4 and row:
        row[column] = (
            str(rng.choice(_SCALARS)) if rng.random() < 0.8 else rng.choice(rng.choice(rows) or [""])
        )
    elif kind == 4:
        rows.insert(at, list(rng.choice(rows)))
    elif kind == 5 and len(rows) > 1:
        rows.pop(at)
    elif kind == 6:
        for one in rows:
            del one[column : column + 1]
    elif kind == 7:
        name = rng.choice((*_TEXTS, *rows[0]))
        for number, one in enumerate(rows):
            one.insert(column, str(rng.choice(_SCALARS)) if number else name)
    elif kind == 8:
        order = rng.sample(range(len(row)), len(row))
        row[:] = [row[number] for number in order]
    else:
        row.extend(rng.choice(_TEXTS) for _ in range(rng.choice((1, 3, 2_000))))


def _parquet(content: bytes, rng: Random) -> Changed:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(io.BytesIO(content)).read()
    for _ in range(rng.choice((1, 1, 2))):
        table = _changed_table(table, rng)
    made = io.BytesIO()
    packing = rng.choice(("snappy", "none", "zstd", "gzip"))
    size = max(rng.choice((1, 2, 1_000)), table.num_rows // 8)
    pq.write_table(table, made, compression=packing, row_group_size=size)
    return made.getvalue()


def _changed_table(table: Any, rng: Random) -> Any:
    """One column, the rows, or what is told beside them, otherwise."""
    import pyarrow as pa

    kind = rng.randrange(10)
    at = rng.randrange(table.num_columns or 1)
    if kind < 5 and table.num_columns:
        name = table.column_names[at]
        return table.set_column(at, name, _column(table.column(at), rng))
    if kind == 5:
        return table.remove_column(at)
    if kind == 6:
        name = rng.choice((*_TEXTS, *table.column_names))
        return table.append_column(name, _column(table.column(at), rng))
    if kind == 7:
        names = list(table.column_names)
        names[at] = rng.choice((*_TEXTS, *names))
        return table.rename_columns(names)
    if kind == 8:
        rows = [rng.randrange(table.num_rows) for _ in range(rng.choice((0, 1, table.num_rows, 3_000)))]
        return table.take(pa.array(rows, pa.int64()))
    told = dict(table.schema.metadata or {})
    name = rng.choice((*told, b"pandas", b"x"))
    value = told.get(name, b"{}")
    told[name] = _json_lines(value, rng) or rng.choice((b"", b"{}", b"\xff", value[: len(value) // 2]))
    return table.replace_schema_metadata(told)


def _column(column: Any, rng: Random) -> Any:
    """One other value of its type, or all of another type."""
    import pyarrow as pa

    n, values = len(column), column.to_pylist()
    if rng.random() < 0.5 and n:
        at = rng.randrange(n)
        held = values[at]
        if isinstance(held, list) and held and rng.random() < 0.7:
            values[at] = rng.choice(
                (held[:-1], held * 2, [None] * len(held), [rng.choice(_FLOATS)] * len(held))
            )
        else:
            values[at] = rng.choice((None, *_values_of(column.type)))
        return pa.array(values, column.type)
    form = rng.choice(_types(pa))
    return pa.array([rng.choice((*_values_of(form), None))] * n, form)


@cache
def _values_of(form: Any) -> tuple[Any, ...]:
    """What of all there is can stand in a column of this type."""
    import pyarrow as pa

    found = []
    for value in _SCALARS:
        for held in (
            value,
            [value],
            [[value]],
            {"a": value},
            str(value).encode("utf-8", "replace"),
            [value] * 1_024,
        ):
            with contextlib.suppress(Exception):
                pa.array([held], form).validate(full=True)
                found.append(held)
                break
    return tuple(found)


def _types(pa: Any) -> list[Any]:
    plain = (
        "string", "large_string", "binary", "bool_", "null", "date32", "date64", "int8", "int32", "int64", "uint8",
        "uint64", "float16", "float32", "float64",
    )  # fmt: skip
    times = [
        pa.timestamp("ns"),
        pa.timestamp("s"),
        pa.timestamp("us", "UTC"),
        pa.time64("us"),
        pa.duration("ns"),
    ]
    others = [pa.decimal128(38, 5), pa.binary(1), pa.dictionary(pa.int32(), pa.string())]
    lists = [pa.list_(pa.float32(), 1_024), pa.list_(pa.list_(pa.int8()))]
    lists += [pa.list_(form) for form in (pa.float32(), pa.float64(), pa.string(), pa.int64())]
    return [*(getattr(pa, name)() for name in plain), *times, *others, *lists, pa.struct([("a", pa.int64())])]


def _array(content: bytes, rng: Random) -> Changed:
    array = np.load(io.BytesIO(content), allow_pickle=False)
    kind = rng.randrange(5)
    if kind == 0 and array.dtype.kind in "iuf":  # numpy itself dies of some casts of others
        names = ("f2", "f8", ">f4", "i1", "u8", "c8", "?", "U3", "S2", "M8[s]", "m8[ns]")
        array = array.astype(rng.choice(names))
    elif kind == 1:
        shapes: tuple[tuple[int, ...], ...] = ((-1,), (1, -1), (-1, 1), (1,) * 5 + (-1,), array.shape[::-1])
        array = array.reshape(rng.choice(shapes))
    elif kind == 2:
        array = array[: rng.choice((0, 1, -1))] if rng.random() < 0.5 else np.concatenate([array, array])
    elif kind == 3 and array.size:
        array.flat[rng.randrange(array.size)] = rng.choice((*_INTS, *_FLOATS))
    else:
        array = np.array(rng.choice((0.0, b"", "x", [], [[]], np.zeros(2, "i4,f4"))))
    made = io.BytesIO()
    np.lib.format.write_array(made, np.asarray(array, order=rng.choice("CF")), allow_pickle=False)
    return made.getvalue()


# Sound ----------------------------------------------------------------------------------------------


def _chunks(content: bytes, rng: Random) -> Changed:
    """A WAV file's chunks left out, twice, elsewhere, or one of another length."""
    if rng.random() < 0.4:
        return None
    chunks, at = [], 12
    while at + 8 <= len(content):
        size = 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        chunks.append(content[at : at + size + size % 2])
        at += size + size % 2
    place, kind = rng.randrange(len(chunks)), rng.randrange(5)
    chunk = chunks[place]
    if kind == 0:
        chunks.pop(place)
    elif kind == 1:
        chunks.insert(rng.randrange(len(chunks) + 1), rng.choice(chunks))
    elif kind == 2:
        rng.shuffle(chunks)
    elif kind == 3:
        size = rng.choice((0, 1, 2, 15, len(chunk), 2**31 - 1, 2**32 - 1))
        chunks[place] = chunk[:4] + struct.pack("<I", size) + chunk[8:]
    else:
        names = (b"LIST", b"guan", b"bext", b"fmt ", b"data", b"ds64", b"iXML")
        chunks[place] = rng.choice(names) + chunk[4:]
    body = b"".join(chunks)
    return content[:4] + struct.pack("<I", min(len(body) + 4, 2**32 - 1)) + content[8:12] + body


def _sound(content: bytes, rng: Random) -> Changed:
    """Another sound in another format."""
    import soundfile

    form = rng.choice(("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "AIFF", "AU", "CAF", "MP3"))
    subtype = rng.choice(sorted(soundfile.available_subtypes(form)))
    rate = rng.choice((1, 7, 100, 8_000, 16_000, 44_100, 48_000, 192_000, 655_350, 2**31 - 1))
    n, channels = rng.choice((0, 1, 2, 3, 1_000, 5_000)), rng.choice((1, 1, 2, 3, 8, 300))
    if form in ("OGG", "MP3"):  # their writers end the process at more
        rate, channels = min(rate, 192_000), min(channels, 2)
    values = np.random.default_rng(rng.getrandbits(32)).uniform(-1, 1, size=(n, channels))
    if n and subtype in ("FLOAT", "DOUBLE"):  # others have no such values, and their writers die of them
        values[rng.randrange(n)] = rng.choice((*_FLOATS, *map(float, _INTS)))
    made = io.BytesIO()
    with np.errstate(all="ignore"):
        soundfile.write(made, values, rate, subtype, format=form)
    return made.getvalue()


# Networks -------------------------------------------------------------------------------------------


def _tflite(content: bytes, rng: Random) -> Changed:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        held = rng.choice(_flat_objects(model))
        name = rng.choice(sorted(vars(held)))
        setattr(held, name, _flat_value(getattr(held, name), rng))
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _flat_objects(held: Any) -> list[Any]:
    """A table of a FlatBuffer with all that it holds."""
    found = [held]
    for value in vars(held).values():
        for one in value if isinstance(value, list) else [value]:
            found += _flat_objects(one) if hasattr(one, "__dict__") else []
    return found


def _flat_value(value: Any, rng: Random) -> Any:
    small = rng.choice((0, 1, -1, 2, 3, 7, 100, 127, 2**31 - 1))
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, int | np.integer):
        return small
    if isinstance(value, float):
        return rng.choice(_FLOATS)
    if isinstance(value, bytes | str):
        return rng.choice((b"", b"x", b"\xff", b"TfLiteSqueeze", b"a" * 300))
    if isinstance(value, list | np.ndarray) and len(value):
        made = list(value)
        at, kind = rng.randrange(len(made)), rng.randrange(4)
        if kind == 0:
            made.pop(at)
        elif kind == 1:
            made.insert(at, rng.choice(made))
        elif kind == 2 and isinstance(made[at], int | np.integer):
            made[at] = small
        else:
            made = made[: rng.choice((0, 1, len(made) // 2))]
        return np.asarray(made, value.dtype) if isinstance(value, np.ndarray) else made
    return np.array([small] * rng.choice((1, 4)), np.int32) if rng.random() < 0.5 else None


def _onnx(content: bytes, rng: Random) -> Changed:
    import onnx

    model = onnx.ModelProto.FromString(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        held = rng.choice(_messages(model))
        field = rng.choice(list(held.DESCRIPTOR.fields))
        _change_field(held, field, rng)
    return bytes(model.SerializeToString())


def _messages(message: Any) -> list[Any]:
    """A message of Protocol Buffers with all that it holds."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type:
            for one in value if field.is_repeated else [value]:
                found += _messages(one)
    return found


_OPERATORS = (
    "Abs", "Reshape", "Conv", "Loop", "If", "Scan", "Expand", "ConstantOfShape", "Identity", "Tile", "product"
)  # fmt: skip


def _change_field(held: Any, field: Any, rng: Random) -> None:
    values: dict[Any, Any] = {
        field.CPPTYPE_STRING: (b"", b"x", b"\xff") if field.type == field.TYPE_BYTES else _OPERATORS,
        field.CPPTYPE_FLOAT: _FLOATS,
        field.CPPTYPE_DOUBLE: _FLOATS,
        field.CPPTYPE_BOOL: (True, False),
    }
    value = rng.choice(values.get(field.cpp_type, (0, 1, 2, 7, 11, 127, 2**31 - 1)))
    if not field.is_repeated:
        if field.message_type or rng.random() < 0.2:
            held.ClearField(field.name)
        else:
            setattr(held, field.name, value)
        return
    many, kind = getattr(held, field.name), rng.randrange(4)
    if kind == 0 or not many:
        many.add() if field.message_type else many.append(value)
    elif kind == 1:
        del many[rng.randrange(len(many))]
    elif kind == 2 and not field.message_type:
        many[rng.randrange(len(many))] = value
    else:
        many.append(rng.choice(list(many)))
