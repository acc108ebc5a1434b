"""Build the survey that the network learns from: simulated, or a user's own folder."""

import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from astropy.table import QTable

from pix2prof.children import end_with_parent
from pix2prof.cores import available_cores
from pix2prof.dataset.crops import centre_crop
from pix2prof.dataset.folder import read_folder
from pix2prof.dataset.normalisation import Normalisation, find_normalisation, save_normalisation
from pix2prof.dataset.stored import PROFILE_KEYS, assign_splits, load_survey
from pix2prof.isophotes import method as isophotes
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.profiles import MAX_STEPS, sma_grid
from pix2prof.sdss import BANDS, PROBES_BANDS

SHARD = 8
REPORT_EVERY = 5.0
MIN_STEPS = 40


def build_survey(config, folder, scratch, *, log=print):
    """Build a survey and put it in place whole.

    Finished shards wait in `scratch`, keyed by the parameters and the code that made them, so a
    build that was killed goes on where it was; `folder` appears only when it is complete.

    Parameters
    ----------
    config : pix2prof.config.DataConfig
        What to build.
    folder, scratch : path-like
        Where the survey goes, and where its shards wait.
    log : callable
        Takes each line of progress.

    Returns
    -------
    survey : pix2prof.dataset.stored.Survey

    Raises
    ------
    ValueError
        For a user's folder that does not hold what it should.
    """
    folder, scratch = Path(folder), Path(scratch)
    bands = PROBES_BANDS if config.source == "probes" else BANDS
    if config.source in ("folder", "probes"):
        size = config.crop + 2 * config.margin
        shards = read_folder(config.folder, config.n_galaxies, size, bands)
    else:
        shards = _simulate(config, scratch / _fingerprint(config), log)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _assemble(shards, config, partial, bands)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
    shutil.rmtree(scratch, ignore_errors=True)
    return load_survey(folder)


def measure_galaxies(galaxies, size):
    """Measure the expert and the truth of mock galaxies.

    The expert is the classical method on the noisy image, told the centre and which pixels
    belong to other sources; the truth is the same method on the noise-free, source-free image.

    Parameters
    ----------
    galaxies : list of pix2prof.mock.simulation.MockGalaxy
        G galaxies on fields of F x F px.
    size : int
        Side of the central cut-out that is kept [px].

    Returns
    -------
    shard : dict of numpy.ndarray
        ``images`` (G, 3, size, size), ``masks`` (G, size, size // 8) packed, `PROFILE_KEYS`
        (G, 3, 1024) and ``n_steps`` (G, 3), the expert's length in steps; 0 where a source
        that is not the galaxy hides its centre, since such an expert is no label.
    """
    n, bands = len(galaxies), len(BANDS)
    centre = torch.as_tensor(np.repeat([g.centre for g in galaxies], bands, axis=0))
    mask = np.repeat([g.mask for g in galaxies], bands, axis=0)
    images = np.concatenate([g.images for g in galaxies])
    truths = np.concatenate([g.truth for g in galaxies])
    expert = isophotes.measure(images, centre=centre, mask=mask)
    nothing = np.zeros((1, *truths.shape[1:]), dtype=bool)
    truth = isophotes.measure(truths, centre=centre, mask=nothing, sky=0.0)
    hidden = (expert.flags.numpy() & isophotes.Flag.CENTRE_MASKED) > 0
    length = np.where(hidden, 0, expert.n_valid.numpy())
    beyond = np.arange(MAX_STEPS) >= length[:, None]

    def keep(tensor, hidden=False):
        values = np.where(hidden, np.nan, tensor.numpy())
        return values.reshape(n, bands, MAX_STEPS).astype(np.float32)

    return {
        "images": centre_crop(images, size).reshape(n, bands, size, size).astype(np.float32),
        "masks": np.packbits(centre_crop(np.stack([g.mask for g in galaxies]), size), axis=-1),
        "n_steps": length.reshape(n, bands),
        "expert_mu": keep(expert.mu, beyond),
        "expert_mu_err": keep(expert.mu_err, beyond),
        "expert_ellipticity": keep(expert.ellipticity, beyond),
        "expert_pa": keep(expert.pa, beyond),
        "truth_mu": keep(truth.mu),
        "truth_ellipticity": keep(truth.ellipticity),
        "truth_pa": keep(truth.pa),
    }


def _simulate(config, scratch, log):
    """Yield shards of accepted galaxies, in the order of their index, until there are enough."""
    scratch.mkdir(parents=True, exist_ok=True)
    workers = int(os.environ.get("PIX2PROF_WORKERS", available_cores()))
    started, said, accepted = time.monotonic(), 0.0, 0
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=end_with_parent
    ) as pool:
        pending, submitted, fresh = {}, 0, 0
        for number in count():
            while len(pending) < 2 * workers:
                pending[submitted] = pool.submit(
                    _make_shard, asdict(config), submitted, str(scratch)
                )
                submitted += 1
            path, made = pending.pop(number).result()
            shard = _read_shard(path)
            taken = min(len(shard["n_steps"]), config.n_galaxies - accepted)
            accepted += taken
            fresh += taken if made else 0
            yield {key: value[:taken] for key, value in shard.items()}
            seconds = time.monotonic() - started
            if seconds > said + REPORT_EVERY or accepted == config.n_galaxies:
                said, left = seconds, (config.n_galaxies - accepted) * seconds / max(fresh, 1)
                log(f"{accepted}/{config.n_galaxies} galaxies, {seconds:.0f} s, {left:.0f} s left")
            if accepted == config.n_galaxies:
                for future in pending.values():
                    future.cancel()
                return


def _make_shard(config, number, scratch):
    """Make shard `number` unless it is there; return its path and whether it was made now."""
    torch.set_num_threads(1)
    path = Path(scratch) / f"shard-{number:05d}.npz"
    if path.is_file():
        return path, False
    galaxies = [
        mock_galaxy(
            config["seed"],
            index,
            field=config["field"],
            sky=config["sky"],
            frames=config["frames"],
            small_share=config["small_share"],
        )
        for index in range(number * SHARD, (number + 1) * SHARD)
    ]
    shard = measure_galaxies(galaxies, config["crop"] + 2 * config["margin"])
    usable = (shard.pop("n_steps") >= MIN_STEPS).all(axis=1)
    rows = [
        dict(index=number * SHARD + i, name=g.name, **g.parameters) for i, g in enumerate(galaxies)
    ]
    shard = {key: value[usable] for key, value in shard.items()}
    shard["rows"] = np.array(
        json.dumps([row for row, use in zip(rows, usable, strict=True) if use])
    )
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with open(partial, "wb") as stream:
        np.savez(stream, **shard)
    os.replace(partial, path)
    return path, True


def _read_shard(path):
    with np.load(path) as stored:
        shard = {key: stored[key] for key in stored.files}
    shard["rows"] = np.array(json.loads(str(shard["rows"])), dtype=object)
    shard["n_steps"] = np.isfinite(shard["expert_mu"]).sum(axis=-1)
    return shard


def _assemble(shards, config, folder, bands):
    """Write the shards as the files of one survey, one shard in memory at a time."""
    n, size = config.n_galaxies, config.crop + 2 * config.margin
    images = np.lib.format.open_memmap(
        folder / "images.npy", "w+", np.float32, (n, len(bands), size, size)
    )
    masks = np.lib.format.open_memmap(
        folder / "masks.npy", "w+", np.uint8, (n, size, -(-size // 8))
    )
    profiles = {
        key: np.full((n, len(bands), MAX_STEPS), np.nan, np.float32) for key in PROFILE_KEYS
    }
    rows = []
    for shard in shards:
        part = slice(len(rows), len(rows) + len(shard["rows"]))
        images[part] = shard["images"]
        masks[part] = shard["masks"]
        for key in PROFILE_KEYS:
            profiles[key][part] = shard[key]
        rows.extend(shard["rows"])
    catalogue = QTable(rows=rows)
    if bands != BANDS:
        catalogue.meta["bands"] = "".join(bands)
    catalogue["split"] = assign_splits(n, config.n_validation, config.n_test, config.seed)
    training = np.flatnonzero(catalogue["split"] == "train")
    images.flush()
    masks.flush()
    np.savez(folder / "profiles.npz", sma=sma_grid(), **profiles)
    catalogue.write(folder / "catalogue.ecsv")
    normalisation: Normalisation = find_normalisation((images[i] for i in training), config.crop)
    save_normalisation(normalisation, folder / "normalisation.json")


def _fingerprint(config):
    """Name a build by its parameters, less how many, and its code: what decides the bytes."""
    values = asdict(config)
    for name in ("n_galaxies", "n_validation", "n_test"):
        values.pop(name)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
