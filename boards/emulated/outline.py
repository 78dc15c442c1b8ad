"""What a screen shows of a mask, and how well it fits the mask. Rows are whole numbers, a bit a pixel."""

import png


def shown(live, outlined):
    """Where rows of pixels that were `live` came to be tinted or drawn over in the mask's colour. The
    dark rim round the mask is not of it; the one within, a pixel wide, is closed."""
    rows = []
    for before, after in zip(live, outlined):
        row = 0
        for x in range(len(before) // 3):
            old, new = before[3 * x:3 * x + 3], after[3 * x:3 * x + 3]
            # A tint adds blue even to white; a rim leaves a third of what was there.
            if old != new and new[2] > 0.6 * old[2] + 10:
                row |= 1 << x
        rows.append(row)
    width = len(live[0]) // 3
    return eroded(widened(rows, width), width)


def widened(rows, width):
    """With the pixels next to each."""
    across = [(row | row << 1 | row >> 1) & ((1 << width) - 1) for row in rows]
    return [a | b | c for a, b, c in zip([0] + across, across, across[1:] + [0])]


def eroded(rows, width):
    """Without the pixels that miss one next to them; beyond the edges nothing is missing."""
    across = [row & (row << 1 | 1) & (row >> 1 | 1 << (width - 1)) for row in rows]
    return [a & b & c for a, b, c in zip(across[:1] + across, across, across[1:] + across[-1:])]


def expected(path, width, height):
    """The rows of a mask of the program, a grey PNG file, as a picture of `width` x `height` shows it."""
    from_width, from_height, _, lines = png.read(path)
    rows = []
    for y in range(height):
        line = lines[(2 * y + 1) * from_height // (2 * height)]
        row = 0
        for x in range(width):
            if line[(2 * x + 1) * from_width // (2 * width)] > 127:
                row |= 1 << x
        rows.append(row)
    return rows


def without(rows, rectangles):
    """Without what is in rectangles (left, top, right, bottom), where other things are drawn."""
    rows = list(rows)
    for left, top, right, bottom in rectangles:
        for y in range(max(top, 0), min(bottom, len(rows))):
            rows[y] &= ~(((1 << right) - 1) ^ ((1 << max(left, 0)) - 1))
    return rows


def iou(a, b):
    """Intersection over union."""
    both = sum((x & y).bit_count() for x, y in zip(a, b))
    either = sum((x | y).bit_count() for x, y in zip(a, b))
    assert either > 0, "nothing is outlined"
    return both / either
