"""Golden values for src/imaging/results/parts.ts, computed with NumPy, SciPy and nibabel.

Run: python3 make.py > parts.json      (SciPy 1.10.1, nibabel 5.0.0; seed 1701)
Arrays are [x, y, z] here and stored x fastest. Parts: scipy.ndimage.label, 26-connected. Longest diameter: the largest
of all distances between centres of voxel faces. Centre: the part's voxel nearest its centre of mass, by nibabel's
apply_affine. Contrast: mean in the part less that of the brain within binary_dilation by two voxels outside the mask,
over the standard deviation in the brain.
"""
import base64
import json

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.spatial.distance import pdist

rng = np.random.default_rng(1701)
CUBE = np.ones((3, 3, 3), bool)


def pack(array):
    return base64.b64encode(array.ravel(order="F").astype(np.uint8).tobytes()).decode()


def diameter(voxels, affine):
    halves = np.concatenate([np.eye(3) / 2, -np.eye(3) / 2])
    faces = np.unique((voxels[:, None] + halves[None]).reshape(-1, 3), axis=0)
    return float(pdist(faces @ affine[:3, :3].T).max())


def case(name, mask, brain, affine):
    image = rng.integers(60, 200, mask.shape) + 40 * mask
    image = np.clip(image, 0, 255).astype(np.uint8)
    labels, count = ndimage.label(mask, CUBE)
    deviation = image[brain].std()
    parts = []
    for k in range(1, count + 1):
        part = labels == k
        voxels = np.argwhere(part)
        around = ndimage.binary_dilation(part, CUBE, iterations=2) & brain & ~mask
        # In memory's order (x fastest), the first of equally near ones.
        ordered = voxels[np.lexsort(voxels.T)]
        distances = ((ordered - ordered.mean(axis=0)) ** 2).sum(axis=1)
        contrast = (image[part].mean() - image[around].mean()) / deviation if around.any() else None
        parts.append({
            "voxels": int(part.sum()),
            "ml": float(part.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000),
            "diameter": diameter(voxels, affine),
            "near": sorted(apply_affine(affine, v).round(6).tolist() for v in ordered[distances <= distances.min() + 1e-9]),
            "contrast": contrast,
        })
    return {"name": name, "shape": list(mask.shape), "affine": affine.ravel(order="F").tolist(),
            "mask": pack(mask), "brain": pack(brain), "image": pack(image), "parts": parts}


def oblique(spacing, degrees):
    a, b = np.radians(degrees)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(spacing)
    affine[:3, 3] = [-30, 12, 5]
    return affine


def ellipsoid(shape):
    grid = np.indices(shape)
    return sum(((g - (n - 1) / 2) / (n / 2)) ** 2 for g, n in zip(grid, shape)) < 1


shape = (24, 20, 14)
brain = ellipsoid(shape)
blobs = ndimage.gaussian_filter(rng.standard_normal(shape), 1.1) > 0.16
single = np.zeros((30, 27, 9), bool)
single[1::3, 1::3, 1::3] = True
cases = [
    case("blobs on an oblique grid of thick slices", blobs & brain, brain, oblique([-0.8, 0.9, 3.0], [17, -8])),
    case("hundreds of one-voxel parts", single, np.ones(single.shape, bool), oblique([1, 1, 1], [0, 0])),
    case("nothing", np.zeros((6, 5, 4), bool), np.ones((6, 5, 4), bool), oblique([1, 1, 2], [0, 0])),
]
print(json.dumps({"cases": cases}))
