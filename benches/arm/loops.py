"""The kernels' inner loops, cut out of compiled arm64 code and given to llvm-mca."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OBJDUMP = "aarch64-linux-gnu-objdump"
# The first LLVM with models of Neoverse N1 and N2; before, all cores are taken for a Cortex-A57.
OLDEST_LLVM = 17
ITERATIONS = 1000


@dataclass(frozen=True)
class Kernel:
    """An inner loop: the functions that may hold it, the instruction that multiplies in it, how many
    multiplications that is, how many of it a tile takes at least, and which cores lack it."""

    name: str
    function: str
    instruction: str
    macs: int
    least: int
    lacking: tuple = ()


A72, A76, N2 = "Cortex-A72", "Cortex-A76, A78AE", "Neoverse N2"
# The processor of LLVM that models a core best.
CORES = {A72: "cortex-a72", A76: "neoverse-n1", N2: "neoverse-n2"}

SADALP = Kernel("int8, any core (sadalp)", "int8_gemm::neon::multiply", r"sadalp\s", 16, 16)
SDOT = Kernel("int8 (sdot)", "int8_gemm::neon_dot::multiply", r"sdot\s", 16, 64, (A72,))
SMMLA = Kernel("int8 (smmla)", "int8_gemm::neon_i8mm::multiply", r"smmla\s", 32, 16, (A72, A76))
FMLA = Kernel("f32 (fmla)", "simd::with_neon", r"fmla\s.*\.s\[\d\]$", 4, 64)
KERNELS = [SADALP, SDOT, SMMLA, FMLA]


@dataclass(frozen=True)
class Loop:
    """A loop as it was found."""

    function: str
    lines: list
    macs: int

    @property
    def touches_stack(self):
        """Whether something is kept on the stack, as there were too few registers."""
        return any("[sp" in line or "[x29" in line for line in self.lines)

    @property
    def assembly(self):
        return "\n".join(["loop:", *self.lines]) + "\n"


def apt(*arguments):
    """Calls apt-get, as root or by sudo."""
    command = ([] if os.geteuid() == 0 else ["sudo"]) + ["env", "DEBIAN_FRONTEND=noninteractive"]
    subprocess.run([*command, "apt-get", "-qq", *arguments], check=True, stdout=sys.stderr)


def install(*packages):
    """Installs Debian packages."""
    print(f"installing {' '.join(packages)}", file=sys.stderr)
    apt("update")
    apt("install", "-y", "--no-install-recommends", *packages)


def llvm_mca():
    """The newest llvm-mca, with its version; one that will do is installed if all are too old."""
    found = newest_mca()
    if found is None or found[1] < OLDEST_LLVM:
        # A clean machine doesn't know yet what packages there are.
        apt("update")
        command = ["apt-cache", "search", "^llvm-[0-9]+$"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        versions = [int(version) for version in re.findall(r"^llvm-(\d+) ", listed, re.M)]
        enough = [version for version in versions if version >= OLDEST_LLVM]
        if not enough:
            sys.exit(f"llvm-mca of LLVM {OLDEST_LLVM} or newer is needed")
        install(f"llvm-{min(enough)}")
        found = newest_mca()
    return found


def newest_mca():
    names = ["llvm-mca", *(f"llvm-mca-{version}" for version in range(14, 40))]
    found = []
    for path in filter(None, map(shutil.which, names)):
        told = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        if version := re.search(r"version (\d+)", told):
            found.append((path, int(version[1])))
    return max(found, key=lambda found: found[1], default=None)


def kernels_program():
    """Builds the kernels with their tests, which use all of them, for arm64."""
    manifest = ROOT / "tests/arm64/Cargo.toml"
    command = [ROOT / "tests/arm64/cargo", "test", "--release", "--locked", "--no-run"]
    command += ["--manifest-path", manifest, "--message-format=json"]
    built = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return next(filter(None, (message.get("executable") for message in messages)))


def functions(program):
    """The instructions of each function whose name a kernel may have: addresses with text."""
    command = [OBJDUMP, "-d", "-C", "--no-show-raw-insn", program]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found, instructions = [], None
    for line in listing.splitlines():
        if header := re.fullmatch(r"[0-9a-f]+ <(.*)>:", line):
            instructions = None
            if any(kernel.function in header[1] for kernel in KERNELS):
                instructions = []
                found.append((header[1], instructions))
        elif instructions is not None:
            if one := re.match(r"\s*([0-9a-f]+):\t(.*)", line):
                instructions.append((int(one[1], 16), one[2].split("//")[0].strip()))
    return found


def innermost_loops(instructions):
    """The stretches from where a branch goes back to, to the branch, that hold no other."""
    stretches = []
    for address, text in instructions:
        branch = re.match(r"(?:b|b\.\w+|cbn?z|tbn?z)\s(?:.*\s)?([0-9a-f]+) <", text)
        if branch and instructions[0][0] <= int(branch[1], 16) <= address:
            stretches.append((int(branch[1], 16), address))
    for first, last in stretches:
        if not any(first <= a and b <= last and (a, b) != (first, last) for a, b in stretches):
            yield [text for address, text in instructions if first <= address <= last]


def cut(kernel, found):
    """The loop of `kernel` that multiplies most densely, of at least as many as its tile takes."""
    best = None
    for function, instructions in found:
        if kernel.function not in function:
            continue
        for lines in innermost_loops(instructions):
            multiplied = sum(bool(re.match(kernel.instruction, line)) for line in lines)
            density = multiplied / len(lines)
            if multiplied >= kernel.least and (best is None or density > best[0]):
                # Wherever a branch goes, the loop is taken to go on.
                lines = [re.sub(r"[0-9a-f]+ <.*>$", "loop", line) for line in lines]
                best = (density, Loop(function, lines, multiplied * kernel.macs))
    if best is None:
        sys.exit(f"the loop of {kernel.name} isn't in {kernel.function}")
    return best[1]


def macs_per_cycle(mca, loop, core):
    """How many multiplications with their additions a cycle of `core` does in `loop`."""
    command = [mca, "-mtriple=aarch64", f"-mcpu={core}", "-mattr=+dotprod,+i8mm"]
    command += [f"-iterations={ITERATIONS}"]
    told = subprocess.run(command, input=loop.assembly, check=True, capture_output=True, text=True)
    cycles = int(re.search(r"Total Cycles:\s+(\d+)", told.stdout)[1])
    return loop.macs * ITERATIONS / cycles
