"""PyTorch on the processor with two threads: 3D convolutions, forward and both gradients; a U-Net, forward and a step."""
import json
import re
import statistics
import sys
import time

try:
    import torch
except ImportError as error:
    print(json.dumps({"skip": f"not installed: {error}"}))
    sys.exit(0)

torch.set_num_threads(2)
torch.manual_seed(1)


def timed(run, seconds=2.0, least=3):
    run()
    times = []
    until = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return {"ms": statistics.median(times), "bestMs": min(times)}


def block(channels, to):
    layers = []
    for before in (channels, to):
        layers += [torch.nn.Conv3d(before, to, 3, padding=1), torch.nn.BatchNorm3d(to), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


class UNet(torch.nn.Module):
    """Two convolutions with batch norm and ReLU a level, transposed convolutions without bias, as src/nn/unet3d.ts."""

    def __init__(self, channels, base, levels):
        super().__init__()
        widths = [base * 2**level for level in range(levels)]
        self.encoder = torch.nn.ModuleList(block(a, b) for a, b in zip([channels] + widths, widths))
        self.up = torch.nn.ModuleList(
            torch.nn.ConvTranspose3d(b, a, 2, 2, bias=False) for a, b in zip(widths, widths[1:])
        )
        self.decoder = torch.nn.ModuleList(block(2 * width, width) for width in widths[:-1])
        self.head = torch.nn.Conv3d(base, 2, 1)

    def forward(self, x):
        skips = []
        for level, encode in enumerate(self.encoder):
            x = encode(torch.nn.functional.max_pool3d(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(len(self.decoder))):
            x = self.decoder[level](torch.cat([skips[level], self.up[level](x)], 1))
        return self.head(x)


def prepare_network(kernel, shape):
    match = re.fullmatch(r"(\d+)->2@(\d+)x(\d+)x(\d+)x(\d+), base (\d+), (\d+) levels", shape)
    if not match:
        return None
    channels, samples, *extents, base, levels = (int(n) for n in match.groups())
    net = UNet(channels, base, levels)
    x = torch.randn(samples, channels, *extents)
    if kernel == "network/forward":
        net.eval()
        return lambda: torch.softmax(net(x), 1)
    target = (torch.rand(samples, *extents) < 0.02).long()
    adam = torch.optim.Adam(net.parameters(), 5e-4)

    def step():
        with torch.enable_grad():
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(x), target).backward()
            adam.step()

    return step


def axes(text, default):
    """`2` or `1x2x2` as three numbers."""
    numbers = [int(n) for n in text.split("x")] if text else [default]
    return numbers if len(numbers) == 3 else numbers * 3


def prepare(kernel, shape):
    if kernel in ("network/forward", "network/step"):
        return prepare_network(kernel, shape)
    match = re.fullmatch(
        r"([\d+]+)->(\d+)@(?:(\d+)x)?(\d+)x(\d+)x(\d+)(?: k([\dx]+))?(?: s([\dx]+))?(?: d([\dx]+))?", shape)
    if not match or kernel.split("/")[0] not in ("conv3d", "conv-transpose3d"):
        return None
    channels = sum(int(n) for n in match[1].split("+"))
    to, samples = int(match[2]), int(match[3] or 1)
    extents = [int(n) for n in match.groups()[3:6]]
    x = torch.rand(samples, channels, *extents) - 0.5
    if kernel.startswith("conv3d"):
        taps, stride, dilation = axes(match[7], 3), axes(match[8], 1), axes(match[9], 1)
        padding = [d * (k - 1) // 2 for d, k in zip(dilation, taps)]
        w = torch.rand(to, channels, *taps) - 0.5
        arguments = (None, stride, padding, dilation, False, [0] * 3, 1)
    else:
        stride = axes(match[8], 2)
        w = torch.rand(channels, to, *stride) - 0.5
        arguments = (None, stride, [0] * 3, [1] * 3, True, [0] * 3, 1)
    forward = lambda: torch.ops.aten.convolution(x, w, *arguments)
    if kernel.endswith("/forward"):
        return forward
    g = torch.rand_like(forward()) - 0.5
    mask = [kernel.endswith("_input"), kernel.endswith("_weight"), False]
    return lambda: torch.ops.aten.convolution_backward(g, x, w, None, *arguments[1:], mask)


with torch.no_grad():
    for row in json.load(sys.stdin):
        try:
            run = prepare(row["kernel"], row["shape"])
            row.update({"skip": "not compared"} if run is None else timed(run))
        except Exception as error:  # a peer's failure is told, not ours to mend
            row["skip"] = str(error).splitlines()[0]
        print(json.dumps(row), flush=True)
