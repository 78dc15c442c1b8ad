"""Panels of other kinds, and a pointer: a program with a still picture, without systemd."""

from board import SCREEN, Board
from panel import (MICRO, RECORDS, ROOT, WORK, Picture, around, check_console, host_mask, keep, say, shows_picture, step,
                   write_console)

STILL = "/board/frame.png"
FRAME = f"{ROOT}/tests/data/frames/clarius_eye.png"
SIZE = (1280, 960)
CONNECTOR = "/sys/class/drm/card*-Virtual-1/status"


def begin(board, *arguments):
    """Starts tapseg on the board, and gives the screen with the still picture."""
    command = ["tapseg -v run --feed", STILL, "--model /board/micro --save-dir", RECORDS, *arguments]
    board.do(" ".join(command) + " > /dev/ttyAMA0 2>&1 < /dev/null & echo $! > /run/pid")
    board.await_screen("the picture", shows_picture)
    return board.settled()


def end(board):
    """Asks tapseg to end, and waits for it."""
    board.forget()
    board.do("kill $(cat /run/pid)")
    board.await_line(r"frames shown")


def try_displays(board, picture, at, mask):
    """A display that is unplugged and plugged in again, and one that is chosen."""
    board.forget()
    board.do(f"echo off > $(echo {CONNECTOR})")
    board.await_line("the display was disconnected")
    board.do(f"echo detect > $(echo {CONNECTOR})")
    board.await_screen("the picture", shows_picture)
    plain = board.settled()
    board.tap(*at)
    picture.check_outline("a tap after the display was unplugged", plain, picture.answered(board), mask, [around(*at)])
    end(board)
    told = " ".join(board.do("tapseg run --feed /board/frame.png --screen drm:connector=HDMI-A-9 2>&1 || true"))
    assert "no connector HDMI-A-9; there are: Virtual-1" in told, told
    board.do(f"tapseg run --feed {STILL} --model /board/micro --screen drm:connector=Virtual-1,mode=1024x768 "
             "> /dev/ttyAMA0 2>&1 < /dev/null & echo $! > /run/pid")
    board.await_screen("the mode that was chosen", lambda now: (now.width, now.height) == (1024, 768))
    say("a connector that isn't there is told, one that is shows the mode that was chosen")
    end(board)


def try_panels():
    step("a tablet, that is unplugged and plugged in again")
    with Board(WORK, shell=True) as board:
        text = write_console(board)
        plain = begin(board, "--screen drm")
        picture = Picture(plain, *SIZE)
        at = picture.on_screen(582, 320)
        mask = host_mask(FRAME, MICRO, "--point", ",".join(map(str, picture.on_frame(*at))))
        board.click(*at)
        picture.check_outline("a tap", plain, picture.answered(board), mask, [around(*at)])
        board.click(*picture.undo)
        board.point(SCREEN[0] - 1, SCREEN[1] - 1)
        picture.check_same("undo takes it away", plain, board.settled())
        board.forget()
        board.replug_tablet()
        board.await_line(r"evdev\] .*Virtio Tablet\): Single")
        board.click(*at)
        picture.check_outline("a tap", plain, picture.answered(board), mask, [around(*at)])
        end(board)
        check_console(board, text)

        step("the framebuffer")
        now = begin(board, "--screen fb")
        picture.check_same("it shows the same", plain, now)
        board.tap(*at)
        picture.check_outline("a tap", plain, picture.answered(board), mask, [around(*at)])
        end(board)
        check_console(board, text)

        step("a panel upside down")
        turned = begin(board, "--screen drm", "--rotate", "180")
        rows = [row[i:i + 3] for row in picture.of(plain)[::-1] for i in range(len(row) - 3, -1, -3)]
        part = turned.part(SCREEN[0] - picture.right, SCREEN[1] - picture.bottom, picture.width, picture.height)
        assert b"".join(part) == b"".join(rows), "the picture isn't upside down"
        board.tap(SCREEN[0] - 1 - at[0], SCREEN[1] - 1 - at[1])
        keep(picture.answered(board, upside_down=True), "upside-down")
        say("shown and touched upside down")
        end(board)

        step("displays that are unplugged, and chosen")
        begin(board, "--screen drm")
        try_displays(board, picture, at, mask)
