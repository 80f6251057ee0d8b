"""Golden values of the augmentations from NumPy, SciPy and PyTorch, in float64.

Run: python3 make_augmentations.py        (NumPy, SciPy, PyTorch 1.13; writes augmentations.safetensors beside this file)

A case names an augmentation and its parameters; the tensors are called "<case>/values" (the patch, 0 outside the brain)
and "<case>/output". Cases of resampling have "<case>/volume" instead, and "<case>/shifts" where there are some.
"""
import json
import struct
from pathlib import Path

import numpy as np
import torch
from scipy import fft, ndimage
from scipy.interpolate import BSpline

HERE = Path(__file__).parent
random = np.random.default_rng(20151)
tensors, cases = {}, []
PATCH = (9, 12, 10)


def single(values):
    """Values that are exact in float32."""
    return np.asarray(values, np.float32).astype(np.float64)


def put(name, values):
    tensors[name] = np.ascontiguousarray(values, np.float32)


def patch_values(shape=PATCH):
    """A smooth image with noise, standardised, 0 in a third."""
    image = ndimage.gaussian_filter(random.normal(size=shape), 1.5) * 4 + random.normal(size=shape) * 0.3
    return single(np.where(random.random(shape) < 0.33, 0, image))


def case(name, augmentation, parameters, function, shape=PATCH):
    values = patch_values(shape)
    put(f"{name}/values", values)
    put(f"{name}/output", np.where(values == 0, 0, function(values)))
    cases.append({"name": name, "augmentation": augmentation, "parameters": parameters})


def inside(values):
    return values[values != 0]


# Intensities ----------------------------------------------------------------------------------------------------

case("intensity", "intensity", {"scale": 1.25, "shift": -0.5}, lambda v: v * 1.25 - 0.5)
case("brightness", "brightness", {"scale": 0.75, "shift": 0}, lambda v: v * 0.75)
case("dropout", "modality-dropout", {"scale": 0, "shift": 0}, lambda v: v * 0)


def contrast(factor):
    def change(v):
        own = inside(v)
        return np.clip((v - own.mean()) * factor + own.mean(), own.min(), own.max())

    return change


for factor in (0.75, 1.25):
    case(f"contrast {factor}", "contrast", {"factor": factor}, contrast(factor))


def gamma(exponent, inverted):
    def change(v):
        sign = -1 if inverted else 1
        own = sign * inside(v)
        low, span = own.min(), own.max() - own.min()
        raised = sign * (((sign * v - low).clip(0) / (span + 1e-7)) ** exponent * span + low)
        after = raised[v != 0]
        return (raised - after.mean()) / (after.std() + 1e-8) * inside(v).std() + inside(v).mean()

    return change


for exponent in (0.7, 1.5):
    for inverted in (False, True):
        name = f"gamma {exponent}{' inverted' if inverted else ''}"
        case(name, "gamma", {"exponent": exponent, "inverted": inverted}, gamma(exponent, inverted))


def pcg4d(v):
    """Jarzynski and Olano 2020, on uint32 [4, ...]."""
    v = [np.asarray(word, np.uint32) for word in v]
    with np.errstate(over="ignore"):
        v = [word * np.uint32(1664525) + np.uint32(1013904223) for word in v]
        for _ in range(2):
            v[0] = v[0] + v[1] * v[3]
            v[1] = v[1] + v[2] * v[0]
            v[2] = v[2] + v[0] * v[1]
            v[3] = v[3] + v[1] * v[2]
            if _ == 0:
                v = [word ^ (word >> np.uint32(16)) for word in v]
    return v


def noise(deviation, seed):
    def change(v):
        index = np.arange(v.size, dtype=np.uint32)
        words = pcg4d([index, np.zeros_like(index), np.full_like(index, seed[0]), np.full_like(index, seed[1])])
        u = ((words[0] >> np.uint32(8)) + 0.5) / 2**24
        w = (words[1] >> np.uint32(8)) / 2**24
        normal = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * w)
        return v + deviation * normal.reshape(v.shape)

    return change


case("noise", "noise", {"deviation": 0.3, "seed": [123456789, 4000000000]}, noise(0.3, (123456789, 4000000000)))


def bias(coefficients):
    powers = [p for order in (1, 2, 3) for p in POWERS[order]]

    def change(v):
        z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in v.shape), indexing="ij")
        field = sum(c * x**i * y**j * z**k for c, (i, j, k) in zip(coefficients, powers))
        low = inside(v).min()
        return (v - low) * np.exp(field) + low

    return change


POWERS = {
    order: [
        (i, j, order - i - j) for i in range(order, -1, -1) for j in range(order - i, -1, -1)
    ]
    for order in (1, 2, 3)
}
coefficients = single(random.uniform(-0.5, 0.5, 19)).tolist()
case("bias field", "bias-field", coefficients, bias(coefficients))

# Filters along the axes -----------------------------------------------------------------------------------------

for sigma in (0.5, 1.0, 2.5):
    case(f"blur {sigma}", "blur", {"sigma": sigma}, lambda v, s=sigma: ndimage.gaussian_filter(v, s, mode="nearest"))


def low_resolution(zoom):
    def change(v):
        fewer = [max(1, int(np.floor(n * zoom + 0.5))) for n in v.shape]
        data = torch.from_numpy(v)[None, None]
        down = torch.nn.functional.interpolate(data, fewer, mode="nearest-exact")
        return torch.nn.functional.interpolate(down, v.shape, mode="trilinear", align_corners=False)[0, 0].numpy()

    return change


for zoom in (0.5, 0.73, 1.0):
    case(f"low resolution {zoom}", "low-resolution", {"zoom": zoom}, low_resolution(zoom))


def thick_slices(axis, thickness):
    def change(v):
        extent = v.shape[axis]
        slices = max(1, int(np.floor(extent / thickness + 0.5)))
        # Integrals up to each border of a slice: differences are means, whatever the borders.
        sums = np.concatenate([np.zeros_like(v.take([0], axis)), np.cumsum(v, axis)], axis)
        borders = np.linspace(0, extent, slices + 1)
        integral = np.apply_along_axis(lambda line: np.interp(borders, np.arange(extent + 1), line), axis, sums)
        means = np.diff(integral, axis=axis) / (extent / slices)
        centres = (np.arange(slices) + 0.5) * extent / slices - 0.5
        return np.apply_along_axis(lambda line: np.interp(np.arange(extent), centres, line), axis, means)

    return change


for axis, thickness in ((0, 2.0), (1, 3.4), (2, 5.0)):
    name = f"thick slices {thickness} along {axis}"
    case(name, "thick-slices", {"axis": axis, "thickness": thickness}, thick_slices(axis, thickness))


def gibbs(share):
    def change(v):
        for axis, extent in enumerate(v.shape):
            kept = max(1, int(np.floor(extent * share + 0.5)))
            waves = fft.dct(v, axis=axis, norm="ortho")
            waves[(slice(None),) * axis + (slice(kept, None),)] = 0
            v = fft.idct(waves, axis=axis, norm="ortho")
        return v

    return change


for share in (0.5, 0.8):
    case(f"gibbs {share}", "gibbs", {"kept": share}, gibbs(share))

# Resampling -----------------------------------------------------------------------------------------------------

VOLUME, RESAMPLED = (14, 17, 15), (8, 7, 10)


def displacement(shifts, shape):
    """A cubic B-spline over the patch from control points [p, p, p, 3]."""
    points = shifts.shape[0]
    knots = np.arange(-3, points + 1)
    bases = []
    for extent in shape:
        place = np.arange(extent) / (extent - 1) * (points - 3)
        # The last place belongs to the last interval.
        spline = [BSpline(knots, np.eye(points)[i], 3)(np.minimum(place, points - 3 - 1e-12)) for i in range(points)]
        bases.append(np.stack(spline))
    return np.einsum("iz,jy,kx,ijkc->czyx", *bases, shifts)


def resample(volume, corner, matrix, spacing, shifts, order):
    centre = (np.array(RESAMPLED) - 1) / 2
    places = np.stack(np.meshgrid(*map(np.arange, RESAMPLED), indexing="ij")).reshape(3, -1)
    between = np.diag(1 / np.array(spacing)) @ np.reshape(matrix, (3, 3)) @ np.diag(spacing)
    where = between @ (places - centre[:, None]) + centre[:, None] + np.array(corner)[:, None]
    if shifts is not None:
        where += displacement(shifts, RESAMPLED).reshape(3, -1)
    if order == 0:
        # A voxel at a half belongs to the higher one.
        where = np.floor(where + 0.5)
    return ndimage.map_coordinates(volume, where, order=order, mode="grid-constant").reshape(RESAMPLED)


def rotation(a, b, c):
    """About z, y and x, as a product in this order, over [z, y, x]."""
    about = lambda i, j, angle: np.array(
        [[1.0 if r == s and r not in (i, j) else 0.0 for s in range(3)] for r in range(3)]
    ) + sum(
        value * np.outer(np.eye(3)[r], np.eye(3)[s])
        for r, s, value in (
            (i, i, np.cos(angle)),
            (i, j, -np.sin(angle)),
            (j, i, np.sin(angle)),
            (j, j, np.cos(angle)),
        )
    )
    return about(1, 2, a) @ about(0, 2, b) @ about(0, 1, c)


angles = (0.4, -0.3, 0.5)
transforms = {
    "rotation": (rotation(*angles), (1, 1, 1), 0),
    "rotation between thick slices": (rotation(*angles), (3, 1, 0.8), 0),
    "scaling": (np.eye(3) * 1.3, (1, 1, 1), 0),
    "elastic": (np.eye(3), (1, 1, 1), 5),
    "all at once": (np.diag([1, -1, 1]) @ rotation(*angles) * 0.8, (1, 1, 1), 4),
}
for name, (matrix, spacing, points) in transforms.items():
    volume = patch_values(VOLUME)
    shifts = single(random.uniform(-2, 2, (points,) * 3 + (3,))) if points else None
    corner = [4, 7, 3]
    put(f"{name}/volume", volume)
    if points:
        put(f"{name}/shifts", shifts)
    linear = resample(volume, corner, matrix, spacing, shifts, 1)
    nearest = resample(volume, corner, matrix, spacing, shifts, 0)
    put(f"{name}/linear", linear)
    put(f"{name}/nearest", nearest)
    put(f"{name}/linear-inside", np.where(nearest == 0, 0, linear))
    cases.append(
        {
            "name": name,
            "corner": corner,
            "matrix": np.ravel(matrix).tolist(),
            "spacing": spacing,
            "points": points,
            **({"angles": angles} if name.startswith("rotation") else {}),
        }
    )

header = {"__metadata__": {"numpy": np.__version__, "cases": json.dumps(cases, separators=(",", ":"))}}
data = b""
for name, tensor in tensors.items():
    start = len(data)
    data += tensor.astype("<f4").tobytes()
    header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, len(data)]}
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
path = HERE / "augmentations.safetensors"
path.write_bytes(struct.pack("<Q", len(text)) + text + data)
print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")
