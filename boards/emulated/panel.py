"""What is on the board's panel, and what must be there."""

import os
import shutil
import subprocess
import time

import png
from board import SCREEN
from outline import expected, iou, shown, without

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
WORK = os.path.join(ROOT, "target/emulated")
RECORDS = "/var/lib/tapseg/records"
MICRO = os.path.join(WORK, "board/micro")

# The row in which the status line begins.
STATUS = 750

# The buttons in their order, and how far from a button's upper left its rounded corner has ended.
BUTTONS = ["live", "positive", "negative", "box", "new object", "undo", "next mask", "hide", "everything", "track",
           "calliper", "save", "clip", "more"]
BUTTON_EDGE = 12

START = time.monotonic()
STEPS = []


def step(what):
    """Begins a step, and says so."""
    STEPS.append((what, time.monotonic()))
    print(f"== {what} ({time.monotonic() - START:.0f} s)", flush=True)


def say(what):
    print(f"   {what}", flush=True)


def print_times():
    """Where the time went."""
    ends = [begun for _, begun in STEPS[1:]] + [time.monotonic()]
    print(f"== where the time went, {ends[-1] - START:.0f} s in all")
    for (what, begun), end in zip(STEPS, ends):
        print(f"   {end - begun:6.1f} s  {what}")


def host(*arguments):
    """What the host's own program prints."""
    program = os.path.join(ROOT, "target/release/tapseg")
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def host_mask(picture, model, *prompt):
    """The file with the host's mask for a prompt."""
    out = os.path.join(WORK, "host")
    shutil.rmtree(out, ignore_errors=True)
    host("segment", picture, *(["--model", model] if model else []), *prompt, "-o", out)
    return os.path.join(out, "mask-1.png")


def shows_picture(screen):
    """Whether there are a picture and buttons, and not the text console or nothing."""
    return screen.pixel(2, 798) not in [(0, 0, 0), screen.pixel(640, 300)] and len(set(screen.part(0, 375, 1280, 1)[0])) > 8


def write_console(board):
    """Writes on the text console, and gives the screen with it."""
    board.do(r"printf '\033[?25l\033[2J\033[Hthe text console' > /dev/tty1")
    written = board.settled()
    assert len(set(written.part(0, 0, 400, 16))) > 4, "no text console"
    return written


def check_console(board, before):
    """What was on the text console is on the screen again."""
    assert board.settled().pixels == before.pixels, "the console isn't back"
    say("the console is back at the end")


class Picture:
    """Where on a screen a frame of `width` x `height` lies, and where the buttons are."""

    def __init__(self, screen, width, height):
        background = screen.pixel(2, 798)

        def runs(count, is_free):
            """Where what is not free begins and ends."""
            free = [True, *map(is_free, range(count)), True]
            edges = [at for at in range(count + 1) if free[at] != free[at + 1]]
            return list(zip(edges[::2], edges[1::2]))

        def column_is_free(x):
            return all(screen.pixel(x, y) == background for y in range(100, 600, 7))

        def row_is_free(y):
            return all(screen.pixel(x, y) == background for x in range(self.left, self.right, 7))

        columns = runs(SCREEN[0], column_is_free)
        self.left, self.right = columns[0]
        rows = runs(STATUS, row_is_free)
        self.top, self.bottom = rows[0]
        self.width, self.height = self.right - self.left, self.bottom - self.top
        assert abs(self.width * height - self.height * width) <= width, (self.left, self.top, self.right, self.bottom)
        self.zoom_x, self.zoom_y = self.width / width, self.height / height
        # The buttons are in rows below the picture, or in columns beside it.
        places = [((a + b) // 2, (top + bottom) // 2) for top, bottom in rows[1:]
                  for a, b in runs(SCREEN[0], lambda x: screen.pixel(x, top + BUTTON_EDGE) == background)]
        places += [((left + right) // 2, (a + b) // 2) for left, right in columns[1:]
                   for a, b in runs(STATUS, lambda y: screen.pixel(left + BUTTON_EDGE, y) == background)]
        assert len(places) == len(BUTTONS), places
        self.live, self.undo, self.save = (places[BUTTONS.index(name)] for name in ("live", "undo", "save"))

    def on_screen(self, x, y):
        """The pixel of the screen at a position on the frame."""
        return (round(self.left + (x + 0.5) * self.zoom_x - 0.5), round(self.top + (y + 0.5) * self.zoom_y - 0.5))

    def on_frame(self, x, y):
        """The position on the frame at a pixel of the screen."""
        return (x - self.left + 0.5) / self.zoom_x - 0.5, (y - self.top + 0.5) / self.zoom_y - 0.5

    def of(self, screen):
        """Its rows on a screen."""
        return screen.part(self.left, self.top, self.width, self.height)

    def answered(self, board, upside_down=False):
        """The screen when a prompt is answered, and no sign says any more that the network is at work."""
        board.await_line(r"masks decoded")
        sign, free = ((self.left + self.right) // 2, self.bottom - 11), (2, 798)
        if upside_down:
            sign, free = ((SCREEN[0] - 1 - x, SCREEN[1] - 1 - y) for x, y in (sign, free))
        board.await_screen("the answer", lambda now: now.pixel(*sign) != now.pixel(*free))
        return board.settled()

    def check_same(self, what, before, now):
        """Both show the same picture."""
        assert self.of(before) == self.of(now), what
        say(what)

    def check_outline(self, what, plain, now, mask, beside):
        """What is outlined on the screen fits `mask`, but for rectangles of the screen where other
        things are drawn: those `beside`, and the list of sizes."""
        boxes = [(x0 - self.left, y0 - self.top, x1 - self.left, y1 - self.top) for x0, y0, x1, y1 in beside]
        boxes.append((0, 0, 400, 50))
        found = without(shown(self.of(plain), self.of(now)), boxes)
        fit = iou(found, without(expected(mask, self.width, self.height), boxes))
        say(f"{what}: IoU of what the screen shows with the host's mask {fit:.4f}")
        assert fit >= 0.95, what


def around(x, y, reach=60):
    return (x - reach, y - reach, x + reach, y + reach)


def sides(x0, y0, x1, y1, reach=8):
    """A drawn box."""
    return [(x0 - reach, y0 - reach, x1 + reach, y0 + reach), (x0 - reach, y1 - reach, x1 + reach, y1 + reach),
            (x0 - reach, y0 - reach, x0 + reach, y1 + reach), (x1 - reach, y0 - reach, x1 + reach, y1 + reach)]


def keep(screen, name):
    """Writes a screen to where it can be looked at."""
    screen.save(os.path.join(WORK, "screens", f"{name}.ppm"))
