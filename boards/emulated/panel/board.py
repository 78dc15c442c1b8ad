"""The emulated board from outside: its power, its serial line, its screen, and its pointer."""

import json
import os
import queue
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

LINE = re.compile(r"\x1b\[[0-9;]*m|\r")


class Board:
    """A board that runs `initramfs` with Debian's arm64 kernel, and with `disk` where one is given."""

    def __init__(self, kernel, initramfs, disk=None, patience=300):
        self.patience = patience
        self.folder = tempfile.TemporaryDirectory()
        monitor = os.path.join(self.folder.name, "qmp")
        drive = [] if disk is None else [
            "-drive", f"if=none,id=disk,format=raw,file={disk}",
            "-device", "virtio-blk-pci,drive=disk",
        ]
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024",
             "-accel", "tcg,thread=multi,tb-size=256", "-nodefaults", "-no-user-config", "-display", "none",
             "-no-reboot", "-serial", "stdio", "-qmp", f"unix:{monitor},server=on,wait=off",
             "-device", "virtio-gpu-pci,xres=1280,yres=800", "-device", "virtio-tablet-pci,id=tablet",
             *drive, "-kernel", kernel, "-initrd", initramfs,
             "-append", "console=ttyAMA0 quiet loglevel=3 panic=-1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        self.log = []
        threading.Thread(target=self._read, daemon=True).start()
        while not os.path.exists(monitor):
            assert self.qemu.poll() is None, "qemu ended: " + " ".join(self.log)
            time.sleep(0.05)
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.connect(monitor)
        self.answers = self.monitor.makefile()
        self.answers.readline()
        self.qmp("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut_power()

    def _read(self):
        for raw in self.qemu.stdout:
            line = LINE.sub("", raw.decode(errors="replace")).strip()
            self.log.append(line)
            self.lines.put(line)
        self.lines.put(None)

    def await_line(self, pattern, patience=None):
        """The match of the next line of the serial line that has `pattern` in it."""
        end = time.monotonic() + (patience or self.patience)
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"waited for {pattern!r}; last: {self.log[-8:]}"
            found = re.search(pattern, line)
            if found:
                return found

    def do(self, command):
        """Has the board's shell do `command`, and gives what it printed."""
        start = len(self.log)
        self.qemu.stdin.write(command.encode() + b"\n")
        self.qemu.stdin.flush()
        status = self.await_line(r"BOARD did (\d+)").group(1)
        assert status == "0", f"{command!r} ended with {status}: {self.log[start:]}"
        return self.log[start:-1]

    def qmp(self, execute, **arguments):
        message = json.dumps({"execute": execute, "arguments": arguments})
        self.monitor.sendall(message.encode() + b"\n")
        while True:
            answer = json.loads(self.answers.readline())
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer

    def point(self, x, y, pressed=None):
        """Moves the tablet's pointer to a pixel, and presses or lifts its button."""
        share = [("x", (x + 0.5) / 1280), ("y", (y + 0.5) / 800)]
        events = [{"type": "abs", "data": {"axis": axis, "value": round(v * 0x7FFF)}} for axis, v in share]
        if pressed is not None:
            events.append({"type": "btn", "data": {"button": "left", "down": pressed}})
        self.qmp("input-send-event", events=events)

    def tap(self, x, y):
        self.point(x, y, True)
        time.sleep(0.2)
        self.point(x, y, False)

    def drag(self, x0, y0, x1, y1):
        self.point(x0, y0, True)
        for step in range(1, 6):
            time.sleep(0.1)
            self.point(x0 + (x1 - x0) * step // 5, y0 + (y1 - y0) * step // 5)
        time.sleep(0.2)
        self.point(x1, y1, False)

    def screen(self):
        """What is on the screen now."""
        path = os.path.join(self.folder.name, "screen.ppm")
        self.qmp("screendump", filename=path)
        with open(path, "rb") as file:
            return Screen(file.read())

    def settled(self, patience=60):
        """What is on the screen once it stays the same."""
        end, before = time.monotonic() + patience, None
        while True:
            now = self.screen()
            if before is not None and now.pixels == before.pixels:
                return now
            assert time.monotonic() < end, "the screen never comes to rest"
            before = now
            time.sleep(0.7)

    def cut_power(self):
        """As if the plug was pulled: nothing that is not on the disk by now gets there."""
        self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()
        self.monitor.close()


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
