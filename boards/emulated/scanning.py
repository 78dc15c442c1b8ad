"""A board that does nothing else: the Debian package is installed, the board boots into the live picture
of its capture device by the package's own unit, and fingers use it."""

import json
import os
import re
import shutil
import time

import png
from board import Board
from panel import (MICRO, RECORDS, WORK, Picture, around, check_console, host_mask, keep, say, shows_picture, sides, step,
                   write_console)

SHARE = os.path.join(WORK, "share")
FRAME = (1280, 720)
# What the loop that draws does besides, and an interval of the feed, in milliseconds.
TURN = 10 + 17
DEVICE = "/dev/video0,format=RGB3"


def configure(board, options):
    """Has the unit run tapseg with `options`."""
    line = f'TAPSEG_RUN="--board auto --feed {DEVICE} -v {options}"'
    board.do(f"echo '{line}' > /etc/default/tapseg")


def install(package):
    """Installs the package, as on a board that comes from its maker."""
    step("the package is installed")
    shutil.copy(package, os.path.join(SHARE, "tapseg.deb"))
    with Board(WORK) as board:
        say(f"Debian is up after {board.up:.0f} s")
        told = board.do("dpkg -i /mnt/tapseg.deb 2>&1")
        board.do("dpkg-query -W -f '${Status}\\n' tapseg | grep -q '^install ok installed$'")
        groups = " ".join(board.do("id tapseg"))
        assert "video" in groups and "input" in groups, (groups, told)
        board.do("tapseg --version")
        configure(board, "--model /board/micro")
        # As if the guide had been read.
        board.do("install -d -o tapseg -g tapseg /var/lib/tapseg /var/lib/tapseg/state && "
                 "touch /var/lib/tapseg/state/guide-read && chown tapseg: /var/lib/tapseg/state/guide-read")
        board.do("systemctl enable tapseg 2>&1")
        board.switch_off()


def scan(clip):
    """Boots into scanning, and does what a person does; `clip` has the frames that the scanner sends."""
    step("the board boots into scanning")
    with Board(WORK) as board:
        board.await_screen("the live picture", shows_picture)
        up = board.do("cat /proc/uptime")[-1].split(".")[0]
        say(f"the live picture is there {up} s after the kernel began")
        board.do("systemctl is-active tapseg")
        examine(board)
        board.send("journalctl -f -n 0 -o cat -u tapseg > /dev/ttyAMA0 &")
        first = board.screen()
        keep(first, "live")
        picture = Picture(first, *FRAME)
        check_live(board, picture)
        with_fingers(board, picture, clip)
        faults(board, picture)
        restarts(board, picture)
        figures(board)
        framebuffer(board, picture)
        shipped(board, picture)


def examine(board):
    """What the program tells of the board."""
    told = "\n".join(board.do("tapseg doctor 2>&1 || true"))
    for part, found in [("processor", "2 cores"), ("cameras", "/dev/video0 (vivid"), ("panels", "Virtual-1 at /dev/dri/"),
                        ("touch", "/dev/input/event"), ("permissions", "may use all")]:
        assert re.search(f"{part}.*{re.escape(found)}", told), (part, told)
    feeds = "\n".join(board.do("tapseg run --list-feeds 2>&1"))
    assert "/dev/video0" in feeds and "1280x720" in feeds, feeds
    say("doctor and --list-feeds name the camera, the panel and the touch panel")


def check_live(board, picture):
    """The picture moves."""
    before = picture.of(board.screen())
    board.await_screen("a live picture that moves", lambda now: picture.of(now) != before, 30)


def saved(board, picture):
    """Presses Save, and gives the record's folder, copied to the host, when it is kept."""
    board.tap(*picture.save)
    name = os.path.basename(board.await_line(r"saved (\S+)").group(1))
    board.do(f"tapseg records verify --save-dir {RECORDS} > /dev/null && cp -r {RECORDS}/{name} /mnt/")
    return os.path.join(SHARE, name)


def with_fingers(board, picture, clip):
    step("tap, undo, drag, long press, pinch, save, freeze and live")
    board.tap(*picture.live)
    plain = board.settled()
    keep(plain, "frozen")
    at = picture.on_screen(582, 420)
    board.tap(*at)
    tapped = picture.answered(board)
    keep(tapped, "tapped")
    record = saved(board, picture)
    frame = os.path.join(record, "frame.png")
    check_frame(frame, clip)
    point = picture.on_frame(*at)
    mask = host_mask(frame, MICRO, "--point", ",".join(map(str, point)))
    picture.check_outline("a tap", plain, tapped, mask, [around(*at)])
    check_record(record, point=point)

    board.tap(*picture.undo)
    picture.check_same("undo takes it away", plain, board.settled())

    corners = (*picture.on_screen(305, 67), *picture.on_screen(855, 572))
    box = [v for corner in (corners[:2], corners[2:]) for v in picture.on_frame(*corner)]
    board.drag(*corners)
    dragged = picture.answered(board)
    keep(dragged, "dragged")
    mask = host_mask(frame, MICRO, "--box", ",".join(map(str, box)))
    picture.check_outline("a drag", plain, dragged, mask, sides(*corners) + [around(*corners[2:])])

    off = picture.on_screen(1100, 600)
    board.hold(*off)
    pressed = picture.answered(board)
    keep(pressed, "pressed")
    assert pressed.pixel(off[0], off[1] + 6) == (0xD5, 0x5E, 0x00), "a long press leaves no negative point"
    say("a long press is a point off the structure")
    board.fingers("down 0 400 300", "down 1 600 300", "wait 50", "move 0 390 300", "move 1 610 300", "wait 50",
                  "move 0 300 300", "move 1 740 300", "wait 50", "up 0", "up 1")
    closer = board.await_screen("a closer look", lambda now: picture.of(now) != picture.of(pressed))
    keep(closer, "closer")
    board.fingers("down 0 300 300", "down 1 740 300", "wait 50", "move 0 310 300", "move 1 730 300", "wait 50",
                  "move 0 480 300", "move 1 520 300", "wait 50", "up 0", "up 1")
    back = board.await_screen("the whole picture", lambda now: picture.of(now) == picture.of(pressed))
    picture.check_same("two fingers look closer, and back", pressed, back)
    check_record(saved(board, picture), box=box, off=picture.on_frame(*off))

    board.tap(*picture.live)
    check_live(board, picture)
    say("live again")


def check_frame(path, clip):
    """The frame that was kept is one that the scanner sent, bit by bit."""
    width, height, _, rows = png.read(path)
    assert (width, height) == FRAME, (width, height)
    number = clip.index(b"".join(rows))
    say(f"the frame that was kept is the clip's frame {number}, bit by bit")


def check_record(folder, point=None, box=None, off=None):
    """The record says what was done."""
    with open(os.path.join(folder, "record.json")) as file:
        record = json.load(file)
    (found,) = record["objects"]
    points = [(p["label"].lower(), p["position"]["x"], p["position"]["y"]) for p in found["points"]]
    expected = [(label, *at) for label, at in (("positive", point), ("negative", off)) if at]
    assert len(points) == len(expected), (points, expected)
    for (label, x, y), (wanted, to_x, to_y) in zip(points, expected):
        assert label == wanted and abs(x - to_x) < 0.01 and abs(y - to_y) < 0.01, (points, expected)
    corners = found["bounding_box"] and [found["bounding_box"][key] for key in ("x0", "y0", "x1", "y1")]
    assert (box is None) == (corners is None), corners
    assert box is None or all(abs(a - b) < 0.01 for a, b in zip(corners, box)), (corners, box)
    width, height, _, rows = png.read(os.path.join(folder, found["file"]))
    area = sum(row.count(255) for row in rows)
    assert (width, height) == FRAME and area == found["area_px"] > 0, (area, found["area_px"])
    say(f"{os.path.basename(folder)} is whole and tells what was pointed at")


def faults(board, picture):
    """Every fault is told on the screen while it should be live, a frozen picture stays usable, and the
    picture is live again without anyone's help."""
    step("faults of the capture device")

    def camera(control, value):
        board.do(f"/board/capture-test set '{control}' '{value}'")

    def alert(now):
        """A bar across the picture."""
        middle = (picture.top + picture.bottom) // 2
        return all(now.pixel(x, middle) == now.pixel(2, 798) for x in (picture.left + 2, picture.right - 3))

    cases = [("DV Timings Signal Mode", "No Signal", "Current DV Timings", "no signal"),
             ("DV Timings Signal Mode", "No Lock", "Current DV Timings", "unstable"),
             ("Percentage of Dropped Buffers", "100", "0", "no frame for")]
    for control, fault, sound, words in cases:
        board.forget()
        camera(control, fault)
        board.await_line(words)
        keep(board.await_screen(f"a bar that says {words!r}", alert, 30), fault.replace(" ", "-"))
        camera(control, sound)
        check_live(board, picture)
        say(f"{control} {fault}: told, and live again")
    for control, words in [("Inject V4L2_BUF_FLAG_ERROR", "damaged"),
                           ("Inject Fatal Streaming Error", "delivers no frame")]:
        board.provoke(lambda: camera(control, 1), words)
        check_live(board, picture)
        say(f"{control}: told, and live again")

    # A frozen picture and its masks outlast a cable that is pulled.
    board.tap(*picture.live)
    plain = board.settled()
    board.forget()
    board.do("/board/capture-test unplug")
    board.await_line("unplugged|not there")
    at = picture.on_screen(582, 420)
    board.tap(*at)
    outlined = picture.answered(board)
    keep(outlined, "unplugged-tapped")
    record = saved(board, picture)
    mask = host_mask(os.path.join(record, "frame.png"), MICRO, "--point", ",".join(map(str, picture.on_frame(*at))))
    picture.check_outline("a tap while the device is unplugged", plain, outlined, mask, [around(*at)])
    board.tap(*picture.live)
    keep(board.await_screen("a bar that says what is wrong", alert, 30), "unplugged")
    board.do("/board/capture-test plug-in && systemctl restart board-scanner")
    check_live(board, picture)
    say("unplugged and plugged in again: live again")


def restarts(board, picture):
    """The unit starts a program again that was ended, or hangs."""
    step("the program is killed, and hangs")
    # What is looked at every half minute, sooner.
    folder = "/run/systemd/system/tapseg.service.d"
    board.do(f"mkdir -p {folder} && printf '[Service]\\nWatchdogSec=8\\nTimeoutStopSec=4\\n' > {folder}/sooner.conf && "
             "systemctl daemon-reload")
    for signal, what in [("KILL", "killed"), ("STOP", "hanging")]:
        board.forget()
        board.do(f"systemctl kill -s {signal} tapseg")
        board.await_screen("no picture", lambda now: not shows_picture(now), 60)
        board.await_screen("the live picture", shows_picture)
        check_live(board, picture)
        say(f"{what}: started again by its unit, and live")
    board.await_line("[Ww]atchdog", 1)
    board.do(f"rm -r {folder} && systemctl daemon-reload")


def framebuffer(board, picture):
    """The unit has the console, and so can hide it behind a framebuffer."""
    step("the framebuffer, by the unit")
    configure(board, "--model /board/micro --screen fb")
    board.forget()
    board.do("systemctl start tapseg")
    board.await_screen("the live picture", shows_picture)
    check_live(board, picture)
    assert "can't be hidden" not in " ".join(board.do("journalctl -b -o cat -u tapseg"))
    board.tap(*picture.live)
    plain = board.settled()
    board.do("seq 100 > /dev/tty1")
    picture.check_same("the console is hidden", plain, board.settled())
    keys = " ".join(board.do("stty -F /dev/tty1 -a"))
    assert "-isig" in keys, f"Ctrl-C at the console ends the program: {keys}"
    board.do("systemctl stop tapseg")
    board.await_screen("the console", lambda now: not shows_picture(now), 30)
    check_console(board, write_console(board))


def figures(board):
    """What the program says at its end: how old pictures are when they are shown."""
    step("latency")
    # Taken by a person who does nothing.
    time.sleep(10)
    board.forget()
    board.do("systemctl stop tapseg")
    rows = {}
    for name in ("draw", "present", "latency"):
        found = board.await_line(rf"^{name} +(\d+) +(\S+) +(\S+) +(\S+)$")
        rows[name] = (int(found.group(1)), *map(float, found.groups()[1:]))
        say(f"{name}: {rows[name][0]} times, {rows[name][1]} / {rows[name][2]} / {rows[name][3]} ms "
            "(least, median, most)")
    drawn = rows["draw"][2] + rows["present"][2]
    waited = rows["latency"][2] - drawn
    say(f"a frame is {waited:.0f} ms old when it is drawn, which takes {drawn:.0f} ms")
    # One that waited for another to be drawn would be a whole turn older.
    assert waited < drawn + TURN, "more than one frame waits between the driver and the screen"


def shipped(board, picture):
    """The model that the package brings."""
    step("the shipped LiteMedSAM")
    # Encoding ahead would take all of so slow a processor.
    configure(board, "--ahead 0")
    board.do("systemctl start tapseg")
    board.send("journalctl -f -n 0 -o cat -u tapseg > /dev/ttyAMA0 &")
    board.await_screen("the live picture", shows_picture)
    board.tap(*picture.live)
    encoded = board.await_line(r"encoded in (\S+)", 600).group(1)
    plain = board.settled()
    corners = (*picture.on_screen(305, 67), *picture.on_screen(855, 572))
    box = [v for corner in (corners[:2], corners[2:]) for v in picture.on_frame(*corner)]
    board.drag(*corners)
    dragged = picture.answered(board)
    keep(dragged, "shipped")
    record = saved(board, picture)
    mask = host_mask(os.path.join(record, "frame.png"), None, "--box", ",".join(map(str, box)))
    picture.check_outline(f"a drag, encoded in {encoded}", plain, dragged, mask,
                          sides(*corners) + [around(*corners[2:])])
