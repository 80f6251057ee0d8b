"""Golden values for src/report/{lesions,metrics,surface}.ts, computed with NumPy and SciPy.

Run: python3 make.py > metrics.json      (SciPy 1.10.1, NumPy 1.24; seed 20150)
Masks are bit-packed (little-endian bits) in memory order, x fastest: arrays are [z, y, x] here.
Formulae: Dice, TPR, PPV, volume difference from counts; lesions from scipy.ndimage.label;
surface distances as MONAI publishes them (surface = mask xor binary_erosion, distance_transform_edt with
sampling, HD95 = larger of the two directed 95th percentiles, ASSD = mean over both directions pooled);
normalised Dice as in Raina et al. 2023's published code (r = 0.001); the raw score of Carass et al. 2017 with
scipy.stats.pearsonr for the correlation of volumes.
"""
import base64
import json

import numpy as np
import scipy
from scipy import ndimage, stats

rng = np.random.default_rng(20150)


def pack(mask):
    return base64.b64encode(np.packbits(mask.ravel().astype(np.uint8), bitorder="little").tobytes()).decode()


def structure(connectivity):
    return ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])


def number(x):
    return None if not np.isfinite(x) else float(x)


def lesion_wise(p, t, connectivity):
    lt, nt = ndimage.label(t, structure(connectivity))
    lp, np_ = ndimage.label(p, structure(connectivity))
    hit = len(set(np.unique(lt[p])) - {0})
    real = len(set(np.unique(lp[t])) - {0})
    both = nt == 0 and np_ == 0
    return {
        "ltpr": 1.0 if both else (hit / nt if nt else None),
        "lfpr": (np_ - real) / np_ if np_ else 0.0,
        "trueLesions": nt,
        "predictedLesions": np_,
        "trueSizes": [int(v) for v in np.bincount(lt.ravel())[1:]],
        "labelSum": int((lt.astype(np.int64).ravel() * (1 + np.arange(lt.size) % 97)).sum()),
    }


def surfaces(p, t, spacing):
    if not p.any() and not t.any():
        return 0.0, 0.0
    if not p.any() or not t.any():
        return None, None
    ep = p ^ ndimage.binary_erosion(p)
    et = t ^ ndimage.binary_erosion(t)
    sampling = spacing[::-1]
    there = ndimage.distance_transform_edt(~et, sampling=sampling)[ep]
    back = ndimage.distance_transform_edt(~ep, sampling=sampling)[et]
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), float(np.concatenate([there, back]).mean())


def normalised_dice(p, t, r=0.001):
    if p.sum() + t.sum() == 0:
        return 1.0
    with np.errstate(divide="ignore"):
        k = 1.0 if t.sum() == 0 else (1 - r) * t.sum() / (r * (t.size - t.sum()))
    tp, fp, fn = (p & t).sum(), (p & ~t).sum(), (~p & t).sum()
    # Not defined by the source where the truth fills the volume (0 times infinity): null.
    with np.errstate(invalid="ignore"):
        return number(2 * tp / (k * fp + 2 * tp + fn))


def case(name, p, t, spacing):
    p, t = p.astype(bool), t.astype(bool)
    tp, vp, vt = int((p & t).sum()), int(p.sum()), int(t.sum())
    both = vp == 0 and vt == 0
    ml = float(np.prod(spacing)) / 1000
    hd95, assd = surfaces(p, t, spacing)
    return {
        "name": name,
        "shape": list(p.shape[::-1]),
        "spacing": list(spacing),
        "prediction": pack(p),
        "truth": pack(t),
        "metrics": {
            "dice": 1.0 if both else 2 * tp / (vp + vt),
            "tpr": 1.0 if both else (tp / vt if vt else None),
            "ppv": 1.0 if both else (tp / vp if vp else 0.0),
            "volumeDifference": 0.0 if both else (abs(vp - vt) / vt if vt else None),
            "volumeDifferenceMl": (vp - vt) * ml,
            "truthMl": vt * ml,
            "predictionMl": vp * ml,
        },
        "connectivity": {str(c): lesion_wise(p, t, c) for c in (6, 18, 26)},
        "hd95": hd95,
        "assd": assd,
        "normalizedDice": normalised_dice(p, t),
        "distanceSum": number(ndimage.distance_transform_edt(~t, sampling=spacing[::-1]).sum()) if vt else None,
    }


def noise(shape, share):
    return rng.random(shape) < share


def blobs(shape, sigma, share):
    field = ndimage.gaussian_filter(rng.standard_normal(shape), sigma)
    return field > np.quantile(field, 1 - share)


shape = (9, 10, 12)
empty = np.zeros(shape, bool)
one = empty.copy()
one[4, 5, 6] = True
far = empty.copy()
far[8, 9, 11] = True
border = empty.copy()
border[0, :, :] = border[:, 0, :] = border[:, :, 11] = True
full = ~empty
cases = [
    case("both empty", empty, empty, (1, 1, 1)),
    case("empty truth", noise(shape, 0.1), empty, (1, 1, 1)),
    case("empty prediction", empty, noise(shape, 0.1), (1, 1, 1)),
    case("one voxel, found", one, one, (1, 2, 3)),
    case("one voxel, missed", far, one, (0.5, 1.5, 3)),
    case("touching borders", border, blobs(shape, 1.5, 0.2), (1, 1, 1)),
    case("full", full, full, (1, 1, 1)),
    case("full truth", one, full, (1, 1, 1)),
    case("sparse noise", noise(shape, 0.03), noise(shape, 0.03), (2, 2, 2)),
    case("dense noise", noise(shape, 0.3), noise(shape, 0.3), (0.47, 0.47, 3)),
    case("noise near percolation", noise((11, 13, 7), 0.15), noise((11, 13, 7), 0.12), (1, 1.2, 3.3)),
]
for i, spacing in enumerate([(1, 1, 1), (0.9, 1.1, 3), (3, 0.5, 0.5), (2, 2, 2)]):
    size = (14 + i, 17, 15 - i)
    truth = blobs(size, 1.2, 0.05)
    prediction = blobs(size, 1.2, 0.04) | (ndimage.binary_dilation(truth) & noise(size, 0.5))
    cases.append(case(f"blobs {i}", prediction, truth, spacing))
flat = blobs((1, 21, 19), 1.5, 0.1)
cases.append(case("one slice", np.roll(flat, 2, axis=2), flat, (1, 1, 5)))

for i in range(6):
    size = tuple(int(v) for v in rng.integers(3, 20, 3))
    spacing = tuple(round(float(v), 3) for v in rng.uniform(0.3, 4, 3))
    share = float(rng.uniform(0.02, 0.4))
    cases.append(case(f"random {i}", noise(size, share), blobs(size, 1, share), spacing))


def challenge(name, names):
    """Raw score of scans against one rater; a scan with an undefined term has none."""
    chosen = [next(c for c in cases if c["name"] == n) for n in names]
    predicted = [c["metrics"]["predictionMl"] for c in chosen]
    true = [c["metrics"]["truthMl"] for c in chosen]
    varied = len(chosen) > 1 and np.ptp(predicted) > 0 and np.ptp(true) > 0
    vc = float(stats.pearsonr(predicted, true)[0]) if varied else None
    scores = []
    for c in chosen:
        m, lesions = c["metrics"], c["connectivity"]["26"]
        terms = [m["dice"], m["ppv"], lesions["lfpr"], lesions["ltpr"], vc]
        if None in terms:
            scores.append(None)
            continue
        dice, ppv, lfpr, ltpr, _ = terms
        scores.append(0.125 * dice + 0.125 * ppv + 0.25 * (1 - lfpr) + 0.25 * ltpr + 0.25 * vc)
    there = [v for v in scores if v is not None]
    mean = float(np.mean(there)) if there else None
    return {"name": name, "cases": names, "volumeCorrelation": vc, "scores": scores, "mean": mean}


challenges = [
    challenge("four scans", [f"blobs {i}" for i in range(4)]),
    challenge("random scans", [f"random {i}" for i in range(6)]),
    challenge("with empty masks", ["both empty", "empty truth", "empty prediction", "blobs 1"]),
    challenge("one scan", ["blobs 2"]),
    challenge("volumes that do not vary", ["one voxel, found", "one voxel, found", "one voxel, found"]),
]

head = json.dumps({"scipy": scipy.__version__, "numpy": np.__version__, "seed": 20150})
body = ",\n".join(json.dumps(c) for c in cases)
rest = ",\n".join(json.dumps(c) for c in challenges)
print(head[:-1] + ', "cases": [\n' + body + '\n], "challenges": [\n' + rest + "\n]}")
