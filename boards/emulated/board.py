"""The emulated board from outside: its power, its serial line, its screen, and its pointer."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

SCREEN = (1280, 800)
LINE = re.compile(r"\x1b\[[0-9;]*m|\r")


class Board:
    """A board that starts from what `fetch`, `initramfs` and `disk` made in the folder `work`, and has
    its folder `share` as /mnt: with systemd, or with a shell alone."""

    def __init__(self, work, shell=False, patience=240):
        self.patience = patience
        self.folder = tempfile.TemporaryDirectory()
        monitor = os.path.join(self.folder.name, "qmp")
        with open(os.path.join(work, "root/kernel-version")) as file:
            kernel = os.path.join(work, "root/boot/vmlinuz-" + file.read().strip())
        how = "board=shell" if shell else "systemd.show_status=0 systemd.unit=multi-user.target"
        share = os.path.join(work, "share")
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a76", "-smp", "2", "-m", "1536",
             "-accel", "tcg,thread=multi,tb-size=256", "-nodefaults", "-no-user-config", "-display", "none",
             "-no-reboot", "-serial", "stdio", "-qmp", f"unix:{monitor},server=on,wait=off",
             "-device", f"virtio-gpu-pci,xres={SCREEN[0]},yres={SCREEN[1]}",
             # Beside the bus of the board itself, so that it can be unplugged.
             "-device", "pcie-root-port,id=beside", "-device", "virtio-tablet-pci,id=tablet,bus=beside",
             "-drive", f"if=none,id=disk,format=raw,file={work}/disk.img", "-device", "virtio-blk-pci,drive=disk",
             "-virtfs", f"local,path={share},mount_tag=host,security_model=none,multidevs=remap",
             "-kernel", kernel, "-initrd", os.path.join(work, "initramfs.gz"),
             "-append", f"console=ttyAMA0 quiet loglevel=3 panic=-1 {how}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = []
        self.since = 0
        self.ended = False
        self.news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        while not os.path.exists(monitor):
            assert self.qemu.poll() is None, "qemu ended: " + " ".join(self.log)
            time.sleep(0.05)
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.connect(monitor)
        self.answers = self.monitor.makefile()
        self.answers.readline()
        self.qmp("qmp_capabilities")
        try:
            self.up = float(self.await_line(r"BOARD up after (\S+) s").group(1))
        except AssertionError:
            self.cut_power()
            raise

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:
            print("\n".join(["the board said last:", *self.log[-60:]]), flush=True)
            if self.qemu.poll() is None:
                self.screen().save("/tmp/emulated-board.ppm")
                print("what its screen shows is in /tmp/emulated-board.ppm", flush=True)
        self.cut_power()

    def _read(self):
        for raw in self.qemu.stdout:
            line = LINE.sub("", raw.decode(errors="replace")).strip()
            with self.news:
                self.log.append(line)
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def _find(self, pattern, since, patience):
        end = time.monotonic() + (patience or self.patience)
        with self.news:
            while True:
                for index in range(since, len(self.log)):
                    found = re.search(pattern, self.log[index])
                    if found:
                        return index, found
                since = len(self.log)
                left = end - time.monotonic()
                assert left > 0 and not self.ended, f"waited for {pattern!r}; last: {self.log[-70:]}"
                self.news.wait(left)

    def await_line(self, pattern, patience=None):
        """The match of the next line of the serial line that has `pattern` in it, after the one that was
        awaited last."""
        index, found = self._find(pattern, self.since, patience)
        self.since = index + 1
        return found

    def provoke(self, do, pattern):
        """Does `do` until a line has `pattern` in it: a fault may fall on a frame that nobody looks at."""
        self.forget()
        for _ in range(30):
            do()
            try:
                return self.await_line(pattern, 2)
            except AssertionError:
                assert not self.ended
        raise AssertionError(f"{pattern!r} was never told; last: {self.log[-20:]}")

    def forget(self):
        """Lines until now are not awaited any more."""
        self.since = len(self.log)

    def send(self, command):
        """Has the board's shell do `command`, and does not wait for it."""
        self.qemu.stdin.write(command.encode() + b"\n")
        self.qemu.stdin.flush()

    def do(self, command, patience=None):
        """Has the board's shell do `command`, and gives what it printed, among what others did."""
        start = len(self.log)
        self.send(command)
        end, status = self._find(r"BOARD did (\d+)", start, patience)
        assert status.group(1) == "0", f"{command!r} ended with {status.group(1)}: {self.log[start:]}"
        return self.log[start:end]

    def switch_off(self):
        """Shuts the system down."""
        self.send("systemctl poweroff")
        self.qemu.wait(self.patience)

    def cut_power(self):
        """As if the plug was pulled: nothing that is not on the disk by now gets there."""
        self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()
        self.monitor.close()

    def qmp(self, execute, **arguments):
        message = json.dumps({"execute": execute, "arguments": arguments})
        self.monitor.sendall(message.encode() + b"\n")
        while True:
            answer = json.loads(self.answers.readline())
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer

    def replug_tablet(self):
        """Unplugs the tablet, and plugs it in again as soon as it is gone."""
        self.qmp("device_del", id="tablet")
        end = time.monotonic() + self.patience
        while True:
            time.sleep(1)
            try:
                return self.qmp("device_add", driver="virtio-tablet-pci", id="tablet", bus="beside")
            except AssertionError:
                if time.monotonic() > end:
                    raise

    def point(self, x, y, pressed=None):
        """Moves the tablet's pointer to a pixel, and presses or lifts its button."""
        share = [("x", (x + 0.5) / SCREEN[0]), ("y", (y + 0.5) / SCREEN[1])]
        events = [{"type": "abs", "data": {"axis": axis, "value": round(v * 0x7FFF)}} for axis, v in share]
        if pressed is not None:
            events.append({"type": "btn", "data": {"button": "left", "down": pressed}})
        self.qmp("input-send-event", events=events)

    def click(self, x, y):
        """A tap with the tablet."""
        self.forget()
        self.point(x, y, True)
        time.sleep(0.2)
        self.point(x, y, False)

    def fingers(self, *lines):
        """What fingers do on the touch panel, as `finger.c` reads it."""
        self.forget()
        self.do("printf '" + "\\n".join([*lines, "wait 100"]) + "\\n' >&3")

    def tap(self, x, y):
        self.fingers(f"down 0 {x} {y}", "wait 150", "up 0")

    def hold(self, x, y):
        """A long press."""
        self.fingers(f"down 0 {x} {y}", "wait 1500", "up 0")

    def drag(self, x0, y0, x1, y1):
        steps = [(x0 + (x1 - x0) * step // 5, y0 + (y1 - y0) * step // 5) for step in range(1, 6)]
        moves = [line for x, y in steps for line in (f"move 0 {x} {y}", "wait 80")]
        self.fingers(f"down 0 {x0} {y0}", "wait 80", *moves, "up 0")

    def screen(self):
        """What is on the screen now."""
        path = os.path.join(self.folder.name, "screen.ppm")
        self.qmp("screendump", filename=path)
        with open(path, "rb") as file:
            return Screen(file.read())

    def await_screen(self, what, shows, patience=None):
        """The screen once it `shows` something."""
        end = time.monotonic() + (patience or self.patience)
        while True:
            now = self.screen()
            if shows(now):
                return now
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not on the screen; {self.log[-12:]}")
            time.sleep(0.5)

    def settled(self):
        """What is on the screen once it stays the same."""
        before = []

        def same(now):
            before.append(now.pixels)
            return len(before) > 1 and before[-2] == before[-1]

        time.sleep(0.4)
        return self.await_screen("rest", same)


class Screen:
    """A picture of a screen, 3 bytes a pixel."""

    def __init__(self, ppm):
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
        self.width, self.height = int(head.group(1)), int(head.group(2))
        self.pixels = ppm[head.end():]

    def pixel(self, x, y):
        at = 3 * (y * self.width + x)
        return tuple(self.pixels[at:at + 3])

    def part(self, left, top, width, height):
        """The rows of a rectangle."""
        rows = range(top, top + height)
        return [self.pixels[3 * (y * self.width + left):3 * (y * self.width + left + width)] for y in rows]

    def save(self, path):
        with open(path, "wb") as file:
            file.write(b"P6 %d %d 255\n" % (self.width, self.height) + self.pixels)
