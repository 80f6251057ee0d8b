"""Regions of the lesions of real masks by LST-AI's rule with SciPy, for src/imaging/regions.

Run: python3 make.py MASKS > regions.json     (SciPy 1.10.1, nibabel 5.0.0)
MASKS is open-ms-lesjak2017_lesion-masks_1mm. Lesions: scipy.ndimage.label, 26-connected. Each is dilated by
binary_dilation with its default structure; ventricles go before the cortex before the infratentorial brain. The atlas is
read from src/imaging/regions/atlas.ts, nearest label. These brains are rigidly aligned and smaller than the template's:
TO_TEMPLATE stretches them about a point.
"""
import base64
import gzip
import json
import pathlib
import re
import sys

import nibabel
import numpy as np
from scipy import ndimage

text = (pathlib.Path(__file__).parent / "../../../src/imaging/regions/atlas.ts").read_text()
shape = [int(v) for v in re.search(r"shape: \[([^]]*)\]", text.split("= {")[1]).group(1).split(",")]
origin = [float(v) for v in re.search(r"origin: \[([^]]*)\]", text.split("= {")[1]).group(1).split(",")]
labels = re.search(r"labels:\s*'([^']*)'", text).group(1)
atlas = np.frombuffer(gzip.decompress(base64.b64decode(labels)), np.uint8).reshape(shape, order="F")
TO_TEMPLATE = np.diag([1.16, 1.18, 1.15, 1])
TO_TEMPLATE[:3, 3] = [0.3, 4.2, -3.1]
NAMES = ["periventricular", "juxtacortical", "infratentorial", "deep"]

out = {"toTemplate": TO_TEMPLATE.ravel(order="F").tolist(), "scans": {}}
for subject in ["07", "19", "12", "02"]:
    path = next(pathlib.Path(sys.argv[1]).rglob(f"sub-{subject}_label-lesion_mask.nii.gz"))
    image = nibabel.load(path)
    mask = np.asarray(image.dataobj) > 0
    to_voxel = np.linalg.inv(np.block([[2 * np.eye(3), np.array([origin]).T], [np.zeros(3), 1]]))
    matrix = to_voxel @ TO_TEMPLATE @ image.affine
    index = np.floor(np.tensordot(matrix[:3, :3], np.indices(mask.shape), 1) + matrix[:3, 3, None, None, None] + 0.5).astype(int)
    inside = np.all([(index[a] >= 0) & (index[a] < shape[a]) for a in range(3)], axis=0)
    zones = np.where(inside, atlas[tuple(np.where(inside, index[a], 0) for a in range(3))], 0)
    lesions, count = ndimage.label(mask, np.ones((3, 3, 3)))
    # In memory's order, x fastest.
    flat = lesions.ravel(order="F")
    numbers, places = np.unique(flat, return_index=True)
    ordered = [int(k) for _, k in sorted(zip(places, numbers)) if k != 0]
    sizes = np.bincount(flat)
    boxes = ndimage.find_objects(lesions)
    codes = []
    for k in ordered:
        around = tuple(slice(max(0, b.start - 2), b.stop + 2) for b in boxes[k - 1])
        met = set(zones[around][ndimage.binary_dilation(lesions[around] == k)])
        codes.append(0 if 1 in met else 1 if 3 in met else 2 if 5 in met else 3)
    out["scans"][subject] = {"regions": "".join(map(str, codes)), "volumes": {
        name: int(sum(sizes[k] for k, c in zip(ordered, codes) if c == n))
        for n, name in enumerate(NAMES)}}
print(json.dumps(out))
