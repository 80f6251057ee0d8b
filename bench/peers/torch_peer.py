"""PyTorch on the processor with two threads: 3D convolutions, forward and both gradients."""
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


def median_ms(run, seconds=2.0, least=3):
    run()
    times = []
    until = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def prepare(kernel, shape):
    match = re.fullmatch(r"([\d+]+)->(\d+)@(?:(\d+)x)?(\d+)x(\d+)x(\d+)", shape)
    if not match or kernel.split("/")[0] not in ("conv3d", "conv-transpose3d"):
        return None
    channels = sum(int(n) for n in match[1].split("+"))
    to, samples = int(match[2]), int(match[3] or 1)
    extents = [int(n) for n in match.groups()[3:]]
    x = torch.rand(samples, channels, *extents) - 0.5
    if kernel.startswith("conv3d"):
        w = torch.rand(to, channels, 3, 3, 3) - 0.5
        arguments = (None, [1] * 3, [1] * 3, [1] * 3, False, [0] * 3, 1)
    else:
        w = torch.rand(channels, to, 2, 2, 2) - 0.5
        arguments = (None, [2] * 3, [0] * 3, [1] * 3, True, [0] * 3, 1)
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
            row.update({"skip": "not compared"} if run is None else {"ms": median_ms(run)})
        except Exception as error:  # a peer's failure is told, not ours to mend
            row["skip"] = str(error).splitlines()[0]
        print(json.dumps(row), flush=True)
