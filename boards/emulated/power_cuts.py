"""Saves again and again, and pulls the plug in between: what was confirmed is there afterwards, and what
is listed is whole."""

import os
import random
import re
import time

from board import Board
from panel import RECORDS, WORK, Picture, say, step
from panels import SIZE, begin


def names(board):
    """The records that are listed, each of which is whole, and how many were begun and not finished."""
    listed = {line.split()[0] for line in board.do(f"tapseg records list --save-dir {RECORDS}")
              if re.match(r"\d{8}T", line)}
    whole = {line.split()[0] for line in board.do(f"tapseg records verify --save-dir {RECORDS}")
             if line.endswith(" whole")}
    assert listed == whole, (listed, whole)
    begun = board.do(f"ls -1A {RECORDS}")
    return listed, sum(line.endswith(".part") for line in begun)


def begin_saving(board, picture):
    """Presses Save, and returns as soon as something is being written."""
    board.do(f"rm -rf {RECORDS}/.*.part")
    board.tap(*picture.save)
    board.send(f'while set -- {RECORDS}/.*.part; [ ! -e "$1" ]; do :; done; echo BOARD saves')
    board.await_line("BOARD saves")


def pull_the_plug(cuts, seed=5):
    step(f"power cuts: {cuts}")
    random.seed(seed)
    confirmed, unconfirmed, cut_short, took = set(), 0, 0, 1.0
    for cut in range(cuts + 1):
        with Board(WORK, shell=True) as board:
            board.do(f"mkdir -p {RECORDS}")
            listed, begun = names(board)
            lost = confirmed - listed
            assert not lost, f"after cut {cut} these are gone: {lost}"
            cut_short += begun > 0
            unconfirmed += len(listed - confirmed) if cut else 0
            confirmed |= listed
            if cut == cuts:
                break
            plain = begin(board, "--screen drm")
            picture = Picture(plain, *SIZE)
            if cut % 2 == 0:
                board.tap(*picture.on_screen(582, 320))
                picture.answered(board)
            if cut == 0:
                # How long it writes.
                begin_saving(board, picture)
                since = time.monotonic()
                confirmed.add(os.path.basename(board.await_line(r"saved (\S+)").group(1)))
                took = time.monotonic() - since
            begin_saving(board, picture)
            time.sleep(random.uniform(0, 1.1) * took)
            board.cut_power()
            confirmed |= {os.path.basename(line.split()[-1]) for line in board.log if "saved /" in line}
            say(f"cut {cut + 1}: {len(confirmed)} confirmed; writing takes {took:.1f} s")
    say(f"all {len(confirmed)} records are there and whole; of {cuts} cuts {cut_short} left one that was begun, "
        f"which is not shown, and {unconfirmed} one that was whole but not confirmed yet")
    assert cut_short > 0, "no cut was in the middle of saving"
