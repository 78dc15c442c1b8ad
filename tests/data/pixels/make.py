"""Writes one small picture in each pixel format, and what it is in RGB, beside this script.

    pip install numpy opencv-python-headless
    python3 tests/data/pixels/make.py

The formulas are those of the standards (ITU-R BT.601, BT.709, BT.2020, SMPTE 240M) in double precision;
for BT.601 of limited range OpenCV's own conversion is checked to agree within 2 levels, but for luma
below black, which OpenCV takes for black. Nothing of tapseg takes part.
"""

import pathlib

import cv2
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent
WIDTH, HEIGHT = 38, 6
SHARES = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
}


def to_rgb(y, u, v, matrix, limited):
    """RGB of planes of the picture's size, rounded, by the standards' equations solved for R, G, B."""
    red, blue = SHARES[matrix]
    y, u, v = (plane.astype(np.float64) for plane in (y, u, v))
    if limited:
        y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    else:
        y, u, v = y / 255, (u - 128) / 255, (v - 128) / 255
    r = y + 2 * (1 - red) * v
    b = y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.rint(np.stack([r, g, b], -1) * 255), 0, 255).astype(np.uint8)


def wide(plane, rows):
    """A chroma plane at the picture's size: each value for the pixels that share it."""
    plane = np.repeat(plane, 2, axis=1)
    return np.repeat(plane, 2, axis=0) if rows else plane


def close(ours, theirs, what):
    away = np.abs(ours.astype(int) - theirs.astype(int))[y >= 16].max()
    assert away <= 2, f"OpenCV's {what} is {away} levels away"


random = np.random.default_rng(5)
y = random.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
u, v = random.integers(0, 256, (2, HEIGHT, WIDTH // 2), np.uint8)
u4, v4 = u[::2], v[::2]


def save(name, stored, rgb):
    (FOLDER / f"{name}.bin").write_bytes(np.ascontiguousarray(stored).tobytes())
    (FOLDER / f"{name}.rgb").write_bytes(np.ascontiguousarray(rgb).tobytes())


yuyv = np.stack([y[:, ::2], u, y[:, 1::2], v], -1).reshape(HEIGHT, WIDTH, 2)
uyvy = np.stack([u, y[:, ::2], v, y[:, 1::2]], -1).reshape(HEIGHT, WIDTH, 2)
for matrix in SHARES:
    for limited in (False, True):
        name = f"yuyv-{matrix}-{'limited' if limited else 'full'}"
        save(name, yuyv, to_rgb(y, wide(u, False), wide(v, False), matrix, limited))
packed = to_rgb(y, wide(u, False), wide(v, False), "bt601", True)
close(packed, cv2.cvtColor(yuyv, cv2.COLOR_YUV2RGB_YUYV), "YUYV")
close(packed, cv2.cvtColor(uyvy, cv2.COLOR_YUV2RGB_UYVY), "UYVY")
save("uyvy-bt601-limited", uyvy, packed)

planar = to_rgb(y, wide(u4, True), wide(v4, True), "bt601", True)
nv12 = np.concatenate([y, np.stack([u4, v4], -1).reshape(HEIGHT // 2, WIDTH)])
nv21 = np.concatenate([y, np.stack([v4, u4], -1).reshape(HEIGHT // 2, WIDTH)])
yu12 = np.concatenate([y.ravel(), u4.ravel(), v4.ravel()])
close(planar, cv2.cvtColor(nv12, cv2.COLOR_YUV2RGB_NV12), "NV12")
close(planar, cv2.cvtColor(nv21, cv2.COLOR_YUV2RGB_NV21), "NV21")
close(planar, cv2.cvtColor(yu12.reshape(HEIGHT * 3 // 2, WIDTH), cv2.COLOR_YUV2RGB_I420), "I420")
save("nv12-bt601-limited", nv12, planar)
save("nv21-bt601-limited", nv21, planar)
save("yu12-bt601-limited", yu12, planar)

grey = np.stack([y] * 3, -1)
save("grey-bt601-full", y, grey)
neutral = np.full_like(y, 128)
save("grey-bt601-limited", y, to_rgb(y, neutral, neutral, "bt601", True))
for bits in (10, 12, 16):
    deep = random.integers(0, 1 << bits, (HEIGHT, WIDTH), np.uint16)
    top = (deep >> (bits - 8)).astype(np.uint8)
    save(f"y{bits}-bt601-full", deep.astype("<u2"), np.stack([top] * 3, -1))

rgb = random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
save("rgb3-bt601-full", rgb, rgb)
save("bgr3-bt601-full", rgb[..., ::-1], rgb)
stretched = np.clip(np.rint((rgb.astype(np.float64) - 16) * 255 / 219), 0, 255).astype(np.uint8)
save("rgb3-bt601-limited", rgb, stretched)
words = random.integers(0, 1 << 16, (HEIGHT, WIDTH), np.uint16)
parts = [words >> 11, words >> 5 & 63, words & 31]
levels = [np.rint(part * 255 / top) for part, top in zip(parts, (31, 63, 31))]
rgb565 = np.stack(levels, -1).astype(np.uint8)
save("rgb565-bt601-full", words.astype("<u2"), rgb565)

# A photograph-like picture as JPEG, and as OpenCV's libjpeg decodes it.
x = np.linspace(0, 1, 48)[None, :, None]
z = np.linspace(0, 1, 32)[:, None, None]
smooth = 127 + 120 * np.sin(np.array([3.0, 5.0, 7.0]) * x + np.array([2.0, 3.0, 4.0]) * z)
_, jpeg = cv2.imencode(".jpg", smooth.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
(FOLDER / "mjpg.bin").write_bytes(jpeg.tobytes())
decoded = cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
(FOLDER / "mjpg.rgb").write_bytes(decoded.tobytes())
