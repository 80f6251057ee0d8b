"""Derives the regions of McDonald's criteria on the ICBM 2009a symmetric template and stores them as atlas.ts.

Run: python3 derive.py FOLDER > atlas.ts     (NumPy 1.24, SciPy 1.10, nibabel 5.0)
FOLDER holds tpl-ICBM152NLin2009aSym_res-1_{T1w,label-GM_probseg,label-WM_probseg,desc-derived_label-CSF_probseg}.nii.gz.

1 lateral ventricles: the largest piece of fluid that is deep in the brain and not infratentorial
2 within 8 mm of them: where a patient's own fluid counts as ventricle
3 cortex: grey matter of the cerebrum without the deep grey nuclei
4 within 4 mm of it: where a patient's own grey matter counts as cortex
5 infratentorial: cerebellum, brainstem and fourth ventricle, parted from the cerebrum by a watershed over what is not
  brain tissue; the midbrain ends 6 mm below the plane of the anterior commissure
6 the rest of the brain
Labels are sampled on 2 mm, of each block of eight voxels the most frequent label, the lowest of equals.
"""
import base64
import gzip
import sys

import nibabel
import numpy as np
from scipy import ndimage

STEM = sys.argv[1] + "/tpl-ICBM152NLin2009aSym_res-1_"


def load(name):
    return nibabel.load(STEM + name + ".nii.gz")


image = load("T1w")
brain = ndimage.binary_fill_holes(np.asarray(image.dataobj) > 0)
gm, wm, csf = [
    np.asarray(load(name).dataobj) / 255
    for name in ("label-GM_probseg", "label-WM_probseg", "desc-derived_label-CSF_probseg")
]
X, Y, Z = [np.indices(brain.shape, np.float32)[a] + image.affine[a, 3] for a in range(3)]
cube = np.ones((3, 3, 3), bool)


def largest(mask):
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def infratentorial():
    cost = (255 * (1 - np.clip(wm + 0.6 * gm, 0, 1))).astype(np.uint8)
    white, tissue, side = wm > 0.8, gm + wm > 0.6, abs(X)
    seeds = np.zeros(brain.shape, np.int16)
    seeds[white & (Z > 5)] = 1
    seeds[white & (Z < -8) & (Y > -12) & (side > 18)] = 1
    seeds[white & (Y < -75) & (Z > -5) & (Z < 0)] = 1
    seeds[tissue & (side < 14) & (Z > -6) & (Z < 6) & (Y > -35)] = 1
    seeds[white & (Z < -24) & (Y < -45)] = 2
    seeds[tissue & (side < 40) & (Z < -32) & (Y < -45)] = 2
    seeds[tissue & (side < 12) & (Z < -12) & (Y > -44) & (Y < -14)] = 2
    seeds[tissue & (side < 9) & (Z < -40)] = 2
    seeds[white & (Z < -14) & (Y > -30) & (side > 24)] = 1
    seeds[~brain] = 3
    found = (ndimage.watershed_ift(cost, seeds, cube) == 2) & brain
    found &= Z < -6 + 0.45 * np.clip(-Y - 30, 0, 30)
    found = largest(ndimage.binary_opening(found))
    return ndimage.binary_closing(found, cube, iterations=5) & brain & (Z < -2)


infra = infratentorial()
depth = ndimage.distance_transform_edt(brain)
fluid = (csf > 0.5) & brain & ~infra & (depth > 18)
seeded, _ = ndimage.label(fluid)
# The body of the left lateral ventricle.
at = tuple(np.round(np.array([-12, -20, 22]) - image.affine[:3, 3]).astype(int))
near = seeded[at[0] - 6 : at[0] + 7, at[1] - 6 : at[1] + 7, at[2] - 4 : at[2] + 5]
ventricle = seeded == np.bincount(near[near > 0]).argmax()
deep = (abs(X) < 33) & (Y > -34) & (Y < 20) & (Z > -10) & (Z < 20)
cortex = (gm > 0.5) & brain & ~infra & ~deep


def around(mask, mm):
    return ndimage.distance_transform_edt(~mask) <= mm


labels = np.where(brain, 6, 0).astype(np.uint8)
labels[around(cortex, 4) & brain & ~deep] = 4
labels[around(ventricle, 8) & brain & ~(fluid & ~ventricle)] = 2
labels[cortex] = 3
labels[infra] = 5
labels[ventricle] = 1

shape = [n // 2 for n in labels.shape]
blocks = np.stack([
    labels[a : 2 * shape[0] : 2, b : 2 * shape[1] : 2, c : 2 * shape[2] : 2]
    for a in (0, 1) for b in (0, 1) for c in (0, 1)
])
counts = np.stack([(blocks == k).sum(axis=0) for k in range(7)])
half = counts.argmax(axis=0).astype(np.uint8)
origin = [float(v) + 0.5 for v in image.affine[:3, 3]]
packed = base64.b64encode(gzip.compress(half.ravel(order="F").tobytes(), 9, mtime=0)).decode()
for k, name in enumerate("none ventricle near-ventricle cortex near-cortex infratentorial rest".split()):
    print(f"{name}: {(half == k).sum() * 8 / 1000} ml", file=sys.stderr)
if len(sys.argv) > 2:
    nibabel.save(nibabel.Nifti1Image(half, np.block([[2 * np.eye(3), np.c_[origin]], [np.zeros(3), 1]])), sys.argv[2])
print("// Made by derive.py from the ICBM 2009a template (Copyright 1993-2004 Louis Collins, McGill University; see NOTICE).")
print("/** Labels at 2 mm, x fastest, gzipped and in base64; what they mean stands in derive.py. */")
print("export const ATLAS: { readonly shape: readonly [number, number, number]; readonly origin: readonly [number, number, number]; readonly labels: string } = {")
print(f"  shape: {shape},\n  origin: {origin},\n  labels:")
print(f"    '{packed}',\n}};")
