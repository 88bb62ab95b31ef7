#!/usr/bin/env python3
"""An independent reader of Fovea's store files, written from data/FORMAT.md alone.

    read_store.py STORE     prints the whole content as one JSON document; exit code 1 when a check fails
"""
import base64
import json
import os
import struct
import sys

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # 0x1EDC6F41 reflected
    TABLE.append(byte)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def check(condition, what):
    if not condition:
        sys.exit("read_store: " + what)


def aligned(offset):
    return (offset + 63) // 64 * 64


def check_header(data, magic):
    check(len(data) >= 64 and data[:8] == magic, "magic")
    major, _, size = struct.unpack_from("<HHI", data, 8)
    check(major in (1, 2) and size == 64 and not any(data[16:60]), "header")
    check(crc32c(data[:60]) == struct.unpack_from("<I", data, 60)[0], "header checksum")


def read_trailer(data, end):
    block = data[end - 64 : end]
    check(len(block) == 64 and block[:8] == b"\x89FOVEND\n", "trailer magic")
    offset, size, says, previous, index_crc = struct.unpack_from("<QQQQI", block, 8)
    check(crc32c(block[:60]) == struct.unpack_from("<I", block, 60)[0], "trailer checksum")
    check(says == end and aligned(offset + size) == end - 64 and not any(block[44:60]), "trailer")
    index = data[offset : offset + size]
    check(crc32c(index) == index_crc, "index checksum")
    return offset, size, previous, index


def sections_of(index):
    count, zero = struct.unpack_from("<II", index, 0)
    check(zero == 0, "directory")
    found, used = {}, 8 + 24 * count
    for k in range(count):
        kind, zero, offset, size = struct.unpack_from("<IIQQ", index, 8 + 24 * k)
        check(zero == 0 and offset == aligned(used) and not any(index[used:offset]) and kind not in found, "section")
        found[kind], used = index[offset : offset + size], offset + size
    check(used == len(index) and all(kind in found for kind in range(1, 8)), "sections")
    return found


def parse(index):
    sections = sections_of(index)
    (count,) = struct.unpack_from("<Q", sections[1], 0)
    ends = struct.unpack_from("<%dQ" % count, sections[1], 8)
    text = sections[1][8 + 8 * count :]
    strings = [text[begin:end].decode() for begin, end in zip((0,) + ends, ends)]
    shards = [(strings[name], size) for name, _, size in struct.iter_unpack("<IIQ", sections.get(8, b""))]
    records = list(struct.iter_unpack("<QQIIIBBHII", sections[2]))
    labels = [label for (label,) in struct.iter_unpack("<i", sections[4])]
    columns = []
    for k, (name, first, classes, zero) in enumerate(struct.iter_unpack("<IIII", sections[3])):
        check(zero == 0, "column")
        values = labels[k * len(records) : (k + 1) * len(records)]
        columns.append({"name": strings[name], "classes": strings[first : first + classes], "values": values})
    listed = [record for (record,) in struct.iter_unpack("<I", sections[6])]
    views = []
    for name, provenance, target, zero, first, number in struct.iter_unpack("<IIiIQQ", sections[5]):
        check(zero == 0, "view")
        views.append({"name": strings[name], "provenance": json.loads(strings[provenance]), "target": target,
                      "records": listed[first : first + number]})
    return strings, shards, records, columns, views, json.loads(sections[7])


def read_store(path):
    with open(path, "rb") as file:
        files = [file.read()]
    check_header(files[0], b"\x89FOV\r\n\x1a\n")
    offset, size, previous, index = read_trailer(files[0], len(files[0]))
    strings, shards, records, columns, views, metadata = parse(index)
    for name, shard_size in shards:
        with open(os.path.join(os.path.dirname(path), name), "rb") as file:
            files.append(file.read())
        check(len(files[-1]) == shard_size, "shard size")
        check_header(files[-1], b"\x89FOS\r\n\x1a\n")
    used = [[(0, 64)] for _ in files]  # what of each file is not padding
    segments = 1
    used[0] += [(offset, offset + size), (len(files[0]) - 64, len(files[0]))]
    while previous:
        end = previous + 64
        offset, size, previous, index = read_trailer(files[0], end)
        used[0] += [(offset, offset + size), (end - 64, end)]
        segments += 1
    content = []
    for at, length, crc, height, width, channels, encoding, zero, source, shard in records:
        payload = files[shard][at : at + length]
        check(at % 64 == 0 and zero == 0 and crc32c(payload) == crc, "record %d" % len(content))
        used[shard].append((at, at + length))
        content.append({"height": height, "width": width, "channels": channels, "source": strings[source],
                        "encoding": ["raw", "jpeg", "png", "float"][encoding],
                        "payload": base64.b16encode(payload).decode()})
    for data, intervals in zip(files, used):
        at = 0
        for begin, end in sorted(intervals) + [(len(data), len(data))]:
            check(not any(data[at:begin]), "padding before byte %d" % begin)
            at = max(at, end)
    return {"records": content, "columns": columns, "views": views, "metadata": metadata, "segments": segments,
            "shards": len(shards)}


if __name__ == "__main__":
    json.dump(read_store(sys.argv[1]), sys.stdout)
