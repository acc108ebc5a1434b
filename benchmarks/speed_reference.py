"""FITS in, tables out: the package's ways over the paper's own, and that they say the same."""

import io
import time
from dataclasses import asdict, replace

import numpy as np
import papers_way
import torch
from astropy.io import fits
from mock_files import link_images, make_images

from pix2prof.config import ModelConfig
from pix2prof.dataset.crops import centre_crop
from pix2prof.many.runner import predict_task, run_many
from pix2prof.model.paper import Pix2Prof
from pix2prof.model.precision import choose_dtype
from pix2prof.networks import build_model, save_model
from pix2prof.predict.arrays import load, predict_images

CROP = 256
LENGTHS = (400, 1024)
WARM = 4
PARITY = 1e-3


def paper_network(stem, outputs):
    """The paper's network at its own settings, that makes so many outputs of 0.2 arcsec.

    Its weights are the released ones, of another step, so that its profiles fall as those of
    galaxies do; the small stem's own are random.
    """
    released = load("paper").network
    torch.manual_seed(0)
    own = {"stem": stem, "step": 0.2, "binning": 1, "max_sma": 0.2 * outputs, "halt_std": -1.0}
    network, weights = Pix2Prof(**released.kwargs | own), released.state_dict()
    if stem != released.kwargs["stem"]:
        del weights["encoder.stem.0.weight"]
    network.load_state_dict(weights, strict=False)
    return network.to(memory_format=torch.channels_last).eval()


def parallel_network():
    """A network with all radii at once, `model.decoder: transformer`, over the released encoder.

    Its decoder has not learnt anything, which does not change how long it takes.
    """
    released = load("paper").network
    same = {name: released.kwargs[name] for name in ("step", "binning")}
    of_model, nodes = ModelConfig(decoder="transformer", **same), released.nodes
    network = build_model(of_model, nodes.mu_mean, nodes.mu_std, seed=0)
    network.encoder.load_state_dict(released.encoder.state_dict())
    return network


def saved(network, where):
    """Save a network that takes images as the released one does, and give the folder."""
    normalisation = asdict(load("paper").normalisation)
    save_model(network, where, normalisation=normalisation, crop=CROP)
    return where


def papers_rate(model, paths, scratch):
    """Do it the paper's way: images a second, after one that does not count, and the parity.

    The latter is the largest deviation from the same weights in one batch [mag].

    Raises
    ------
    AssertionError
        If that is above `PARITY`, or a profile ends elsewhere.
    """
    plain, out = papers_way.plainly(model.network), scratch / "slow.txt"
    papers_way.predict(paths[0], plain, model.normalisation, CROP, out)
    start, profiles = time.perf_counter(), []
    for path in paths:
        papers_way.predict(path, plain, model.normalisation, CROP, out)
        profiles.append(np.loadtxt(out, ndmin=2)[:, 1])
    rate = len(paths) / (time.perf_counter() - start)
    images = np.stack([centre_crop(fits.getdata(path).astype("f4"), CROP) for path in paths])
    apart = 0.0
    for row, mu in zip(predict_images(images, model), profiles, strict=True):
        assert np.isfinite(row).sum() == len(mu), "a profile ends elsewhere"
        apart = max(apart, np.abs(row[: len(mu)] - mu).max())
    assert apart < PARITY, f"{apart} mag from the paper's own way"
    return rate, apart


def files_rate(task, folders, scratch):
    """Images a second of files into Parquet, in this process, which has done a few before."""
    for name, folder in folders.items():
        start = time.perf_counter()
        done = run_many(task, [folder], scratch / f"out-{name}", stream=io.StringIO())
        seconds = time.perf_counter() - start
    for out in scratch.glob("out-*"):
        out.rename(scratch / f"done-{time.monotonic_ns()}")
    return done.rows / seconds


def reference(options, scratch):
    """Yield (way, outputs, images done, a second, ratio of equal length, parity [mag])."""
    folders = {"few": scratch / "few", "all": scratch / "all"}
    make_images(folders["few"], min(options.images, 24))
    link_images(folders["few"], folders["all"], options.images)
    link_images(folders["few"], scratch / "warm", WARM)
    paths = sorted(folders["few"].rglob("*.fits"))[: options.slow]
    folders["few"] = scratch / "warm"
    slow = {}
    for outputs in LENGTHS:
        model = replace(load("paper"), network=paper_network("small", outputs))
        slow[outputs], apart = papers_rate(model, paths, scratch)
        yield "the paper's own way", str(outputs), len(paths), slow[outputs], 1.0, apart
    released, apart = papers_rate(load("paper"), paths, scratch)
    ratios = " / ".join(f"{released / rate:.3g}" for rate in slow.values())
    both = " / ".join(map(str, LENGTHS))
    yield "the same on the released weights", "till it halts", len(paths), released, ratios, apart
    for outputs in LENGTHS:
        where = saved(paper_network("standard", outputs), scratch / f"paper-{outputs}")
        for precision in _precisions():
            rate = files_rate(predict_task(where, precision=precision), folders, scratch)
            name = f"standard stem, batched, {precision}"
            yield name, str(outputs), options.images, rate, rate / slow[outputs], ""
    named = (
        ("paper", "released 'paper'"),
        ("pix2prof", "released 'pix2prof'"),
        (saved(parallel_network(), scratch / "transformer"), "transformer, untrained"),
    )
    for model, name in named:
        for precision in _precisions():
            rate = files_rate(predict_task(model, precision=precision), folders, scratch)
            ratios = " / ".join(f"{rate / one:.3g}" for one in slow.values())
            yield f"{name}, {precision}", both, options.images, rate, ratios, ""


def _precisions():
    """Single precision, and what the processor is good at where that is another."""
    return ["float32"] + ["bf16"] * (choose_dtype("auto") == torch.bfloat16)


REFERENCE = (
    "FITS in, tables out, over the paper's own way (small stem, batch of one, 0.2 arcsec a step); "
    "of the released networks, over that of 400 / of 1024 outputs",
    ("way", "outputs", "images", "images/s", "ratio", "parity [mag]"),
    reference,
)
