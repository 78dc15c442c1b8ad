"""Checks that two masks of the program, 8-bit grey PNG files, agree: IoU of at least 0.95.

    same_mask.py BOARD.png HOST.png
"""

import struct
import sys
import zlib


def grey(path):
    """Width, height and values of an 8-bit grey PNG that is not interlaced."""
    with open(path, "rb") as file:
        data = file.read()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
            assert (depth, colour, chunk[12]) == (8, 0, 0), f"{path} is not 8-bit grey"
        elif kind == b"IDAT":
            packed += chunk
        at += 12 + length
    raw, rows, above = zlib.decompress(packed), bytearray(), bytearray(width)
    for y in range(height):
        start = y * (width + 1)
        filtering, row = raw[start], bytearray(raw[start + 1 : start + 1 + width])
        for x in range(width):
            left = row[x - 1] if x else 0
            corner = above[x - 1] if x else 0
            if filtering == 1:
                row[x] = (row[x] + left) & 255
            elif filtering == 2:
                row[x] = (row[x] + above[x]) & 255
            elif filtering == 3:
                row[x] = (row[x] + (left + above[x]) // 2) & 255
            elif filtering == 4:
                guess = left + above[x] - corner
                best = min((left, above[x], corner), key=lambda value: abs(guess - value))
                row[x] = (row[x] + best) & 255
        rows += row
        above = row
    return (width, height), rows


def main():
    (board_size, board), (host_size, host) = grey(sys.argv[1]), grey(sys.argv[2])
    assert board_size == host_size, f"sizes differ: {board_size}, {host_size}"
    both = sum(1 for b, h in zip(board, host) if b > 127 and h > 127)
    either = sum(1 for b, h in zip(board, host) if b > 127 or h > 127)
    assert either > 0, "both masks are empty"
    print(f"IoU of the board's mask with the host's: {both / either:.4f}")
    sys.exit(0 if both / either >= 0.95 else 1)


if __name__ == "__main__":
    main()
