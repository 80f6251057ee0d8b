"""nnU-Net v2's prediction written again from its published steps with NumPy, SciPy and PyTorch's convolutions, to hold
src/pipeline/predict/nnunet-steps.ts against: DefaultPreprocessor, default_resampling, the sliding window of
nnUNetPredictor and export_prediction (nnunetv2 2.5), scikit-image's resize by SciPy's zoom.

    published_steps.py golden                        writes steps.safetensors beside this file
    published_steps.py predict FOLDER OUT CHANNEL…   labels of one scan, as .npy [z, y, x]; FOLDER has fold_0
"""
import itertools
import json
import os
import sys

import numpy as np
import scipy.ndimage as ndi


def resize(image, shape, order):
    """skimage.transform.resize(image, shape, order, mode='edge', anti_aliasing=False)"""
    image = image.astype(float)
    factors = np.divide(image.shape, shape)
    out = ndi.zoom(image, [1 / f for f in factors], order=order, mode='nearest', grid_mode=True)
    return np.clip(out, image.min(), image.max())


def separate_axis(force, current, new, threshold=3):
    lowres = lambda spacing: np.where(max(spacing) / np.array(spacing) == 1)[0]
    if force is not None:
        axis = lowres(current) if force else None
    elif max(current) / min(current) > threshold:
        axis = lowres(current)
    elif max(new) / min(new) > threshold:
        axis = lowres(new)
    else:
        axis = None
    return int(axis[0]) if axis is not None and len(axis) == 1 else None


def resample(data, shape, current, new, order, order_z, force):
    data = np.asarray(data)
    if all(a == b for a, b in zip(data.shape[1:], shape)):
        return data
    axis = separate_axis(force, current, new)
    out = np.zeros((data.shape[0], *shape), dtype=data.dtype)
    for c in range(data.shape[0]):
        if axis is None:
            out[c] = resize(data[c], shape, order)
            continue
        flat = [n for a, n in enumerate(shape) if a != axis]
        slices = [
            resize(np.take(data[c], i, axis), flat, order) for i in range(data.shape[1 + axis])
        ]
        here = np.stack(slices, axis)
        if here.shape[axis] != shape[axis]:
            maps = np.mgrid[tuple(slice(0, n) for n in shape)].astype(float)
            for a in range(3):
                maps[a] = here.shape[a] / shape[a] * (maps[a] + 0.5) - 0.5
            here = ndi.map_coordinates(here, maps, order=order_z, mode='nearest')
        out[c] = here
    return out


def normalise(data, mask, scheme, use_mask, properties):
    data = data.astype(np.float32)
    if scheme == 'ZScoreNormalization':
        inside = mask if use_mask else np.ones_like(mask)
        mean, std = data[inside].mean(dtype=np.float64), data[inside].std(dtype=np.float64)
        data[inside] = (data[inside] - mean) / max(std, 1e-8)
    elif scheme == 'CTNormalization':
        data = np.clip(data, properties['percentile_00_5'], properties['percentile_99_5'])
        data = (data - properties['mean']) / max(properties['std'], 1e-8)
    elif scheme == 'RescaleTo01Normalization':
        data = data - data.min()
        data = data / np.clip(data.max(), 1e-8, None)
    elif scheme == 'RGBTo01Normalization':
        data = data / 255.0
    else:
        assert scheme == 'NoNormalization'
    return data.astype(np.float32)


def preprocess(images, spacing, plans, configuration):
    """images [C, z, y, x] -> network input, and what the way back needs"""
    forward = plans['transpose_forward']
    data = images.astype(np.float32).transpose([0, *[i + 1 for i in forward]])
    spacing = [spacing[i] for i in forward]
    mask = ndi.binary_fill_holes((data != 0).any(0))
    box = tuple(slice(a.min(), a.max() + 1) for a in np.where(mask))
    cut, mask = data[(slice(None), *box)], mask[box]
    target = configuration['spacing']
    shape = [int(round(i / j * k)) for i, j, k in zip(spacing, target, cut.shape[1:])]
    properties = plans.get('foreground_intensity_properties_per_channel', {})
    cut = np.stack(
        [
            normalise(cut[c], mask, scheme, configuration['use_mask_for_norm'][c], properties.get(str(c)))
            for c, scheme in enumerate(configuration['normalization_schemes'])
        ]
    )
    how = configuration['resampling_fn_data_kwargs']
    resampled = resample(cut, shape, spacing, target, how['order'], how['order_z'], how['force_separate_z'])
    return resampled, dict(box=box, whole=data.shape[1:], cut=cut.shape[1:], spacing=spacing)


def corners(shape, patch, step=0.5):
    steps = []
    for n, p in zip(shape, patch):
        count = int(np.ceil((n - p) / (p * step))) + 1
        width = (n - p) / (count - 1) if count > 1 else 0
        steps.append([int(np.round(width * i)) for i in range(count)])
    return list(itertools.product(*steps))


def gaussian(patch):
    tmp = np.zeros(patch)
    tmp[tuple(i // 2 for i in patch)] = 1
    weights = ndi.gaussian_filter(tmp, [i / 8 for i in patch], 0, mode='constant', cval=0)
    weights = weights / weights.max() * 10
    weights[weights == 0] = weights[weights > 0].min()
    return weights


def slide(network, data, patch, mirror):
    """network: [C, *patch] -> [K, *patch]; averaged logits [K, *data's extents]"""
    extents = [max(n, p) for n, p in zip(data.shape[1:], patch)]
    before = [(e - n) // 2 for e, n in zip(extents, data.shape[1:])]
    pads = [(0, 0)] + [(b, e - n - b) for b, e, n in zip(before, extents, data.shape[1:])]
    padded = np.pad(data, pads)
    weights = gaussian(patch)
    total, count = None, np.zeros(extents)
    flips = [c for r in range(len(mirror) + 1) for c in itertools.combinations(mirror, r)]
    for corner in corners(extents, patch):
        where = tuple(slice(c, c + p) for c, p in zip(corner, patch))
        tile = padded[(slice(None), *where)]
        logits = 0
        for axes in flips:
            axes = [a + 1 for a in axes]
            logits = logits + np.flip(network(np.flip(tile, axes)), axes)
        logits = logits / len(flips)
        if total is None:
            total = np.zeros((logits.shape[0], *extents))
        total[(slice(None), *where)] += logits * weights
        count[where] += weights
    total /= count
    inner = tuple(slice(b, b + n) for b, n in zip(before, data.shape[1:]))
    return total[(slice(None), *inner)]


def to_labels(logits, info, plans, configuration, regions=None):
    how = configuration['resampling_fn_probabilities_kwargs']
    logits = resample(
        logits.astype(np.float32), info['cut'], configuration['spacing'], info['spacing'],
        how['order'], how['order_z'], how['force_separate_z'],
    )
    if regions is None:
        found = logits.argmax(0)
    else:
        found = np.zeros(logits.shape[1:], dtype=int)
        for k, value in enumerate(regions):
            found[1 / (1 + np.exp(-logits[k].astype(np.float64))) > 0.5] = value
    whole = np.zeros(info['whole'], dtype=np.uint8)
    whole[info['box']] = found
    backward = [plans['transpose_forward'].index(a) for a in range(3)]
    return whole.transpose(backward)


def torch_network(weights, kwargs, residual):
    """dynamic-network-architectures' two networks, from a state dictionary"""
    import torch
    import torch.nn.functional as F

    def block(x, name, kernel, stride=(1, 1, 1), act=True):
        bias = weights.get(f'{name}.conv.bias')
        x = F.conv3d(x, weights[f'{name}.conv.weight'], bias, stride, [k // 2 for k in kernel])
        x = F.instance_norm(x, weight=weights[f'{name}.norm.weight'], bias=weights[f'{name}.norm.bias'], eps=1e-5)
        return F.leaky_relu(x, 0.01) if act else x

    n, kernels, strides = kwargs['n_stages'], kwargs['kernel_sizes'], kwargs['strides']

    def forward(x):
        x = torch.from_numpy(np.ascontiguousarray(x[None])).float()
        skips = []
        if residual:
            x = block(x, 'encoder.stem.convs.0', kernels[0])
        for s in range(n):
            if not residual:
                for i in range(kwargs['n_conv_per_stage'][s]):
                    x = block(x, f'encoder.stages.{s}.0.convs.{i}', kernels[s], strides[s] if i == 0 else (1, 1, 1))
            else:
                for i in range(kwargs['n_blocks_per_stage'][s]):
                    name, stride = f'encoder.stages.{s}.blocks.{i}', strides[s] if i == 0 else [1, 1, 1]
                    out = block(block(x, f'{name}.conv1', kernels[s], stride), f'{name}.conv2', kernels[s], act=False)
                    if max(stride) > 1:
                        x = F.avg_pool3d(x, stride, stride)
                    for k in (0, 1):
                        if f'{name}.skip.{k}.conv.weight' in weights:
                            x = block(x, f'{name}.skip.{k}', (1, 1, 1), act=False)
                    x = F.leaky_relu(out + x, 0.01)
            skips.append(x)
        for s in range(n - 1):
            to = n - 2 - s
            up = F.conv_transpose3d(
                x, weights[f'decoder.transpconvs.{s}.weight'], weights[f'decoder.transpconvs.{s}.bias'], strides[to + 1]
            )
            x = torch.cat([up, skips[to]], 1)
            for i in range(kwargs['n_conv_per_stage_decoder'][s]):
                x = block(x, f'decoder.stages.{s}.convs.{i}', kernels[to])
        last = f'decoder.seg_layers.{n - 2}'
        return F.conv3d(x, weights[f'{last}.weight'], weights[f'{last}.bias'])[0].double().numpy()

    return forward


def predict(folder, out, channels):
    import nibabel
    import torch

    torch.set_grad_enabled(False)
    trainer = next(f'{folder}/{name}' for name in os.listdir(folder) if name.count('__') == 2)
    plans = json.load(open(f'{trainer}/plans.json'))
    configuration = plans['configurations'][trainer.split('__')[-1]]
    saved = torch.load(f'{trainer}/fold_0/checkpoint_final.pth')
    architecture = configuration['architecture']
    network = torch_network(
        saved['network_weights'], architecture['arch_kwargs'], 'Residual' in architecture['network_class_name']
    )
    files = [nibabel.load(path) for path in channels]
    images = np.stack([np.asarray(f.dataobj, dtype=np.float32).transpose(2, 1, 0) for f in files])
    spacing = [float(s) for s in files[0].header.get_zooms()[::-1]]
    data, info = preprocess(images, spacing, plans, configuration)
    mirror = saved.get('inference_allowed_mirroring_axes') or ()
    logits = slide(network, data, configuration['patch_size'], mirror)
    np.save(out, to_labels(logits, info, plans, configuration))


def toy(x):
    """A network for the golden values: two outputs of a channel and its neighbours behind it."""
    shifted = np.zeros_like(x[0])
    shifted[:, :, 1:] = x[0][:, :, :-1]
    return np.stack([-x[0].astype(np.float64), x[-1] + 0.5 * shifted])


def save(path, tensors):
    header, data = {}, b''
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name], dtype='<f4')
        end = len(data) + values.nbytes
        header[name] = {'dtype': 'F32', 'shape': list(values.shape), 'data_offsets': [len(data), end]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(len(text).to_bytes(8, 'little') + text + data)


def golden():
    rng = np.random.default_rng(18)
    tensors = {}
    image = ndi.gaussian_filter(rng.normal(size=(9, 11, 14)), 1).astype(np.float32) * 100
    tensors['resize.image'] = image
    for name, shape, order in [
        ('up', (13, 20, 15), 3), ('down', (5, 6, 9), 3), ('linear', (13, 6, 14), 1), ('nearest', (4, 25, 14), 0),
    ]:
        tensors[f'resize.{name}'] = resize(image, shape, order).astype(np.float32)
    for name, current, new, order in [
        ('thick-0', (5, 1, 1), (3, 1, 0.8), 3), ('thick-2', (1, 1, 4), (1, 1.3, 2), 3), ('thick-1', (1, 4, 1), (1, 2, 1.5), 1),
    ]:
        shape = [int(round(i / j * k)) for i, j, k in zip(current, new, image.shape)]
        tensors[f'resample.{name}'] = resample(image[None], shape, current, new, order, 0, None)[0]
    # A whole prediction: turned axes, a hole, resampling of thick slices, padding, tiles and mirrors.
    scan = ndi.gaussian_filter(rng.normal(size=(2, 13, 24, 12)), (0, 1, 1, 1)).astype(np.float32) * 50 + 10
    scan[:, :2] = 0
    scan[:, :, :3] = 0
    scan[:, :, :, -2:] = 0
    scan[:, 6, 10, 5] = 0
    plans = {
        'transpose_forward': [1, 0, 2],
        'foreground_intensity_properties_per_channel': {
            '1': {'percentile_00_5': -20.0, 'percentile_99_5': 40.0, 'mean': 9.0, 'std': 12.0}
        },
    }
    configuration = {
        'spacing': [1.0, 1.0, 3.5],
        'patch_size': [12, 8, 8],
        'normalization_schemes': ['ZScoreNormalization', 'CTNormalization'],
        'use_mask_for_norm': [True, False],
        'resampling_fn_data_kwargs': {'order': 3, 'order_z': 0, 'force_separate_z': None},
        'resampling_fn_probabilities_kwargs': {'order': 1, 'order_z': 0, 'force_separate_z': None},
    }
    spacing = [1.3, 0.9, 2.8]
    data, info = preprocess(scan, spacing, plans, configuration)
    logits = slide(toy, data, configuration['patch_size'], (0, 2))
    tensors['scan.images'] = scan
    tensors['scan.input'] = data
    tensors['scan.logits'] = logits.astype(np.float32)
    tensors['scan.labels'] = to_labels(logits, info, plans, configuration).astype(np.float32)
    save(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'steps.safetensors'), tensors)


if __name__ == '__main__':
    if sys.argv[1] == 'golden':
        golden()
    else:
        predict(sys.argv[2], sys.argv[3], sys.argv[4:])
