"""Golden values from PyTorch for nnU-Net's networks, MeshNet and the U-Net with a regression path.

Run: python3 make_networks.py        (PyTorch 1.13.0a0; writes networks.safetensors beside this file)

The modules are written from what their libraries publish: dynamic-network-architectures' PlainConvUNet and
ResidualEncoderUNet (nnU-Net v2), Brainchop's MeshNet. Their tensors have the libraries' names. For every case: state
before, outputs in evaluation, gradients of one step, and ten steps of Adam on one batch.
"""
import re

import torch
from torch import nn
from torch.nn import functional as F

from make_golden import Golden, overlap_loss

LR = 1e-3
STEPS = 10


# nnU-Net --------------------------------------------------------------------------------------------------------


class ConvNormReLU(nn.Module):
    """ConvDropoutNormReLU without dropout; `nonlin` False leaves the rectifier out."""

    def __init__(self, inputs, outputs, kernel, stride=(1, 1, 1), bias=True, nonlin=True):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, [(k - 1) // 2 for k in kernel], bias=bias)
        self.norm = nn.InstanceNorm3d(outputs, eps=1e-5, affine=True)
        self.nonlin = nonlin

    def forward(self, x):
        x = self.norm(self.conv(x))
        return F.leaky_relu(x, 0.01) if self.nonlin else x


class Stacked(nn.Module):
    def __init__(self, count, inputs, outputs, kernel, stride=(1, 1, 1)):
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormReLU(inputs, outputs, kernel, stride),
            *[ConvNormReLU(outputs, outputs, kernel) for _ in range(count - 1)])

    def forward(self, x):
        return self.convs(x)


class BasicBlockD(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        self.conv1 = ConvNormReLU(inputs, outputs, kernel, stride)
        self.conv2 = ConvNormReLU(outputs, outputs, kernel, nonlin=False)
        ops = []
        if any(s != 1 for s in stride):
            ops.append(nn.AvgPool3d(stride, stride))
        if inputs != outputs:
            ops.append(ConvNormReLU(inputs, outputs, (1, 1, 1), bias=False, nonlin=False))
        self.skip = nn.Sequential(*ops) if ops else (lambda x: x)

    def forward(self, x):
        return F.leaky_relu(self.conv2(self.conv1(x)) + self.skip(x), 0.01)


class Blocks(nn.Module):
    def __init__(self, count, inputs, outputs, kernel, stride):
        super().__init__()
        self.blocks = nn.Sequential(
            BasicBlockD(inputs, outputs, kernel, stride),
            *[BasicBlockD(outputs, outputs, kernel, (1, 1, 1)) for _ in range(count - 1)])

    def forward(self, x):
        return self.blocks(x)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        inputs = config["inChannels"]
        stages = []
        self.stem = None
        if config["encoder"] == "residual":
            self.stem = Stacked(1, inputs, config["features"][0], config["kernels"][0])
            inputs = config["features"][0]
        for width, kernel, stride, count in zip(config["features"], config["kernels"], config["strides"],
                                                config["blocks"]):
            if self.stem is None:
                stages.append(nn.Sequential(Stacked(count, inputs, width, kernel, stride)))
            else:
                stages.append(Blocks(count, inputs, width, kernel, stride))
            inputs = width
        self.stages = nn.Sequential(*stages)

    def forward(self, x):
        if self.stem is not None:
            x = self.stem(x)
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        return skips


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        features, kernels, strides = config["features"], config["kernels"], config["strides"]
        stages, transpconvs, seg_layers = [], [], []
        for s, count in enumerate(config["decoderBlocks"], start=1):
            below, skip = features[-s], features[-(s + 1)]
            transpconvs.append(nn.ConvTranspose3d(below, skip, strides[-s], strides[-s]))
            stages.append(Stacked(count, 2 * skip, skip, kernels[-(s + 1)]))
            seg_layers.append(nn.Conv3d(skip, config["heads"][0]["channels"], 1))
        self.stages = nn.ModuleList(stages)
        self.transpconvs = nn.ModuleList(transpconvs)
        self.seg_layers = nn.ModuleList(seg_layers)

    def forward(self, skips):
        x = skips[-1]
        outputs = []
        for s, stage in enumerate(self.stages):
            x = stage(torch.cat((self.transpconvs[s](x), skips[-(s + 2)]), 1))
            outputs.append(self.seg_layers[s](x))
        return outputs[::-1]


class NnUNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.head = config["heads"][0]["name"]

    def forward(self, x):
        outputs = self.decoder(self.encoder(x))
        return {self.head: outputs if self.training else outputs[:1]}


# MeshNet --------------------------------------------------------------------------------------------------------


class MeshNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        activation = {"relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU}[config["activation"]]
        inputs = config["inChannels"]
        layers = []
        for width, dilation in zip(config["channels"], config["dilations"]):
            layer = [nn.Conv3d(inputs, width, 3, padding=dilation, dilation=dilation)]
            if config["batchNorm"]:
                layer.append(nn.BatchNorm3d(width))
            layers.append(nn.Sequential(*layer, activation()))
            inputs = width
        layers.append(nn.Conv3d(inputs, config["heads"][0]["channels"], 1))
        self.model = nn.Sequential(*layers)
        self.head = config["heads"][0]["name"]

    def forward(self, x):
        return {self.head: [self.model(x)]}


# U-Net with a regression path -----------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, inputs, widths):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, widths[0], 3, padding=1)
        self.norm1 = nn.BatchNorm3d(widths[0])
        self.conv2 = nn.Conv3d(widths[0], widths[1], 3, padding=1)
        self.norm2 = nn.BatchNorm3d(widths[1])

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class UpBlock(Block):
    def __init__(self, below, width, skip, widths):
        super().__init__(skip + width, widths)
        self.up = nn.ConvTranspose3d(below, width, 2, 2, bias=False)

    def forward(self, x, skip):
        return super().forward(torch.cat((skip, self.up(x)), 1))


def decoder(config):
    encoder, up, widths = config["encoder"], config["up"], config["decoder"]
    below = [*(w[1] for w in widths[1:]), encoder[-1][1]]
    return nn.ModuleList(UpBlock(below[i], up[i], encoder[i][1], widths[i]) for i in range(len(widths)))


def decode(levels, skips):
    x = skips[-1]
    for level in reversed(range(len(levels))):
        x = levels[level](x, skips[level])
    return x


class MapPath(nn.Module):
    def __init__(self, config, channels):
        super().__init__()
        self.decoder = decoder(config)
        self.head = nn.Conv3d(config["decoder"][0][1], channels, 1)

    def forward(self, skips):
        return self.head(decode(self.decoder, skips))


class ScorePath(nn.Sequential):
    def forward(self, skips):
        return super().forward(skips[-1].mean(dim=(2, 3, 4)))


class UNetRegression(nn.Module):
    def __init__(self, config):
        super().__init__()
        inputs = [config["inChannels"], *(w[1] for w in config["encoder"][:-1])]
        self.encoder = nn.ModuleList(Block(i, w) for i, w in zip(inputs, config["encoder"]))
        self.decoder = decoder(config)
        last = config["decoder"][0][1]
        self.heads = nn.ModuleDict({h["name"]: nn.Conv3d(last, h["channels"], 1) for h in config["heads"]})
        self.regression = nn.ModuleDict()
        for each in config["regressions"]:
            if each.get("perScan"):
                widths = [config["encoder"][-1][1], *config["hidden"], each["channels"]]
                layers = []
                for i in range(len(widths) - 1):
                    layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
                self.regression[each["name"]] = ScorePath(*layers[:-1])
            else:
                self.regression[each["name"]] = MapPath(config, each["channels"])

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool3d(x, 2))
            skips.append(x)
        x = decode(self.decoder, skips)
        outputs = {name: [head(x)] for name, head in self.heads.items()}
        for name, path in self.regression.items():
            outputs[name] = [path(skips)]
        return outputs


# Soft sharing ---------------------------------------------------------------------------------------------------


class PlainUNet(nn.Module):
    """The U-Net without its head."""

    def __init__(self, config):
        super().__init__()
        inputs = [config["inChannels"], *(w[1] for w in config["encoder"][:-1])]
        self.encoder = nn.ModuleList(Block(i, w) for i, w in zip(inputs, config["encoder"]))
        self.decoder = decoder(config)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool3d(x, 2))
            skips.append(x)
        return decode(self.decoder, skips)

    def shared(self):
        """All but the biases that the norms behind them cancel."""
        return [p for name, p in self.named_parameters() if not re.search(r"conv\d\.bias$", name)]


def trace_norm(a, b):
    """Of the matrix with rows a and b, its kink smoothed as the kernel documents (1e-3 of the squared lengths)."""
    aa, ab, bb = (a * a).sum(), (a * b).sum(), (b * b).sum()
    return torch.sqrt(aa + bb + torch.sqrt(4 * (aa * bb - ab * ab) + (2e-3 * (aa + bb)) ** 2))


class UNetSoft(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        last = config["decoder"][0][1]
        self.names = [head["name"] for head in config["heads"]]
        for name in self.names:
            self.add_module(name, PlainUNet(config))
        self.heads = nn.ModuleDict({h["name"]: nn.Conv3d(last, h["channels"], 1) for h in config["heads"]})

    def forward(self, x):
        return {name: [self.heads[name](getattr(self, name)(x))] for name in self.names}

    def penalties(self):
        distance = trace_norm if self.config["norm"] == "trace" else lambda a, b: ((a - b) ** 2).sum()
        nets = [getattr(self, name).shared() for name in self.names]
        pairs = [pair for i, one in enumerate(nets) for other in nets[i + 1:] for pair in zip(one, other)]
        return [(sum(distance(a, b) for a, b in pairs), self.config["weight"])]


# Sluice networks ------------------------------------------------------------------------------------------------


class Alpha(nn.Module):
    def __init__(self, rows, columns):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(rows, columns))


class UNetSluice(nn.Module):
    """Mixtures written out by subspace; the other half of the names is the soft network's."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.names = [head["name"] for head in config["heads"]]
        self.places = [f"encoder.{i}" for i in range(len(config["encoder"]))]
        self.places += [f"decoder.{i}" for i in range(len(config["decoder"]))]
        for name in self.names:
            self.add_module(name, PlainUNet(config))
        tree = lambda places: nn.ModuleList(
            nn.ModuleDict({name: Alpha(2, 2 * len(self.names)) for name in self.names}) for _ in places)
        self.sluice = nn.ModuleDict({"encoder": tree(config["encoder"]), "decoder": tree(config["decoder"])})
        self.heads = nn.ModuleDict()
        for head in config["heads"]:
            levels = nn.ModuleList(nn.Conv3d(widths[1], head["channels"], 1) for widths in config["decoder"])
            if len(levels) > 1:
                levels.register_parameter("beta", nn.Parameter(torch.zeros(1, len(levels))))
            self.heads[head["name"]] = levels

    def mix(self, half, level, blocks):
        mixed = []
        for t, name in enumerate(self.names):
            order = [blocks[t], *(b for i, b in enumerate(blocks) if i != t)]
            subspaces = [part for b in order for part in b.chunk(2, dim=1)]
            alpha = self.sluice[half][level][name].alpha
            mixed.append(torch.cat([sum(a * s for a, s in zip(row, subspaces)) for row in alpha], 1))
        return mixed

    def forward(self, x):
        nets = [getattr(self, name) for name in self.names]
        xs, skips, levels = [x] * len(nets), [], [[] for _ in nets]
        for level in range(len(self.config["encoder"])):
            blocks = [net.encoder[level](x if level == 0 else F.max_pool3d(x, 2)) for net, x in zip(nets, xs)]
            xs = self.mix("encoder", level, blocks)
            skips.append(xs)
        for level in reversed(range(len(self.config["decoder"]))):
            blocks = [net.decoder[level](x, skip) for net, x, skip in zip(nets, xs, skips[level])]
            xs = self.mix("decoder", level, blocks)
            for own, x in zip(levels, xs):
                own.insert(0, x)
        outputs = {}
        for name, own in zip(self.names, levels):
            heads = self.heads[name]
            logits = [head(x) for head, x in zip(heads, own)]
            logits = [y if i == 0 else F.interpolate(y, scale_factor=2**i, mode="trilinear", align_corners=False)
                      for i, y in enumerate(logits)]
            betas = heads.beta[0] if len(heads) > 1 else [1]
            outputs[name] = [sum(b * y for b, y in zip(betas, logits))]
        return outputs

    def penalties(self):
        total = 0
        for name in self.names:
            net = getattr(self, name)
            for block in [*net.encoder, *net.decoder]:
                a, b = block.conv2.weight.flatten(1).chunk(2)
                total = total + ((a @ b.T) ** 2).sum()
        return [(total, self.config["weight"])]


# Cases ----------------------------------------------------------------------------------------------------------

KINDS = {"nnunet": NnUNet, "meshnet": MeshNet, "unet-regression": UNetRegression, "unet-soft": UNetSoft,
         "unet-sluice": UNetSluice}
LABELS = [{"name": "labels", "channels": 3}]
DICE = {"labels": ("dice-ce", 1.0)}
CASES = [
    ("plain, thick slices", "nnunet", (2, 4, 16, 16), DICE, {
        "inChannels": 2, "encoder": "plain", "features": [3, 4, 6], "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]], "blocks": [2, 1, 2], "decoderBlocks": [1, 2],
        "heads": LABELS, "deepSupervision": True}),
    ("residual", "nnunet", (1, 8, 8, 16), DICE, {
        "inChannels": 1, "encoder": "residual", "features": [3, 4, 4], "kernels": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "blocks": [1, 2, 1], "decoderBlocks": [1, 1],
        "heads": LABELS, "deepSupervision": True}),
    ("batch norm, ReLU", "meshnet", (2, 6, 8, 8), DICE, {
        "inChannels": 2, "channels": [4, 3, 4], "dilations": [1, 2, 4], "batchNorm": True, "activation": "relu",
        "dropout": 0, "heads": LABELS}),
    ("batch norm, ELU", "meshnet", (1, 6, 6, 6), DICE, {
        "inChannels": 1, "channels": [3, 3], "dilations": [2, 1], "batchNorm": True, "activation": "elu",
        "dropout": 0, "heads": LABELS}),
    ("folded, GELU", "meshnet", (1, 6, 6, 7), DICE, {
        "inChannels": 1, "channels": [3, 4], "dilations": [1, 3], "batchNorm": False, "activation": "gelu",
        "dropout": 0, "heads": LABELS}),
    ("a score and a map", "unet-regression", (1, 8, 8, 8),
     {"labels": ("dice-ce", 1.0), "score": ("mse", 0.5), "distance": ("mse", 0.25)}, {
        "inChannels": 1, "encoder": [[2, 3], [4, 4]], "up": [3], "decoder": [[3, 2]], "heads": LABELS,
        "regressions": [{"name": "score", "channels": 2, "perScan": True}, {"name": "distance", "channels": 1}],
        "hidden": [5]}),
    ("squared distances of three", "unet-soft", (1, 4, 8, 8),
     {"labels": ("dice-ce", 1.0), "distance": ("mse", 0.5), "other": ("mse", 0.25)}, {
        "inChannels": 1, "encoder": [[2, 3], [4, 4]], "up": [3], "decoder": [[3, 2]],
        "heads": [*LABELS, {"name": "distance", "channels": 1}, {"name": "other", "channels": 1}],
        "norm": "l2", "weight": 0.02}),
    ("trace norm", "unet-soft", (2, 4, 8, 8), {"labels": ("dice-ce", 1.0), "distance": ("mse", 0.5)}, {
        "inChannels": 2, "encoder": [[3, 4], [4, 5]], "up": [3], "decoder": [[4, 4]],
        "heads": [*LABELS, {"name": "distance", "channels": 1}], "norm": "trace", "weight": 0.01}),
    ("two tasks", "unet-sluice", (1, 8, 8, 8), {"labels": ("dice-ce", 1.0), "distance": ("mse", 0.5)}, {
        "inChannels": 1, "encoder": [[2, 4], [4, 4], [3, 6]], "up": [3, 4], "decoder": [[4, 2], [3, 4]],
        "heads": [*LABELS, {"name": "distance", "channels": 1}], "weight": 0.01}),
    ("three tasks", "unet-sluice", (2, 4, 4, 8),
     {"labels": ("dice-ce", 1.0), "distance": ("mse", 0.5), "other": ("mse", 0.25)}, {
        "inChannels": 2, "encoder": [[3, 4], [4, 6]], "up": [3], "decoder": [[4, 4]],
        "heads": [*LABELS, {"name": "distance", "channels": 1}, {"name": "other", "channels": 1}], "weight": 0.02}),
]


def initialise(net, golden):
    """Weights as He et al.; scales, shifts, biases and running statistics off their usual 0 and 1, so that they count."""
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.dim() > 1:
            tensor.copy_(golden.normal(*tensor.shape, scale=(2 / tensor[0].numel()) ** 0.5))
        elif name.endswith("running_var"):
            tensor.copy_(golden.uniform(*tensor.shape) + 0.5)
        else:
            tensor.copy_(golden.normal(*tensor.shape, scale=0.1, shift=1.0 if name.endswith("weight") else 0.0))


def loss_of(kind, outputs, target):
    """Over all resolutions with weights 1, 1/2, 1/4, …, normalised; coarser targets are every stride-th voxel."""
    weights = [0.5**i for i in range(len(outputs))]
    total = 0
    for weight, output in zip(weights, outputs):
        at = target
        if output.dim() == 5:
            z, y, x = (t // o for t, o in zip(target.shape[2:], output.shape[2:]))
            at = target[:, :, ::z, ::y, ::x]
        value = F.mse_loss(output, at) if kind == "mse" else overlap_loss(output, at, "softmax", kind)
        total = total + weight / sum(weights) * value
    return total


def state_of(net):
    return {name: t.clone() for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}


def make_case(golden, name, kind, shape, objectives, config):
    net = KINDS[kind](config)
    initialise(net, golden)
    volume = shape[1:]
    tensors = {"input": golden.normal(2, *shape)}
    labels = torch.softmax(golden.normal(2, 3, *volume, scale=3.0), dim=1)[:, 1:].float().double()
    targets = {"labels": labels, "score": golden.normal(2, 2), "distance": golden.normal(2, 1, *volume)}
    if "other" in objectives:
        targets["other"] = golden.normal(2, 1, *volume)
    for head in objectives:
        tensors[f"target/{head}"] = targets[head]
    tensors.update({f"before/{k}": v for k, v in state_of(net).items()})
    net.eval()
    with torch.no_grad():
        for head, outputs in net(tensors["input"]).items():
            tensors[f"evaluation/{head}"] = outputs[0]
    net.train()
    adam = torch.optim.Adam(net.parameters(), lr=LR)
    losses = []
    for step in range(STEPS):
        adam.zero_grad()
        outputs = net(tensors["input"])
        heads = {h: loss_of(loss, outputs[h], targets[h]) for h, (loss, _) in objectives.items()}
        penalties = net.penalties() if hasattr(net, "penalties") else []
        terms = [(heads[h], weight) for h, (_, weight) in objectives.items()] + penalties
        sum(weight * value for value, weight in terms).backward()
        if step == 0:
            tensors.update({f"grad/{k}": p.grad.clone() for k, p in net.named_parameters()})
        adam.step()
        losses.append(torch.stack([value.detach() for value, _ in terms]))
    tensors["losses"] = torch.stack(losses)
    tensors.update({f"after/{k}": v for k, v in state_of(net).items()})
    golden.case(f"{kind}: {name}", tensors, network={"kind": kind, "config": config}, lr=LR,
                objectives=[{"head": h, "loss": loss, "weight": weight} for h, (loss, weight) in objectives.items()])


if __name__ == "__main__":
    networks = Golden("networks")
    for case in CASES:
        make_case(networks, *case)
    networks.write()
