"""What scanners and towers draw round a picture: margins, text, rulers, marks, bars, logos."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .shapes import chance

WORDS = (
    "B 12.5 MHz,Gn 54,DR 60,Depth 4.0 cm,MI 0.7,TIS 0.1,FPS 32,GEN,RES,2D,Map 3,PRF,Abd,MSK,Small Parts,"
    "L12-5,C5-1,P4-2,Obst,Thyroid,Frozen,100 %,HD,Zoom 1.2,WL 128,WW 256,SE 1,IM 14,Dist 12.3 mm,A,B,"
    "Area 1.84 cm2,+ 0.63 cm,Caliper,Freeze,Gain 48 %,R,L,Left,Right,12:41:07,2 / 31,NEAR,CUT,COAG"
).split(",")


def margins(rng, image, masks, room=0.9, background=0.0):
    """Sets a picture on a larger, mostly black screen and draws what stands there. Half of the screens
    are cut to the picture again, as the program does where it finds it."""
    h, w = image.shape[:2]
    if chance(rng, 1 - room):
        return image, masks
    wide = rng.choice([1.0, 4 / 3, 16 / 10, 16 / 9, 1.25], p=[0.15, 0.35, 0.2, 0.2, 0.1])
    scale = 1.0 + 0.6 * rng.random() ** 2.5
    screen_h = int(h * scale)
    screen_w = max(int(screen_h * wide), int(w * rng.uniform(1.0, 1.15)))
    top, left = int(rng.integers(0, screen_h - h + 1)), int(rng.integers(0, screen_w - w + 1))
    if chance(rng, 0.5):
        left = (screen_w - w) // 2
    screen = np.full((screen_h, screen_w) + image.shape[2:], background, np.float32)
    screen[top : top + h, left : left + w] = image
    moved = []
    for mask in masks:
        big = np.zeros((screen_h, screen_w), bool)
        big[top : top + h, left : left + w] = mask
        moved.append(big)
    drawn = draw(rng, screen, (left, top, left + w, top + h))
    if chance(rng, 0.5):
        rim = int(rng.uniform(0, 0.06) * max(h, w))
        rows = slice(max(top - rim, 0), top + h + rim)
        columns = slice(max(left - rim, 0), left + w + rim)
        return drawn[rows, columns], [mask[rows, columns] for mask in moved]
    return drawn, moved


def draw(rng, screen, picture):
    """Text, a depth ruler, a grey bar, calliper crosses, a logo: each of them sometimes."""
    h, w = screen.shape[:2]
    x0, y0, x1, y1 = picture
    canvas = Image.fromarray((np.clip(screen, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(canvas)
    colour_picture = screen.ndim == 3
    unit = h / 40

    def ink(low=120):
        level = int(rng.integers(low, 256))
        if colour_picture and chance(rng, 0.4):
            return tuple(int(v) for v in rng.integers(40, 256, 3))
        return (level,) * 3 if colour_picture else level

    def words(x, y, count, size):
        font = ImageFont.load_default(max(6, int(size)))
        colour = ink()
        for k in range(count):
            pen.text((x, y + k * size * 1.25), str(rng.choice(WORDS)), fill=colour, font=font)

    size = unit * rng.uniform(0.7, 1.5)
    if chance(rng, 0.7):
        words(rng.uniform(0, 0.04) * w, rng.uniform(0, 0.15) * h, int(rng.integers(1, 8)), size)
    if chance(rng, 0.6):
        words(rng.uniform(0.8, 0.92) * w, rng.uniform(0, 0.6) * h, int(rng.integers(1, 9)), size)
    if chance(rng, 0.3):
        words(rng.uniform(0.1, 0.8) * w, rng.uniform(0.9, 0.96) * h, 1, size)
    if chance(rng, 0.65):  # a ruler
        x = min(max(x1 + rng.uniform(-0.06, 0.04) * w, 2), w - 3)
        step = (y1 - y0) / rng.integers(4, 26)
        colour, long = ink(), int(rng.integers(2, 6))
        for k in range(int((y1 - y0) / step) + 1):
            length = unit * (0.35 if k % long else 0.7)
            y = y0 + k * step
            if chance(rng, 0.0 if long % 2 else 0.02):
                continue
            pen.line((x - length / 2, y, x + length / 2, y), fill=colour, width=1 + int(unit > 9))
    if chance(rng, 0.3):  # a grey bar
        x = x0 - rng.uniform(0.02, 0.1) * w if chance(rng, 0.6) else x1 + rng.uniform(0.02, 0.1) * w
        for k in range(int(h * 0.3)):
            level = int(255 * (1 - k / (h * 0.3)))
            fill = (level,) * 3 if colour_picture else level
            pen.line((x, h * 0.2 + k, x + unit * 0.6, h * 0.2 + k), fill=fill)
    for _ in range(int(rng.integers(0, 5)) if chance(rng, 0.25) else 0):  # calliper crosses
        x, y, arm = rng.uniform(x0, x1), rng.uniform(y0, y1), unit * rng.uniform(0.2, 0.5)
        colour = ink(180)
        pen.line((x - arm, y, x + arm, y), fill=colour)
        pen.line((x, y - arm, x, y + arm), fill=colour)
    if chance(rng, 0.3):  # a logo or an orientation mark
        x, y, r = rng.uniform(0, 0.95) * w, rng.uniform(0, 0.12) * h, unit * rng.uniform(0.4, 1.4)
        (pen.ellipse if chance(rng, 0.5) else pen.rectangle)((x, y, x + r, y + r), fill=ink())
    if chance(rng, 0.1):  # a bar along an edge of the screen
        edge = unit * rng.uniform(1, 3)
        fill = ink(40)
        pen.rectangle((0, 0, w, edge) if chance(rng, 0.5) else (0, h - edge, w, h), fill=fill)
    return np.asarray(canvas, np.float32) / 255
