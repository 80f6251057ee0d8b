"""Writes the NIfTI files of this folder and expected.json with nibabel (made with nibabel 5.0.0, NumPy 1.24.2).

Run: python3 make.py. Values are small integers, so that every data type holds them exactly.
"""
import json
import gzip
from pathlib import Path
import nibabel as nib
import numpy as np

here = Path(__file__).parent
shape = (3, 4, 2)
values = (np.arange(24).reshape(shape, order="F") * 5 % 23).astype(np.float64)
oblique = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, -0.2, 0.5) @ np.diag([-1.5, 2.0, 3.0]), [11, -22, 33]
)
cases = [
    # name, class, dtype, byte order, slope/inter, qform code, sform code, affine, units
    ("v1-le-uint8-spacing", nib.Nifti1Image, np.uint8, "<", None, 0, 0, np.diag([2.0, 2, 2, 1]), "mm"),
    ("v1-le-int16-qform-oblique", nib.Nifti1Image, np.int16, "<", (0.5, -3), 1, 0, oblique, "mm"),
    ("v1-be-float32-sform-oblique", nib.Nifti1Image, np.float32, ">", None, 0, 2, oblique, "mm"),
    ("v1-be-uint16-meters", nib.Nifti1Image, np.uint16, ">", None, 1, 1, np.diag([-0.002, 0.002, 0.002, 1]), "meter"),
    ("v2-le-int64-qform-microns", nib.Nifti2Image, np.int64, "<", None, 3, 0, np.diag([-900.0, 900, 900, 1]), "micron"),
    ("v2-be-float64-sform", nib.Nifti2Image, np.float64, ">", None, 4, 4, oblique, "mm"),
]
expected = {}
for name, kind, dtype, order, scale, qcode, scode, affine, unit in cases:
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.dtype(dtype))
    image = kind(values.astype(dtype), None, header)
    image.header.set_xyzt_units(unit, "sec")
    image.set_qform(affine, qcode)
    image.set_sform(affine if scode else None, scode)
    if scode == 0:
        image.header["srow_x"] = 0
        image.header["srow_y"] = 0
        image.header["srow_z"] = 0
    image.header["descrip"] = b"golden"
    if scale:
        image.header.set_slope_inter(*scale)
        raw = image.header.copy()
        raw["magic"] = b"n+1"
        raw["vox_offset"] = 352
        blob = raw.binaryblock + b"\0\0\0\0" + values.astype(raw.get_data_dtype()).tobytes(order="F")
    else:
        blob = image.to_bytes()
    path = here / f"{name}.nii.gz"
    path.write_bytes(gzip.compress(blob, mtime=0))
    loaded = nib.load(path)
    factor = {"mm": 1, "meter": 1000, "micron": 0.001}[unit]
    mm = loaded.affine.copy()
    if name.endswith("spacing"):
        # nibabel centres an image without qform and sform; nifti1.h's method 1 puts voxel 0 at the origin.
        mm[:3, 3] = 0
        mm = np.abs(mm)
    mm[:3] *= factor
    expected[name] = {
        "affine": mm.T.ravel().tolist(),
        "axes": "".join(nib.aff2axcodes(mm)),
        "values": loaded.get_fdata().ravel(order="F").tolist(),
        "qform": int(loaded.header["qform_code"]),
        "sform": int(loaded.header["sform_code"]),
    }
(here / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
