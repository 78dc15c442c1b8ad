"""Makes the DICOM files beside it, by other hands than the code they test: pydicom's RLE encoder
and Pillow's JPEG encoder. Run with pydicom, numpy and Pillow; the results are committed.

Every clip shows the same 3 frames of 24 x 16 pixels: smooth ramps of red, green and blue that move
by one pixel a frame (`expected` in tests/feeds/dicom.rs), or their red alone as grey. Own work, under the
licence of the repository.
"""
import io
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless,
                         UltrasoundMultiFrameImageStorage)

HERE = Path(__file__).parent
FRAMES, ROWS, COLUMNS = 3, 16, 24


def frames():
    t, y, x = np.meshgrid(np.arange(FRAMES), np.arange(ROWS), np.arange(COLUMNS), indexing="ij")
    return np.stack([8 * (x + t), 12 * y + 4 * t, 250 - 5 * (x + y)], axis=-1).astype(np.uint8)


def ybr(rgb):
    r, g, b = np.moveaxis(rgb.astype(np.float64), -1, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    channels = [y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402]
    return np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)


def jpeg(frame, adobe_rgb=None):
    file = io.BytesIO()
    mode = {"keep_rgb": True} if adobe_rgb is not None else {}
    Image.fromarray(frame).save(file, "JPEG", quality=95, **mode)
    data = file.getvalue()
    if adobe_rgb is False:  # cut the Adobe and JFIF markers out: nothing says which colours these are
        out, at = data[:2], 2
        while data[at + 1] in (0xE0, 0xEE):
            at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
        data = out + data[at:]
    return data


def save(name, pixels, photometric, syntax=ExplicitVRLittleEndian, fragments=None, **attributes):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = UltrasoundMultiFrameImageStorage
    ds.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    ds.Modality = "US"
    ds.NumberOfFrames, ds.Rows, ds.Columns = FRAMES, ROWS, COLUMNS
    ds.SamplesPerPixel = 1 if photometric.startswith(("MONO", "PALETTE")) else 3
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = photometric
    bits = 16 if pixels is not None and pixels.dtype.itemsize == 2 else 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = 0
    ds.FrameTime = "40"
    for key, value in attributes.items():
        setattr(ds, key, value)
    if fragments is not None:
        ds.PixelData = encapsulate(fragments)
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    elif syntax == RLELossless:
        ds.PixelData = pixels.tobytes()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    else:
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW"
    ds.save_as(HERE / name, enforce_file_format=True)


rgb, grey = frames(), np.ascontiguousarray(frames()[..., 0])
region = Dataset()
region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
region.RegionLocationMaxX1, region.RegionLocationMaxY1 = COLUMNS - 1, ROWS - 1
region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
region.PhysicalDeltaX, region.PhysicalDeltaY = 0.025, 0.05
save("implicit_rgb.dcm", rgb, "RGB", ImplicitVRLittleEndian, SequenceOfUltrasoundRegions=[region])
save("rle_rgb.dcm", rgb, "RGB", RLELossless)
save("rle_ybr_full.dcm", ybr(rgb), "YBR_FULL", RLELossless)
save("rle_grey16.dcm", grey.astype(np.uint16) * 257, "MONOCHROME2", RLELossless,
     WindowCenter="32768.5", WindowWidth="65536")
save("jpeg_ybr_full_422.dcm", None, "YBR_FULL_422", JPEGBaseline8Bit, [jpeg(f) for f in rgb])
save("jpeg_rgb_unmarked.dcm", None, "RGB", JPEGBaseline8Bit, [jpeg(f, adobe_rgb=False) for f in rgb])
save("jpeg_grey.dcm", None, "MONOCHROME2", JPEGBaseline8Bit, [jpeg(f) for f in grey])
