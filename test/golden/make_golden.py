"""Golden values from PyTorch for the engine: ops, losses, the network variants, Adam.

Run: python3 make_golden.py        (PyTorch 1.13.0a0; writes *.safetensors beside this file)

Everything is computed in float64 from values that are exact in float32, and stored in float32: PyTorch's own
rounding does not count against the tolerance. Random numbers come from one generator a file, seeded with SEED, so
that a file stays the same when another one grows. Ops and optimizers are PyTorch's own; the losses, which PyTorch
does not have, are written below from their formulae and differentiated by autograd.

A .safetensors file is an 8-byte little-endian header length, a JSON header and the data. The header's
__metadata__ holds "torch" (the version), "seed" and "cases" (JSON: a list of named cases; each names its
attributes, and its tensors are called "<case>/<tensor>").
"""
import json
import struct
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

SEED = 20150
HERE = Path(__file__).parent
torch.set_default_dtype(torch.float64)
torch.use_deterministic_algorithms(True)


class Golden:
    """Tensors and cases of one file, with the file's own random numbers."""

    def __init__(self, name, seed=SEED):
        self.name = name
        self.tensors = {}
        self.cases = []
        self.seed = seed
        self.random = torch.Generator().manual_seed(seed)

    def normal(self, *shape, scale=1.0, shift=0.0):
        """Normal deviates that are exact in float32."""
        draw = torch.randn(*shape, generator=self.random, dtype=torch.float64) * scale + shift
        return draw.float().double()

    def uniform(self, *shape):
        return torch.rand(*shape, generator=self.random, dtype=torch.float64).float().double()

    def put(self, name, tensor):
        assert name not in self.tensors, name
        self.tensors[name] = tensor.detach().float().contiguous()

    def case(self, name, tensors, **fields):
        for key, tensor in tensors.items():
            self.put(f"{name}/{key}", tensor)
        self.cases.append({"name": name, **fields})

    def write(self):
        header = {
            "__metadata__": {
                "torch": torch.__version__,
                "seed": str(self.seed),
                "cases": json.dumps(self.cases, separators=(",", ":")),
            }
        }
        data = b""
        for name, tensor in self.tensors.items():
            start = len(data)
            data += struct.pack(f"<{tensor.numel()}f", *tensor.flatten().tolist())
            header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, len(data)]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        path = HERE / f"{self.name}.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        print(f"{path.name}: {len(self.tensors)} tensors, {path.stat().st_size} bytes")


# Ops ------------------------------------------------------------------------------------------------------------


def op_case(golden, name, op, attributes, inputs, forward, state=()):
    """One case of an op: inputs, output, a random grad_output, the gradient of each input, state after forward."""
    for tensor in inputs:
        tensor.requires_grad_(True)
    before = {f"before.{key}": tensor.clone() for key, tensor in state}
    output = forward(*inputs)
    grad_output = golden.normal(*output.shape)
    grads = torch.autograd.grad(output, inputs, grad_output)
    tensors = {f"input{i}": tensor for i, tensor in enumerate(inputs)}
    tensors |= before
    tensors |= {"output": output, "gradOutput": grad_output}
    tensors |= {f"grad{i}": tensor for i, tensor in enumerate(grads)}
    tensors |= {f"after.{key}": tensor for key, tensor in state}
    golden.case(name, tensors, op=op, attributes=attributes, inputs=len(inputs), state=[key for key, _ in state])


def conv3d_cases(golden):
    for name, shape, out, kernel, stride, padding, bias in [
        ("kernel 3", (2, 3, 4, 5, 7), 4, 3, 1, 1, True),
        ("kernel 3, no bias", (1, 4, 3, 4, 8), 8, 3, 1, 1, False),
        ("kernel 3, unpadded", (1, 2, 5, 4, 6), 3, 3, 1, 0, True),
        ("kernel 3, stride 2", (2, 3, 4, 5, 7), 4, 3, 2, 1, True),
        ("kernel 1", (2, 5, 4, 3, 5), 2, 1, 1, 0, True),
    ]:
        inputs = [golden.normal(*shape), golden.normal(out, shape[1], kernel, kernel, kernel, scale=0.3)]
        if bias:
            inputs.append(golden.normal(out))
        attributes = {"stride": stride, "padding": padding, "sources": 1, "bias": bias}
        op_case(golden, f"conv3d/{name}", "conv3d", attributes, inputs,
                lambda x, w, b=None, s=stride, p=padding: F.conv3d(x, w, b, stride=s, padding=p))
    inputs = [golden.normal(2, 3, 3, 4, 6), golden.normal(2, 5, 3, 4, 6),
              golden.normal(4, 8, 3, 3, 3, scale=0.2), golden.normal(4)]
    attributes = {"stride": 1, "padding": 1, "sources": 2, "bias": True}
    op_case(golden, "conv3d/two sources", "conv3d", attributes, inputs,
            lambda a, b, w, bias: F.conv3d(torch.cat([a, b], dim=1), w, bias, padding=1))


def conv_transpose3d_cases(golden):
    for name, shape, out, kernel, padding, output_padding, bias in [
        ("kernel 2", (2, 6, 2, 3, 5), 3, 2, 0, 0, False),
        ("kernel 2, bias", (1, 4, 2, 3, 2), 5, 2, 0, 0, True),
        ("kernel 3", (2, 4, 3, 2, 4), 3, 3, 1, 1, True),
    ]:
        inputs = [golden.normal(*shape), golden.normal(shape[1], out, kernel, kernel, kernel, scale=0.3)]
        if bias:
            inputs.append(golden.normal(out))
        attributes = {"stride": 2, "padding": padding, "outputPadding": output_padding, "bias": bias}
        op_case(golden, f"conv-transpose3d/{name}", "conv-transpose3d", attributes, inputs,
                lambda x, w, b=None, p=padding, q=output_padding:
                F.conv_transpose3d(x, w, b, stride=2, padding=p, output_padding=q))


def batch_norm_cases(golden):
    for name, training, slope, momentum in [
        ("training", True, None, 0.1),
        ("training, ReLU", True, 0, 0.1),
        ("training, leaky ReLU", True, 0.01, 0.3),
        ("evaluation, ReLU", False, 0, 0.1),
        ("evaluation", False, None, 0.1),
    ]:
        channels = 4
        # A mean far from zero beside a small deviation: a one-pass variance would lose its digits here.
        inputs = [golden.normal(2, channels, 2, 3, 5, scale=1.5, shift=4.0),
                  golden.normal(channels, scale=0.5, shift=1.0), golden.normal(channels)]
        mean = golden.normal(channels, shift=3.0)
        var = golden.uniform(channels) + 0.5

        def forward(x, w, b):
            y = F.batch_norm(x, mean, var, w, b, training=training, momentum=momentum, eps=1e-5)
            return y if slope is None else F.leaky_relu(y, slope)

        attributes = {"training": training, "momentum": momentum, "eps": 1e-5, "slope": slope}
        op_case(golden, f"batch-norm/{name}", "batch-norm", attributes, inputs, forward,
                [("runningMean", mean), ("runningVar", var)])


def other_op_cases(golden):
    op_case(golden, "max-pool3d/even", "max-pool3d", {}, [golden.normal(2, 2, 4, 6, 8)],
            lambda x: F.max_pool3d(x, 2))
    op_case(golden, "max-pool3d/odd", "max-pool3d", {}, [golden.normal(1, 2, 5, 3, 7)], lambda x: F.max_pool3d(x, 2))
    # Rounded to whole numbers: every window has ties, and the gradient goes to the first.
    op_case(golden, "max-pool3d/ties", "max-pool3d", {}, [golden.normal(1, 3, 4, 4, 6).round()],
            lambda x: F.max_pool3d(x, 2))
    for slope in [0, 0.01]:
        x = golden.normal(2, 3, 4, 3, 5)
        x[0, 0, 0] = 0.0
        op_case(golden, f"relu/slope {slope}", "relu", {"slope": slope}, [x], lambda x, s=slope: F.leaky_relu(x, s))
    for channels in [2, 4]:
        op_case(golden, f"softmax/{channels} channels", "softmax", {},
                [golden.normal(2, channels, 3, 4, 5, scale=4.0)], lambda x: F.softmax(x, dim=1))
    # Logits whose exponentials overflow float32 unless the largest is subtracted first.
    op_case(golden, "softmax/large logits", "softmax", {}, [golden.normal(1, 3, 2, 3, 4, scale=90.0)],
            lambda x: F.softmax(x, dim=1))
    op_case(golden, "sigmoid/both tails", "sigmoid", {}, [golden.normal(2, 2, 3, 4, 5, scale=30.0)], torch.sigmoid)


def more_op_cases(golden):
    op_case(golden, "add/two", "add", {}, [golden.normal(2, 3, 3, 4, 5) for _ in range(2)], torch.add)
    op_case(golden, "add/three", "add", {}, [golden.normal(1, 2, 3, 3, 5) for _ in range(3)], lambda a, b, c: a + b + c)
    for name, groups, slope, eps in [
        ("instance norm", None, None, 1e-5),
        ("instance norm, leaky ReLU", None, 0.01, 1e-5),
        ("two groups, ReLU", 2, 0, 1e-5),
        ("one group", 1, None, 1e-3),
    ]:
        channels = 4
        inputs = [golden.normal(2, channels, 2, 3, 5, scale=1.5, shift=4.0),
                  golden.normal(channels, scale=0.5, shift=1.0), golden.normal(channels)]

        def forward(x, w, b):
            if groups is None:
                y = F.instance_norm(x, weight=w, bias=b, eps=eps)
            else:
                y = F.group_norm(x, groups, w, b, eps)
            return y if slope is None else F.leaky_relu(y, slope)

        attributes = {"eps": eps, "slope": slope} | ({} if groups is None else {"groups": groups})
        op_case(golden, f"group-norm/{name}", "group-norm", attributes, inputs, forward)
    for alpha in [1.0, 0.5]:
        op_case(golden, f"elu/alpha {alpha}", "elu", {"alpha": alpha}, [golden.normal(2, 2, 3, 4, 5, scale=2.0)],
                lambda x, a=alpha: F.elu(x, a))
    for approximate in ["none", "tanh"]:
        op_case(golden, f"gelu/{approximate}", "gelu", {"approximate": approximate},
                [golden.normal(2, 2, 3, 4, 5, scale=2.0)], lambda x, a=approximate: F.gelu(x, approximate=a))


def pooling_cases(golden):
    for kernel in [(1, 2, 2), (3, 1, 2)]:
        name = "x".join(map(str, kernel))
        for op, pool in [("max-pool3d", F.max_pool3d), ("average-pool3d", F.avg_pool3d)]:
            op_case(golden, f"{op}/{name}", op, {"kernel": kernel}, [golden.normal(2, 2, 5, 4, 7)],
                    lambda x, f=pool, k=kernel: f(x, k))
    op_case(golden, "average-pool3d/2x2x2", "average-pool3d", {}, [golden.normal(1, 2, 4, 5, 6)],
            lambda x: F.avg_pool3d(x, 2))


def pcg4d(a, b, c, d):
    """Jarzynski and Olano's hash of four 32-bit words to four."""
    bits = 0xFFFFFFFF
    v = [(x * 1664525 + 1013904223) & bits for x in (a, b, c, d)]
    for turn in range(2):
        for to, x, y in [(0, 1, 3), (1, 2, 0), (2, 0, 1), (3, 1, 2)]:
            v[to] = (v[to] + v[x] * v[y]) & bits
        if turn == 0:
            v = [x ^ (x >> 16) for x in v]
    return v


def dropout_cases(golden):
    """The mask is a hash of each unit's index; what PyTorch's own generator would drop does not matter."""
    for name, p, per_channel, stream in [("elements", 0.3, False, 5), ("channels", 0.5, True, 0)]:
        x = golden.normal(2, 6, 2, 3, 5)
        seed = golden.normal(2)
        words = struct.unpack("<2I", struct.pack("<2f", *seed.tolist()))
        units = 12 if per_channel else x.numel()
        kept = torch.tensor([pcg4d(unit // 4, stream, *words)[unit % 4] >= int(p * 2**32) for unit in range(units)])
        mask = kept.double().reshape((2, 6, 1, 1, 1) if per_channel else x.shape) / (1 - p)
        attributes = {"p": p, "perChannel": per_channel, "stream": stream}
        op_case(golden, f"dropout/{name}", "dropout", attributes, [x], lambda x, m=mask: x * m, [("seed", seed)])


def make_ops():
    golden = Golden("ops")
    conv3d_cases(golden)
    conv_transpose3d_cases(golden)
    batch_norm_cases(golden)
    other_op_cases(golden)
    more_op_cases(golden)
    dropout_cases(golden)
    pooling_cases(golden)
    golden.write()


def make_convolutions():
    """Convolutions with settings per axis, and transposed ones whose kernel is their stride."""
    golden = Golden("convolutions")
    for name, shape, out, kernel, settings in [
        ("kernel 1x3x3", (2, 3, 3, 5, 6), 4, (1, 3, 3), {"padding": [0, 1, 1]}),
        ("kernel 1x3x3, stride 1x2x2", (2, 3, 3, 6, 7), 4, (1, 3, 3), {"stride": [1, 2, 2], "padding": [0, 1, 1]}),
        ("kernel 3, stride 2x1x2", (1, 4, 5, 4, 6), 3, (3, 3, 3), {"stride": [2, 1, 2], "padding": 1}),
        ("kernel 2, stride 2", (1, 2, 4, 6, 5), 3, (2, 2, 2), {"stride": 2}),
        ("kernel 5x1x4", (2, 2, 6, 3, 7), 3, (5, 1, 4), {"padding": [2, 0, 1]}),
        ("kernel 2x3x4, same", (1, 2, 3, 4, 5), 3, (2, 3, 4), {"padding": "same", "dilation": [1, 1, 3]}),
        ("dilation 2", (2, 3, 5, 6, 7), 4, (3, 3, 3), {"padding": 2, "dilation": 2}),
        ("dilation 16", (1, 3, 6, 18, 33), 2, (3, 3, 3), {"padding": 16, "dilation": 16}),
        ("dilation 1x2x3, stride 2", (1, 3, 6, 7, 9), 2, (3, 3, 3), {"stride": 2, "padding": 2, "dilation": [1, 2, 3]}),
    ]:
        inputs = [golden.normal(*shape), golden.normal(out, shape[1], *kernel, scale=0.3), golden.normal(out)]
        op_case(golden, f"conv3d/{name}", "conv3d", settings, inputs,
                lambda x, w, b, own=settings: F.conv3d(x, w, b, **own))
    for name, shape, out, kernel, bias in [
        ("kernel 1x2x2", (2, 4, 3, 3, 5), 3, (1, 2, 2), True),
        ("kernel 2x1x2, no bias", (1, 5, 3, 4, 2), 4, (2, 1, 2), False),
        ("kernel 2, bias", (1, 3, 2, 3, 4), 5, (2, 2, 2), True),
    ]:
        inputs = [golden.normal(*shape), golden.normal(shape[1], out, *kernel, scale=0.3)]
        if bias:
            inputs.append(golden.normal(out))
        op_case(golden, f"conv-transpose3d/{name}", "conv-transpose3d", {"stride": kernel}, inputs,
                lambda x, w, b=None, k=kernel: F.conv_transpose3d(x, w, b, stride=k))
    golden.write()


def make_head_ops():
    """Ops of decoders with several outputs, and of heads that give numbers."""
    golden = Golden("head-ops")
    op_case(golden, "concat/three", "concat", {}, [golden.normal(2, c, 3, 1, 5) for c in (1, 3, 2)],
            lambda *sources: torch.cat(sources, dim=1))
    op_case(golden, "concat/four", "concat", {}, [golden.normal(1, c, 2, 4, 4) for c in (2, 1, 1, 3)],
            lambda *sources: torch.cat(sources, dim=1))
    for name, shape in [("even", (2, 3, 4, 2, 6)), ("odd", (1, 4, 3, 5, 3)), ("one voxel", (2, 5, 1, 1, 1))]:
        op_case(golden, f"global-average-pool/{name}", "global-average-pool", {}, [golden.normal(*shape, shift=0.5)],
                lambda x: F.adaptive_avg_pool3d(x, 1).flatten(1))
    op_case(golden, "linear/bias", "linear", {}, [golden.normal(3, 70), golden.normal(5, 70, scale=0.2), golden.normal(5)],
            F.linear)
    op_case(golden, "linear/no bias", "linear", {}, [golden.normal(2, 9), golden.normal(4, 9)], F.linear)
    for name, shape, scale in [("by 2", (2, 2, 2, 3, 4), (2, 2, 2)), ("by 1, 2 and 3", (1, 2, 3, 2, 5), (1, 2, 3)),
                               ("by 4", (1, 1, 2, 3, 2), (4, 4, 4)), ("one voxel", (2, 1, 1, 1, 1), (2, 3, 2))]:
        op_case(golden, f"upsample-trilinear/{name}", "upsample-trilinear", {"scale": scale}, [golden.normal(*shape)],
                lambda x, s=scale: F.interpolate(x, scale_factor=s, mode="trilinear", align_corners=False))
    golden.write()


# Losses ---------------------------------------------------------------------------------------------------------

SMOOTH = 1e-5
LEAST_TRUTH = 0.5


def segmentation_loss(logits, target, loss, weights, tpr, tprWeight, crossEntropy, pool):
    """Value and parts (overlap, TPR term, cross entropy) of a segmentation loss.

    logits [N, L, D, H, W]; target [N, L - 1, D, H, W] are the foreground probabilities. Sums run over an item's voxels
    or the batch's; the value is the mean over these pools.
    - generalized-dice: Sudre 2017, all labels; weights relative to the pool's largest, so that SMOOTH counts voxels;
      a label without truth gets the largest weight of those that have one.
    - dice: the mean over the foreground labels. literal: Abolvardi's eq. 1 as printed, the same mean.
    - +tpr: Abolvardi's eq. 2 as printed (2 I / R); 1-tpr: 1 - I / R; nothing for a label without truth.
    """
    r = torch.cat([1 - target.sum(dim=1, keepdim=True), target], dim=1)
    p = torch.softmax(logits, dim=1)
    dims = (2, 3, 4) if pool == "item" else (0, 2, 3, 4)
    labels = logits.shape[1]
    P, R, I = (x.sum(dim=dims).reshape(-1, labels) for x in (p, r, r * p))
    present = R >= LEAST_TRUTH
    front = slice(1, None)
    if loss == "generalized-dice":
        power = {"square": 2, "simple": 1, "uniform": 0}[weights]
        w = torch.where(present, R, torch.full_like(R, torch.inf)) ** -power if power else torch.ones_like(R)
        largest = w.max(dim=1, keepdim=True).values
        w = torch.where(present, w, largest.expand_as(w)) / largest
        overlap = 1 - (2 * (w * I).sum(1) + SMOOTH) / ((w * (P + R)).sum(1) + SMOOTH)
    elif loss == "dice":
        overlap = (1 - (2 * I + SMOOTH) / (P + R + SMOOTH))[:, front].mean(1)
    else:
        # Labels without truth are left out before dividing: a masked 0 / 0 would still poison the gradient.
        truth = torch.where(present, R, torch.ones_like(R))
        ratio = 2 * (I / truth**2) / (truth / truth**2 + P)
        overlap = torch.where(present, 1 - ratio, torch.ones_like(R))[:, front].mean(1)
    truth = torch.where(present, R, torch.ones_like(R))
    term = {"off": 0 * I, "+tpr": 2 * I / truth, "1-tpr": 1 - I / truth}[tpr]
    term = torch.where(present, term, torch.zeros_like(term))[:, front].mean(1)
    entropy = -(r * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    parts = torch.stack([overlap.mean(), term.mean(), entropy])
    return parts[0] + tprWeight * parts[1] + crossEntropy * parts[2], parts


OVERLAPS = [("generalized-dice", "square"), ("generalized-dice", "simple"), ("generalized-dice", "uniform"),
            ("dice", "square"), ("literal", "square")]


def make_losses():
    golden = Golden("losses")
    # Item 1 of "lesion" is empty; "soft" is a mean of two raters, odd extents; "tissue" has three foreground labels,
    # one of which is missing in item 0.
    lesion = (golden.uniform(2, 1, 3, 4, 5) < 0.15).double()
    lesion[1] = 0
    soft = ((golden.uniform(2, 1, 3, 3, 5) < 0.3).double() + (golden.uniform(2, 1, 3, 3, 5) < 0.3).double()) / 2
    tissue = torch.softmax(golden.normal(2, 4, 3, 4, 5, scale=3.0), dim=1)[:, 1:].float().double()
    tissue[0, 2] = 0
    empty = torch.zeros(2, 1, 2, 3, 4)
    for name, target, terms in [
        ("lesion", lesion, [(t, λ, ce, p) for t, λ in [("off", 1.0), ("1-tpr", 0.5), ("+tpr", 1.0)]
                            for ce in [0.0, 0.75] for p in ["item", "batch"]]),
        ("soft", soft, [("off", 1.0, 0.0, "item"), ("1-tpr", 1.0, 0.5, "batch")]),
        ("tissue", tissue, [("off", 1.0, 0.0, "item"), ("1-tpr", 2.0, 0.25, "item"), ("+tpr", 0.5, 0.0, "batch")]),
        ("empty", empty, [("1-tpr", 1.0, 0.0, "item"), ("+tpr", 1.0, 0.5, "batch")]),
    ]:
        items, foreground, *volume = target.shape
        logits = golden.normal(items, foreground + 1, *volume, scale=2.0).requires_grad_(True)
        golden.put(f"{name}/logits", logits)
        golden.put(f"{name}/target", target)
        for loss, weights in OVERLAPS:
            for tpr, tpr_weight, cross_entropy, pool in terms:
                settings = {"loss": loss, "weights": weights, "tpr": tpr, "tprWeight": tpr_weight,
                            "crossEntropy": cross_entropy, "pool": pool}
                value, parts = segmentation_loss(logits, target, **settings)
                (grad,) = torch.autograd.grad(value, logits)
                assert torch.isfinite(grad).all(), settings
                case = f"{name}: {loss} {weights}, {tpr} x {tpr_weight}, cross entropy x {cross_entropy}, {pool}"
                golden.case(case, {"value": value.reshape(1), "parts": parts, "grad": grad}, data=name, settings=settings)
    golden.write()


def overlap_loss(logits, target, activation, kind, pool="item", background=False, smooth=1e-5, diceWeight=1.0,
                 crossEntropy=1.0, alpha=0.7, beta=0.3, gamma=0.75):
    """soft-dice, dice-ce and focal-tversky.

    Dice as nnU-Net's MemoryEfficientSoftDiceLoss has it, plus 1; cross entropy by PyTorch's own losses, as in nnU-Net's
    DC_and_CE_loss and DC_and_BCE_loss. Focal Tversky after Abraham and Khan 2019: (1 - index)^gamma.
    """
    if activation == "softmax":
        r = torch.cat([1 - target.sum(dim=1, keepdim=True), target], dim=1)
        p = torch.softmax(logits, dim=1)
        entropy = F.cross_entropy(logits, r)
        if not background:
            r, p = r[:, 1:], p[:, 1:]
    else:
        r, p = target, torch.sigmoid(logits)
        entropy = F.binary_cross_entropy_with_logits(logits, r)
    hits, misses, alarms = ((x).sum(dim=(2, 3, 4)) for x in (r * p, r * (1 - p), (1 - r) * p))
    if pool == "batch":
        hits, misses, alarms = (x.sum(0) for x in (hits, misses, alarms))
    if kind == "focal-tversky":
        index = (hits + smooth) / (hits + alpha * misses + beta * alarms + smooth)
        return ((1 - index) ** gamma).mean()
    dice = (2 * hits + smooth) / torch.clip(2 * hits + misses + alarms + smooth, 1e-8)
    if kind == "soft-dice":
        return 1 - dice.mean()
    return diceWeight * (1 - dice.mean()) + crossEntropy * entropy


def make_overlap_losses():
    golden = Golden("overlap-losses")
    labels = torch.softmax(golden.normal(2, 4, 3, 4, 5, scale=3.0), dim=1)[:, 1:].float().double()
    lesion = (golden.uniform(2, 1, 3, 4, 5) < 0.15).double()
    lesion[1] = 0
    # Regions within one another: whole, core, and the mean of two raters' outlines of an inner part.
    whole = (golden.uniform(2, 1, 3, 3, 5) < 0.5).double()
    core = whole * (golden.uniform(2, 1, 3, 3, 5) < 0.5).double()
    regions = torch.cat([whole, core, core / 2], dim=1)
    empty = torch.zeros(2, 2, 2, 3, 4)
    options = [
        ("soft-dice", {}), ("soft-dice", {"pool": "batch"}), ("soft-dice", {"background": True, "smooth": 1.0}),
        ("dice-ce", {}), ("dice-ce", {"pool": "batch", "diceWeight": 0.5, "crossEntropy": 2.0}),
        ("dice-ce", {"background": True}),
        ("focal-tversky", {}), ("focal-tversky", {"alpha": 0.3, "beta": 0.9, "gamma": 2.0, "pool": "batch"}),
        ("focal-tversky", {"gamma": 1.0, "background": True}),
    ]
    for name, target, activation in [("lesion", lesion, "softmax"), ("labels", labels, "softmax"),
                                     ("regions", regions, "sigmoid"), ("empty", empty, "sigmoid")]:
        items, channels, *volume = target.shape
        outputs = channels + 1 if activation == "softmax" else channels
        logits = golden.normal(items, outputs, *volume, scale=2.0).requires_grad_(True)
        golden.put(f"{name}/logits", logits)
        golden.put(f"{name}/target", target)
        for kind, settings in options:
            if activation == "sigmoid" and "background" in settings:
                continue
            value = overlap_loss(logits, target, activation, kind, **settings)
            (grad,) = torch.autograd.grad(value, logits)
            assert torch.isfinite(grad).all(), settings
            golden.case(f"{name}: {kind} {json.dumps(settings)}", {"value": value.reshape(1), "grad": grad},
                        data=name, loss=kind, activation=activation, settings=settings)
    # Numbers and maps.
    for name, shape, mask_shape in [("map", (2, 2, 3, 4, 5), (2, 1, 3, 4, 5)), ("odd map", (1, 3, 3, 3, 5), (1, 1, 3, 3, 5)),
                                    ("scalars", (3, 2), (3, 1))]:
        output = golden.normal(*shape, scale=2.0).requires_grad_(True)
        target = golden.normal(*shape)
        mask = golden.uniform(*mask_shape)
        mask[0] = (mask[0] < 0.5).double()
        golden.put(f"{name}/logits", output)
        golden.put(f"{name}/target", target)
        golden.put(f"{name}/mask", mask)
        for masked in [False, True]:
            weight = mask.expand_as(output) if masked else torch.ones_like(output)
            value = F.mse_loss(output, target) if not masked else (weight * (output - target) ** 2).sum() / weight.sum()
            (grad,) = torch.autograd.grad(value, output)
            golden.case(f"{name}: mse{', masked' if masked else ''}", {"value": value.reshape(1), "grad": grad},
                        data=name, loss="mse", activation="none", settings={}, **({"mask": True} if masked else {}))
    golden.write()


def make_deep_supervision():
    """dice-ce of outputs of three resolutions, with weights 1, 1/2, 1/4 / 1.75 and targets by nearest interpolation."""
    golden = Golden("deep-supervision")
    sizes = [(4, 8, 8), (4, 4, 4), (2, 2, 2)]
    for name, activation, channels in [("labels", "softmax", 3), ("regions", "sigmoid", 2)]:
        target = (golden.uniform(2, 2, *sizes[0]) < 0.4).double()
        if activation == "softmax":
            target[:, 1] *= 1 - target[:, 0]
        outputs = [golden.normal(2, channels, *size, scale=2.0).requires_grad_(True) for size in sizes]
        value = sum(
            0.5**i / 1.75 * overlap_loss(output, F.interpolate(target, size, mode="nearest"), activation, "dice-ce")
            for i, (output, size) in enumerate(zip(outputs, sizes)))
        grads = torch.autograd.grad(value, outputs)
        tensors = {"target": target, "value": value.reshape(1)}
        tensors |= {f"output{i}": output for i, output in enumerate(outputs)}
        tensors |= {f"grad{i}": grad for i, grad in enumerate(grads)}
        golden.case(name, tensors, activation=activation)
    golden.write()


# Networks -------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """Two 3x3x3 convolutions, each with batch norm and ReLU; several sources are concatenated along channels."""

    def __init__(self, channels, width):
        super().__init__()
        self.conv1 = nn.Conv3d(channels, width, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1)
        self.norm2 = nn.BatchNorm3d(width)

    def forward(self, *sources):
        x = torch.cat(sources, dim=1)
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class UNet3d(nn.Module):
    """The house's 3D U-Net; the names of its parameters are those of the engine."""

    def __init__(self, channels, base, levels, heads):
        super().__init__()
        widths = [base * 2**level for level in range(levels)]
        self.encoder = nn.ModuleList(Block(c, w) for c, w in zip([channels, *widths], widths))
        self.decoder = nn.ModuleList(Block(2 * w, w) for w in widths[:-1])
        for block, below in zip(self.decoder, widths[1:]):
            block.up = nn.ConvTranspose3d(below, below // 2, 2, stride=2, bias=False)
        self.heads = nn.ModuleDict({name: nn.Conv3d(base, classes, 1) for name, classes in heads.items()})

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool3d(x, 2) if level else x)
            skips.append(x)
        for block, skip in reversed(list(zip(self.decoder, skips))):
            x = block(skip, block.up(x))
        return {name: head(x) for name, head in self.heads.items()}


def pool(x):
    """2x2x2 max pool of what has no near tie: there, rounding would decide which voxel gets the gradient."""
    n, c, d, h, w = x.shape
    windows = x.detach().view(n, c, d // 2, 2, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
    first, second = windows.reshape(-1, 8).topk(2, dim=-1).values.unbind(-1)
    gap = (first - second)[first != second].min()
    assert gap > 1e-5, f"a tie within {gap}: choose another seed"
    return F.max_pool3d(x, 2)


class Stitch(nn.Module):
    """One task's side of a cross-stitch unit: a learned blend of both tasks' activations, channel by channel."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.9], [0.1]]).repeat(1, channels))

    def forward(self, own, other):
        keep, share = self.weight.view(2, 1, -1, 1, 1, 1)
        return keep * own + share * other


class CrossStitch(nn.Module):
    """Two U-Nets, one a task, with a cross-stitch unit behind every block."""

    def __init__(self, channels, base, levels, heads):
        super().__init__()
        self.tasks = list(heads)
        for name, classes in heads.items():
            self.add_module(name, UNet3d(channels, base, levels, {name: classes}))
        units = lambda count: nn.ModuleList(
            nn.ModuleDict({name: Stitch(base * 2**level) for name in heads}) for level in range(count))
        self.stitch = nn.ModuleDict({"encoder": units(levels), "decoder": units(levels - 1)})

    def join(self, place, level, x):
        unit = self.stitch[place][level]
        first, second = self.tasks
        return {first: unit[first](x[first], x[second]), second: unit[second](x[second], x[first])}

    def forward(self, x):
        nets = {task: getattr(self, task) for task in self.tasks}
        x = {task: x for task in self.tasks}
        skips = []
        levels = len(nets[self.tasks[0]].encoder)
        for level in range(levels):
            x = self.join("encoder", level, {
                task: net.encoder[level](pool(x[task]) if level else x[task]) for task, net in nets.items()})
            skips.append(x)
        for level in reversed(range(levels - 1)):
            x = self.join("decoder", level, {
                task: net.decoder[level](skips[level][task], net.decoder[level].up(x[task]))
                for task, net in nets.items()})
        return {task: net.heads[task](x[task]) for task, net in nets.items()}


def initialise(net, golden):
    """He initialisation; scales, shifts, biases and running statistics off their usual 0 and 1, so that they count."""
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.dim() == 5:
            fan_in = tensor.shape[0] if ".up." in name else tensor[0].numel()
            tensor.copy_(golden.normal(*tensor.shape, scale=(2 / fan_in) ** 0.5))
        elif name.startswith("stitch."):
            tensor.copy_(golden.normal(*tensor.shape, scale=0.1) + torch.tensor([[0.9], [0.1]]).float().double())
        elif name.endswith("running_var"):
            tensor.copy_(golden.uniform(*tensor.shape) + 0.5)
        else:
            shift = 1.0 if ".norm" in name and name.endswith("weight") else 0.0
            tensor.copy_(golden.normal(*tensor.shape, scale=0.1, shift=shift))


def state_of(net):
    return {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}


SETTINGS = {"loss": "generalized-dice", "weights": "square", "tpr": "off", "tprWeight": 1.0, "crossEntropy": 0.0,
            "pool": "item"}
WITH_TPR = {**SETTINGS, "tpr": "1-tpr"}
WIDTHS = {"baseChannels": 4, "levels": 3}
# The first seed whose pools have no near tie.
SEEDS = {"cross-stitch": SEED + 1}
# Two networks, so half the width.
STITCHED_WIDTHS = {"baseChannels": 2, "levels": 3}
# Per head: the loss's settings and the head's weight in the total.
VARIANTS = {
    "single": {"lesion": (SETTINGS, 1.0)},
    "multi-input": {"lesion": (WITH_TPR, 1.0)},
    "multi-output": {"lesion": (WITH_TPR, 1.0), "tissue": (SETTINGS, 0.5)},
    "cross-stitch": {"lesion": (WITH_TPR, 1.0), "tissue": (SETTINGS, 0.5)},
}
CLASSES = {"lesion": 2, "tissue": 4}


def make_scan():
    """One batch for all variants: four modalities that show the lesions and tissues under noise, 2 x 16 x 16 x 16."""
    golden = Golden("scan")
    smooth = F.avg_pool3d(golden.normal(2, 4, 18, 18, 18, scale=9.0), 3, stride=1)
    tissue = torch.softmax(smooth, dim=1)[:, 1:].float().double()
    lesion = (F.avg_pool3d(golden.normal(2, 1, 18, 18, 18), 3, stride=1) > 0.3).double()
    contrast = golden.normal(4, 4)
    images = torch.einsum("mt,ntdhw->nmdhw", contrast, torch.cat([tissue, 2 * lesion], dim=1))
    images = (images + golden.normal(2, 4, 16, 16, 16)).float().double()
    tensors = {"images": images, "tissue": tissue, "lesion": lesion}
    for name, tensor in tensors.items():
        golden.put(name, tensor)
    golden.write()
    return tensors


def widths_of(variant):
    return STITCHED_WIDTHS if variant == "cross-stitch" else WIDTHS


def variant_net(golden, variant):
    heads = {name: CLASSES[name] for name in VARIANTS[variant]}
    widths = widths_of(variant)
    kind = CrossStitch if variant == "cross-stitch" else UNet3d
    net = kind(7 if variant == "multi-input" else 4, widths["baseChannels"], widths["levels"], heads)
    initialise(net, golden)
    return net


def total_loss(net, variant, scan):
    x = torch.cat([scan["images"], scan["tissue"]], dim=1) if variant == "multi-input" else scan["images"]
    logits = net(x)
    losses = {}
    for head, (settings, _) in VARIANTS[variant].items():
        losses[head] = segmentation_loss(logits[head], scan[head], **settings)[0]
    return logits, losses, sum(weight * losses[head] for head, (_, weight) in VARIANTS[variant].items())


def make_variant(variant, scan):
    """State before, evaluation logits, then one training step: logits, losses, all gradients, running statistics.

    To save space, evaluation logits are those of every other voxel, and training logits those of the first item.
    """
    golden = Golden(variant, SEEDS.get(variant, SEED))
    net = variant_net(golden, variant)
    for name, tensor in state_of(net).items():
        golden.put(f"before/{name}", tensor)
    net.eval()
    with torch.no_grad():
        for head, logits in total_loss(net, variant, scan)[0].items():
            golden.put(f"evaluation/{head}", logits[:, :, ::2, ::2, ::2])
    net.train()
    logits, losses, total = total_loss(net, variant, scan)
    total.backward()
    for head in logits:
        golden.put(f"logits/{head}", logits[head][:1])
        golden.put(f"loss/{head}", losses[head].reshape(1))
    for name, parameter in net.named_parameters():
        golden.put(f"grad/{name}", parameter.grad)
    for name, tensor in state_of(net).items():
        if ".running_" in name:
            golden.put(f"after/{name}", tensor)
    heads = {head: {"settings": settings, "weight": weight} for head, (settings, weight) in VARIANTS[variant].items()}
    golden.case(variant, {}, widths=widths_of(variant), heads=heads)
    golden.write()


# Optimizer ------------------------------------------------------------------------------------------------------


def make_adam(scan, steps=10, lr=5e-4):
    """Ten Adam steps of the single variant on one batch, from the weights of single.safetensors; and, on two small
    tensors with made-up gradients, Adam with decoupled weight decay, with clipping by global norm, and with both."""
    golden = Golden("adam")
    net = variant_net(Golden("single"), "single")
    adam = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        adam.zero_grad()
        _, _, loss = total_loss(net, "single", scan)
        loss.backward()
        adam.step()
        losses.append(loss.detach())
    golden.case("training", {"losses": torch.stack(losses), **{f"after/{k}": v for k, v in state_of(net).items()}},
                lr=lr, steps=steps)
    for name, decay, clip, betas, eps in [
        ("plain", 0.0, None, (0.9, 0.999), 1e-8),
        ("weight decay", 0.1, None, (0.9, 0.99), 1e-8),
        ("clipping", 0.0, 1.0, (0.8, 0.999), 1e-6),
        ("both", 0.05, 2.0, (0.9, 0.999), 1e-8),
    ]:
        parameters = {"weight": golden.normal(3, 5, scale=0.5), "bias": golden.normal(70, scale=0.1)}
        tensors = {f"before/{key}": value.clone() for key, value in parameters.items()}
        optimizer = torch.optim.AdamW(parameters.values(), lr=0.01, betas=betas, eps=eps, weight_decay=decay)
        rates = [0.01, 0.02, 0.005, 0.001]
        for step, rate in enumerate(rates):
            for key, value in parameters.items():
                # Steps of very different size, so that some are clipped and some are not; and gradients of 0.
                value.grad = golden.normal(*value.shape, scale=0.02 * 8.0**step)
                value.grad[value.grad.abs() < 0.002 * 8.0**step] = 0.0
                tensors[f"grad{step}/{key}"] = value.grad.clone()
            if clip:
                nn.utils.clip_grad_norm_(parameters.values(), clip)
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            for key, value in parameters.items():
                tensors[f"after{step}/{key}"] = value.clone()
        golden.case(name, tensors, rates=rates, betas=betas, eps=eps, weightDecay=decay, clip=clip)
    golden.write()


if __name__ == "__main__":
    print(f"PyTorch {torch.__version__}")
    make_ops()
    make_convolutions()
    make_head_ops()
    make_losses()
    make_overlap_losses()
    make_deep_supervision()
    batch = make_scan()
    for each in VARIANTS:
        make_variant(each, batch)
    make_adam(batch)
