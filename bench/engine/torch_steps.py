"""Training steps of PyTorch on one thread, in turns that the bench asks for.

Arguments: folders, each with work.json (name, batch, rate, inputShape, tensors, targets) and work.bin (float32 weights, features, then
int32 labels or float32 targets). Says one JSON line with the versions, then answers each line "NAME STEPS" with {losses, times}.
"""

import json
import os
import sys
import time

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy
import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def mlp(p, x):
    return F.linear(F.relu(F.linear(x, p["hidden1.weight"], p["hidden1.bias"])), p["output.weight"], p["output.bias"])


def cnn(p, x):
    for i in ("1", "2"):
        x = F.max_pool2d(F.relu(F.conv2d(x, p[f"conv{i}.weight"], p[f"conv{i}.bias"], padding=1)), 2)
    return F.linear(x.flatten(1), p["output.weight"], p["output.bias"])


HEADS = 4


def gpt(p, x):
    batch, steps, width = x.shape
    own = lambda name: p[f"block.{name}"]
    h = F.layer_norm(x, (width,), own("norm1.weight"), own("norm1.bias"), 1e-5)
    qkv = F.linear(h, own("attention.in.weight"), own("attention.in.bias"))
    q, k, v = (part.view(batch, steps, HEADS, -1).transpose(1, 2) for part in qkv.split(width, 2))
    scores = q @ k.transpose(-2, -1) * (width // HEADS) ** -0.5
    scores = scores + MASK[:steps, :steps]
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, steps, width)
    x = x + F.linear(mixed, own("attention.out.weight"), own("attention.out.bias"))
    h = F.layer_norm(x, (width,), own("norm2.weight"), own("norm2.bias"), 1e-5)
    h = F.gelu(F.linear(h, own("up.weight"), own("up.bias")), approximate="tanh")
    return x + F.linear(h, own("down.weight"), own("down.bias"))


MASK = torch.full((64, 64), float("-inf")).triu(1)


def resnet(p, x):
    def conv(name, x, stride=1):
        weight = p[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)

    def norm(name, x):
        # Running statistics move too, as in any training step.
        mean, variance = STATES.setdefault(name, (torch.zeros(x.shape[1]), torch.ones(x.shape[1])))
        return F.batch_norm(x, mean, variance, p[f"{name}.weight"], p[f"{name}.bias"], training=True)

    x = F.relu(norm("stem.norm", conv("stem.conv", x)))
    for stage in range(1, 5):
        for block in (1, 2):
            name = f"stage{stage}.block{block}"
            stride = 2 if stage > 1 and block == 1 else 1
            h = F.relu(norm(f"{name}.norm1", conv(f"{name}.conv1", x, stride)))
            h = norm(f"{name}.norm2", conv(f"{name}.conv2", h))
            if f"{name}.shortcut.conv.weight" in p:
                x = norm(f"{name}.shortcut.norm", conv(f"{name}.shortcut.conv", x, stride))
            x = F.relu(h + x)
    return F.linear(x.mean((2, 3)), p["output.weight"], p["output.bias"])


STATES = {}
MODELS = {"mlp": mlp, "cnn": cnn, "gpt": gpt, "resnet": resnet}


def load(folder):
    with open(os.path.join(folder, "work.json")) as file:
        work = json.load(file)
    data = numpy.fromfile(os.path.join(folder, "work.bin"), numpy.float32)
    take = lambda start, shape: torch.from_numpy(data[start : start + int(numpy.prod(shape))].reshape(shape).copy())
    parameters = {t["name"]: take(t["offset"], t["shape"]).requires_grad_() for t in work["tensors"]}
    at = sum(t["size"] for t in work["tensors"])
    shape = [work["batch"], *work["inputShape"]]
    features = take(at, shape)
    rest = data[at + features.numel() :]
    wanted = torch.from_numpy(rest.reshape(shape).copy() if work["targets"] else rest.view(numpy.int32).astype(numpy.int64))
    return work, parameters, features, wanted


def step(work, parameters, features, wanted):
    output = MODELS[work["name"]](parameters, features)
    if work["targets"]:
        loss = ((output - wanted) ** 2).sum() / (output.numel() / work["batch"])
    else:
        loss = F.cross_entropy(output, wanted, reduction="sum")
    loss.backward()
    with torch.no_grad():
        for value in parameters.values():
            value.add_(value.grad, alpha=-work["rate"] / work["batch"])
            value.grad = None
    return loss.item()


works = {work[0]["name"]: work for work in map(load, sys.argv[1:])}
print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    name, steps = line.split()
    losses, times = [], []
    for _ in range(int(steps)):
        start = time.perf_counter()
        losses.append(step(*works[name]))
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps({"losses": losses, "times": times}), flush=True)
