"""What the arithmetic gives: precision, layout, compilation, int8; how near the device's limit.

Ratios are to single precision in torch's usual layout; deviations are of the surface brightness.
"""

import time
import warnings

import numpy as np
import torch
from mock_files import make_images
from torch.utils.flop_counter import FlopCounterMode

from pix2prof.gru import gru_step
from pix2prof.model import Pix2Prof
from pix2prof.predict import load, predict_images
from pix2prof.predictions import predict_files

STEPS = 100
BATCHES = {"cuda": (32, 128, 512, 1024), "cpu": (8, 32)}
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
    """Yield (part, arithmetic, images a second, ratio, median and largest deviation [mag])."""
    yield from _encoder(options.batch, options.compile)
    yield from _decoder(options.batch, options.compile)
    yield from _whole(options.batch, scratch)


def _table(part, ways):
    """Rows of ways, as (name, function of no arguments); one that cannot be done says why."""
    first = None
    for name, n, function in ways:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rate = n / seconds_of(function)
        except Exception as error:  # a missing compiler makes torch raise almost anything
            words = f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:60]}"
            yield part, words, "fails", "", "", ""
            continue
        first = first or rate
        yield part, name, rate, rate / first, "", ""


@torch.no_grad()
def _encoder(batch, compile):
    torch.manual_seed(0)
    encoder = Pix2Prof().encoder.eval()
    images = torch.rand(batch, 1, 256, 256)
    compiled = torch.compile(encoder)

    def way(function, dtype, layout):
        def run():
            with torch.no_grad():
                encoder.to(memory_format=layout)
                function(images.contiguous(memory_format=layout), dtype)

        return run

    single, half = torch.float32, torch.bfloat16
    ways = [
        ("float32", batch, way(encoder, single, PLAIN)),
        ("float32, channels_last", batch, way(encoder, single, LAST)),
        ("bfloat16", batch, way(encoder, half, PLAIN)),
        ("bfloat16, channels_last", batch, way(encoder, half, LAST)),
    ]
    if compile:
        ways += [
            ("float32, channels_last, compiled", batch, way(compiled, single, LAST)),
            ("bfloat16, channels_last, compiled", batch, way(compiled, half, LAST)),
        ]
    yield from _table(f"encoder, {batch} images of 256 px", ways)


def _decoder(batch, compile):
    torch.manual_seed(0)
    decoder = Pix2Prof().decoder.eval()
    z = torch.randn(batch, 512)
    flat = [w.detach() for w in decoder.weights(z)]
    layers = [flat[i : i + 4] for i in range(0, len(flat), 4)]
    compiled = torch.compile(gru_step)

    def generate(dtype):
        return lambda: decoder.generate(z, STEPS, STEPS, -1.0, dtype)

    def compiled_steps():
        states, x = [z] * len(layers), torch.zeros(batch, 1)
        with torch.no_grad():
            for _ in range(STEPS):
                for i, layer in enumerate(layers):
                    x = states[i] = compiled(x, states[i], layer)[0]
                x = decoder.dense(x.relu())

    def in_int8():
        kinds = {torch.nn.GRUCell, torch.nn.Linear}
        low = torch.ao.quantization.quantize_dynamic(decoder, kinds, torch.qint8)
        states, x = [z] * len(layers), torch.zeros(batch, 1)
        with torch.no_grad():
            for _ in range(STEPS):
                for i, cell in enumerate(low.cells):
                    x = states[i] = cell(x, states[i])
                x = low.dense(x.relu())

    ways = [
        ("float32", batch, generate(torch.float32)),
        ("bfloat16", batch, generate(torch.bfloat16)),
        ("int8 weights (dynamic quantisation)", batch, in_int8),
    ]
    if compile:
        ways.append(("float32, compiled step", batch, compiled_steps))
    yield from _table(f"decoder, {STEPS} outputs of {batch}", ways)


def _whole(batch, scratch):
    make_images(scratch / "images", min(batch, 24))
    paths = sorted((scratch / "images").rglob("*.fits"))
    for name in ("paper", "pix2prof"):
        model = load(name)
        images = np.stack([p.stamp.data for p in predict_files(paths, model)])
        exact = rate = None
        for precision in ("float32", "bf16"):
            found = []

            def run(precision=precision, found=found, model=model, images=images):
                found[:] = [predict_images(images, model, precision=precision)]

            now = len(images) / seconds_of(run)
            exact, rate = (found[0], now) if exact is None else (exact, rate)
            apart = np.abs(found[0] - exact)
            apart = apart[np.isfinite(apart)]
            part = f"released {name!r}, whole prediction"
            yield part, precision, now, now / rate, np.median(apart), apart.max()


def device(options, scratch):
    """Yield (device, network, best batch, images a second, GFLOP an image, share of bf16 rate)."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    peak = matmul_rate(kind)
    title = torch.cuda.get_device_name() if kind == "cuda" else "processor"
    yield title, "matrix product", 0, "", "", f"{peak / 1e12:.3g} TFLOP/s"
    for name in ("paper", "pix2prof"):
        model, best = load(name, kind), (0.0, 0)
        images = np.concatenate([_blob()] * max(BATCHES[kind]))
        flops = _flops(model, images[:2])
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


def _flops(model, images):
    with FlopCounterMode(display=False) as counted:
        _predict(images, model)
    return counted.get_total_flops() / len(images)


def matmul_rate(kind):
    """Floating-point operations a second of a bf16 matrix product on a device."""
    side = 8192 if kind == "cuda" else 2048
    one, other = (torch.randn(side, side, device=kind, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: one @ other, kind)


ARITHMETIC = (
    "Arithmetic, and what it costs in accuracy",
    ("part", "arithmetic", "images/s", "ratio", "median [mag]", "largest [mag]"),
    arithmetic,
)
DEVICE = (
    "Against the device's bf16 rate",
    ("device", "network", "batch", "images/s", "GFLOP/image", "of the bf16 rate"),
    device,
)
