"""Instructions that an encode takes, counted by qemu: the same number whatever else the machine does."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from loops import ROOT, install

BUILT = ROOT / "target/arm64"
# qemu shows the program the host's processor; the engine is told what the emulated one is.
ENGINE_KIND = {"cortex-a72": "a72", "cortex-a76": "generic", "max": "generic"}


def qemu():
    """qemu with plugins: Debian's static one has none."""
    for again in (False, True):
        path = shutil.which("qemu-aarch64")
        if path:
            told = subprocess.run([path, "--help"], capture_output=True, text=True).stdout
            if "-plugin" in told:
                return path
        if not again:
            install("qemu-user")
    sys.exit("a qemu-aarch64 with -plugin is needed; Debian's package qemu-user has it")


def plugin():
    """Compiles the counter."""
    source, library = Path(__file__).parent / "count_instructions.c", BUILT / "count_instructions.so"
    BUILT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", source, "-o", library], check=True)
    return library


def tapseg():
    """Builds tapseg for arm64: about ten minutes the first time, most of it the engine."""
    manifest = ROOT / "Cargo.toml"
    command = [ROOT / "tests/arm64/cargo", "build", "--release", "--locked", "--bin", "tapseg"]
    subprocess.run([*command, "--manifest-path", manifest], check=True)
    return BUILT / "aarch64-unknown-linux-gnu/release/tapseg"


def plain_package(program, checkpoint):
    """The checkpoint as a package in f32 and standard operators, for the engine as it is."""
    package = BUILT / "plain-f32"
    if not (package / "model.toml").exists():
        command = [qemu(), program, "convert", checkpoint, "--weights", "f32", "--plain"]
        subprocess.run([*command, "-o", package], check=True, stdout=sys.stderr)
    return package


def counted(program, cpu, arguments):
    """What one run executes, by kind."""
    command = [qemu(), "-cpu", cpu, "-plugin", plugin(), program, *arguments]
    environment = ["env", f"TRACT_CPU_AARCH64_KIND={ENGINE_KIND[cpu]}"]
    run = subprocess.run([*environment, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    told = re.search(r"^counted (\{.*\})$", run.stderr.decode(errors="replace"), re.M)
    if run.returncode != 0 or not told:
        sys.exit(f"counting failed: {run.stderr.decode(errors='replace')}")
    return json.loads(told[1])


def of_an_encode(program, cpu, arguments):
    """What an encode executes: a run that goes on for a second encodes once more, as an emulated
    encode takes longer; loading and decoding are in both."""
    once = ["bench", "--threads", "1", "--runs", "1", "--json", *arguments]
    less, more = (counted(program, cpu, [*once, *extra]) for extra in ([], ["--seconds", "1"]))
    return {kind: more[kind] - less[kind] for kind in more}
