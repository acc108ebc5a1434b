"""What the arithmetic gives: precision, layout, compilation, int8; how near the device's limit.

Ratios are to the first row of each part: single precision in torch's usual layout.
"""

import copy
import time
import warnings
from functools import partial
from unittest import mock

import numpy as np
import torch
from mock_files import make_images
from torch import nn
from torch.ao.quantization import get_default_qconfig_mapping, quantize_dynamic
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.utils.flop_counter import FlopCounterMode

from pix2prof.model import packing
from pix2prof.model.packing import pack_encoder
from pix2prof.model.resnet import binned
from pix2prof.predict.arrays import load, predict_images
from pix2prof.predict.files import predict_files

STEPS = 100
BATCHES = {"cuda": (32, 128, 512, 1024), "cpu": (8, 32)}
SINGLE, HALF = torch.float32, torch.bfloat16
LAST, PLAIN = torch.channels_last, torch.contiguous_format


def seconds_of(function, device="cpu", least=3, long=1.0):
    """Seconds a call, the quickest of `least` calls at least and of `long` seconds."""
    function()
    times = []
    while len(times) < least or sum(times) < long:
        start = time.perf_counter()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def arithmetic(options, scratch):
    """Yield (part, arithmetic, images a second, ratio, deviation) on the released networks.

    Deviations from the first row of a part: of latent vectors and outputs the root mean square
    relative to their scatter, of profiles the median and the largest.
    """
    make_images(scratch, min(options.batch, 24))
    paths = sorted(scratch.rglob("*.fits"))
    model = load("paper")
    images = np.stack([p.stamp.data for p in predict_files(paths, model)])
    network, cut = model.network, model.normalisation.normalise(images).astype(np.float32)
    inputs = binned(torch.from_numpy(cut)[:, None], network.binning)
    with torch.no_grad():
        z = network.encoder(inputs)
    part = f"encoder, {len(cut)} images of {inputs.shape[-1]} px"
    yield from _table(part, _encoders(network.encoder, inputs, options.compile))
    part = f"decoder, {STEPS} outputs of {len(cut)}"
    yield from _table(part, _decoders(network.decoder, z, options.compile))
    for name in ("paper", "pix2prof"):
        yield from _whole(name, paths)


@torch.no_grad()
def _table(part, ways):
    """Rows of ways, as {name: maker of a function}; one that cannot be done says why."""
    first = exact = None
    for name, make in ways.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                function = make()
                found = function()
                rate = len(found) / seconds_of(function)
        except Exception as error:  # a missing compiler makes torch raise almost anything
            words = f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:60]}"
            yield part, words, "fails", "", ""
            continue
        if exact is None:
            exact, first = found, rate
        apart = (found - exact).square().mean().sqrt() / (
            exact - exact.mean(0)
        ).square().mean().sqrt()
        yield part, name, rate, rate / first, f"{apart:.2%}"


def _encoders(encoder, images, compile):
    """Ways to encode: a copy in each layout."""
    copies = {layout: copy.deepcopy(encoder).to(memory_format=layout) for layout in (PLAIN, LAST)}

    def plainly(dtype, layout, compiled=False):
        def make():
            function = torch.compile(copies[layout]) if compiled else copies[layout]
            given = images.contiguous(memory_format=layout)
            return lambda: function(given, dtype)

        return make

    def as_used(dtype):
        return lambda: partial(pack_encoder(encoder, dtype), images)

    def in_int8():
        modules = encoder.stem, encoder.pool, encoder.blocks, nn.AdaptiveAvgPool2d(1)
        whole = nn.Sequential(*copy.deepcopy(modules), nn.Flatten(), encoder.dense).eval()
        torch.backends.quantized.engine = "onednn"
        observed = prepare_fx(whole, get_default_qconfig_mapping("onednn"), (images,))
        observed(images)
        return partial(convert_fx(observed), images)

    ways = {
        "float32": plainly(SINGLE, PLAIN),
        "float32, channels_last": plainly(SINGLE, LAST),
        "float32, folded and packed (used)": as_used(SINGLE),
        "bfloat16": plainly(HALF, PLAIN),
        "bfloat16, channels_last": plainly(HALF, LAST),
        "bfloat16, folded and packed (used)": as_used(HALF),
        "int8 (static, calibrated on these)": in_int8,
    }
    if compile:
        ways["float32, channels_last, compiled"] = plainly(SINGLE, LAST, True)
        ways["bfloat16, channels_last, compiled"] = plainly(HALF, LAST, True)
    return ways


def _decoders(decoder, z, compile):
    """Ways to make `STEPS` outputs."""

    def one_step(x, h, cell):
        return cell(x, h)

    def a_cell_at_a_time(of, step=one_step):
        def generate():
            states, x, outputs = [z] * len(of.cells), torch.zeros(len(z), 1), []
            for _ in range(STEPS):
                for i, cell in enumerate(of.cells):
                    x = states[i] = (step or cell)(x, states[i], *((step and [cell]) or []))
                x = of.dense(x.relu())
                outputs.append(x)
            return torch.cat(outputs, 1)

        return generate

    def compiled():
        return a_cell_at_a_time(decoder, torch.compile(one_step))

    def in_int8():
        kinds = {nn.GRUCell, nn.Linear}
        return a_cell_at_a_time(quantize_dynamic(decoder, kinds, torch.qint8))

    def as_used(dtype):
        return lambda: lambda: decoder.generate(z, STEPS, STEPS, -1.0, dtype)[0]

    ways = {
        "float32, a cell at a time": lambda: a_cell_at_a_time(decoder),
        "float32, packed (used)": as_used(SINGLE),
        "bfloat16, packed (used)": as_used(HALF),
        "int8 weights (dynamic)": in_int8,
    }
    return ways | ({"float32, compiled": compiled} if compile else {})


def _whole(name, paths):
    model = load(name)
    images = np.stack([p.stamp.data for p in predict_files(paths, model)])
    exact = first = None
    for precision in ("float32", "bf16"):
        function = partial(predict_images, images, model, precision=precision)
        found, rate = function(), len(images) / seconds_of(function)
        exact, first = (found, rate) if exact is None else (exact, first)
        apart = np.abs(found - exact)
        words = f"{np.nanmedian(apart):.2g}, {np.nanmax(apart):.2g} mag"
        part = f"released {name!r}, whole prediction of {len(images)}"
        yield part, precision, rate, rate / first, words


def device(options, scratch):
    """Yield (device, network, best batch, images a second, GFLOP an image, share of bf16 rate)."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    peak = matmul_rate(kind)
    title = torch.cuda.get_device_name() if kind == "cuda" else "processor"
    yield title, "matrix product", 0, "", "", f"{peak / 1e12:.3g} TFLOP/s"
    for name in ("paper", "pix2prof"):
        model, best = load(name, kind), (0.0, 0)
        images = np.concatenate([_blob()] * max(BATCHES[kind]))
        flops = _flops(name, kind, images[:2])
        for batch in BATCHES[kind]:
            part = images[:batch]
            try:
                seconds = seconds_of(lambda p=part, m=model: _predict(p, m), kind)
            except torch.OutOfMemoryError:
                break
            best = max(best, (batch / seconds, batch))
        rate, batch = best
        yield title, name, batch, rate, flops / 1e9, f"{flops * rate / peak:.1%}"


def _predict(images, model):
    return predict_images(images, model, batch_size=len(images), precision="bf16")


def _blob():
    y, x = np.indices((256, 256)) - 127.5
    noise = np.random.default_rng(0).normal(0, 0.02, x.shape)
    return (3 * np.exp(-np.hypot(x, y) / 20) + noise)[None].astype(np.float32)


def _flops(name, kind, images):
    """Operations of one image, of a copy in operations that torch can count."""
    with mock.patch.object(packing, "_has_kernels", lambda weight: False):
        with FlopCounterMode(display=False) as counted:
            _predict(images, load(name, kind))
    return counted.get_total_flops() / len(images)


def matmul_rate(kind):
    """Floating-point operations a second of a bf16 matrix product on a device."""
    side = 8192 if kind == "cuda" else 2048
    one, other = (torch.randn(side, side, device=kind, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: one @ other, kind)


ARITHMETIC = (
    "Arithmetic, and what it costs in accuracy",
    ("part", "arithmetic", "images/s", "ratio", "deviation"),
    arithmetic,
)
DEVICE = (
    "Against the device's bf16 rate",
    ("device", "network", "batch", "images/s", "GFLOP/image", "of the bf16 rate"),
    device,
)
