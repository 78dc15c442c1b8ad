"""Reads pictures, without any library."""

import struct
import zlib

BYTES = {0: 1, 2: 3}


def read(path):
    """Width, height, bytes a pixel, and the rows of an 8-bit PNG in grey or RGB that is not interlaced."""
    with open(path, "rb") as file:
        data = file.read()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
            assert depth == 8 and colour in BYTES and chunk[12] == 0, f"{path} is of another kind"
        elif kind == b"IDAT":
            packed += chunk
        at += 12 + length
    step = BYTES[colour]
    stride = width * step
    raw, rows, above = zlib.decompress(packed), [], bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        above = unfiltered(raw[start], bytearray(raw[start + 1:start + 1 + stride]), above, step)
        rows.append(bytes(above))
    return width, height, step, rows


def unfiltered(kind, row, above, step):
    if kind == 1:
        for x in range(step, len(row)):
            row[x] = (row[x] + row[x - step]) & 255
    elif kind == 2:
        row = bytearray((a + b) & 255 for a, b in zip(row, above))
    elif kind == 3:
        for x in range(len(row)):
            row[x] = (row[x] + ((row[x - step] if x >= step else 0) + above[x]) // 2) & 255
    elif kind == 4:
        row[:step] = bytes((a + b) & 255 for a, b in zip(row[:step], above[:step]))
        for x in range(step, len(row)):
            left, up, corner = row[x - step], above[x], above[x - step]
            across, down, both = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            best = left if across <= down and across <= both else up if down <= both else corner
            row[x] = (row[x] + best) & 255
    return row
