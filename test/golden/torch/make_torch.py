"""Files that PyTorch itself writes, for the reader of src/engine/checkpoint/torch-file.ts: /usr/bin/python3 make_torch.py"""
import collections
import os
import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))
base = torch.arange(24, dtype=torch.float32)
weights = collections.OrderedDict(
    plain=base.reshape(2, 3, 4),
    turned=base.reshape(2, 3, 4).permute(2, 0, 1),
    part=base[5:11].reshape(2, 3),
    steps=base[::5],
    spread=torch.tensor([1.5, -2.5]).reshape(2, 1).expand(2, 3),
    scalar=torch.tensor(7.25),
    empty=torch.zeros(0, 3),
    half=torch.tensor([0.5, -65504.0, 6e-8, 1 / 3], dtype=torch.float16),
    bfloat=torch.tensor([0.5, -3.0e38, 1 / 3], dtype=torch.bfloat16),
    double=torch.tensor([1 / 3, -1e-30], dtype=torch.float64),
    long=torch.tensor([-5, 2**40], dtype=torch.int64),
    int=torch.tensor([-5, 7], dtype=torch.int32),
    short=torch.tensor([-300, 7], dtype=torch.int16),
    char=torch.tensor([-5, 7], dtype=torch.int8),
    byte=torch.tensor([250, 7], dtype=torch.uint8),
    bool=torch.tensor([True, False]),
)
weights._metadata = collections.OrderedDict(version=1)
torch.save(
    {
        'network_weights': weights,
        'parameter': torch.nn.Parameter(torch.tensor([3.0])),
        'trainer_name': 'nnUNetTrainer',
        'current_epoch': 1000,
        'logging': {
            'mean_fg_dice': [np.float64(0.25), np.float32(0.5), np.int64(-3)],
            'dice_per_class': [np.array([0.25, 0.75]), np.array([1, 2], dtype='>i2')],
            'none': None,
        },
        'large': [2**31, -(2**40), 2**70, True],
        'size': base.reshape(4, 6).shape,
        'device': torch.device('cuda', 0),
        'inference_allowed_mirroring_axes': (0, 1, 2),
        'text': 'Größe',
    },
    os.path.join(here, 'values.pth'),
)
torch.save([1, 2], os.path.join(here, 'old.pth'), _use_new_zipfile_serialization=False)
