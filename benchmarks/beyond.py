"""The isophote network beside the classical method, on the test set of a survey.

    python benchmarks/beyond.py [--model FOLDER] [--survey FOLDER] [--crop 256] [--split test]

All read the same crops. `automatic` is the classical method on the raw crop, `told` the same with
the true centre and mask. Deviations are medians along a profile [mag arcsec^-2], summed up over
profiles as median / 90th / 99th percentile / maximum.

Structural parameters are held against those of the true profiles, m_tot against the catalogue,
and those of fits against the same fit to the truth over the same radii.

Shares of the expert's values within the errors are given by fifth of the radius and by band, and
beyond the S/N cut those of the truth, with the standard error of those of all bands, galaxies
drawn anew.
"""

import argparse
import time

import numpy as np
import torch

from pix2prof import paths
from pix2prof.dataset.stored import SPLITS, Pairs, load_survey
from pix2prof.isophotes import method as isophotes
from pix2prof.photometry.parameters import PARAMETERS, structural_parameters
from pix2prof.predict.arrays import describe_images, load
from pix2prof.profiles import RowFlag, profile_table, sma_grid
from pix2prof.sdss import BANDS
from pix2prof.training.batches import AnnotatedBatches

BATCH = 32
PERCENTILES = (50, 90, 99, 100)
N_BINS = 5
FITTED = ("h", "mu_0", "n", "R_e", "mu_e")
KEPT = ("mu_err", "mu_err_95", "ellipticity", "pa", "flag", "growth")
SHAPED = ("mu", "mu_err", "ellipticity", "growth")
COVERAGE = {"68 %": "mu_err", "95 %": "mu_err_95"}
DRAWS = 400


def gather(pairs, crop, model):
    """Profiles of every method and what is known, as arrays over pairs."""
    batches, parts, tables = AnnotatedBatches(pairs, crop), [], []
    seconds = dict.fromkeys(("network", "automatic", "told"), 0.0)
    for start in range(0, len(pairs), BATCH):
        images, _, masks, centres, *_ = batches.load(
            np.arange(start, min(start + BATCH, len(pairs)))
        )
        clock = [time.perf_counter()]
        said = describe_images(images.numpy(), model)
        clock.append(time.perf_counter())
        automatic = isophotes.measure(images)
        clock.append(time.perf_counter())
        told = isophotes.measure(images, centre=centres, mask=masks)
        clock.append(time.perf_counter())
        for name, spent in zip(seconds, np.diff(clock), strict=True):
            seconds[name] += spent
        tables += [
            (table_of(**{name: said[name][k] for name in SHAPED}), automatic.table(k))
            for k in range(len(images))
        ]
        parts.append(
            {
                "network": said["mu"],
                "automatic": automatic.mu.numpy(),
                "told": told.mu.numpy(),
                **{name: said[name] for name in KEPT},
                "centre": np.linalg.norm(said["centre"] - centres.numpy(), axis=1),
                "centre_automatic": (automatic.centre - centres).norm(dim=1).numpy(),
            }
        )
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return values, tables, seconds


def table_of(mu, **columns):
    """One profile, up to its end, as a table."""
    ended = ~np.isfinite(mu)
    n = int(ended.argmax()) if ended.any() else len(mu)
    columns = {name: values[:n] for name, values in columns.items()}
    return profile_table({"sma": sma_grid(n), "mu": mu[:n], **columns})


def structure(tables, pairs):
    """Print how far structural parameters are from the truth, and whether their errors hold."""
    mu, shape = pairs.profiles("truth_mu"), pairs.profiles("truth_ellipticity")
    known = pairs.table()
    rows = {method: {name: [] for name in PARAMETERS} for method in ("network", "automatic")}
    for k, both in enumerate(tables):
        truth = table_of(mu[k], ellipticity=shape[k])
        whole = _values(truth)
        whole["m_tot"] = (known[f"mag_{known['band'][k]}"][k], 0.0)
        for method, table in zip(rows, both, strict=True):
            found = structural_parameters(table)
            same = _values(truth[: found.meta["rows"]])
            for name, value, error in zip(PARAMETERS, found["value"], found["error"], strict=True):
                expected = (same if name in FITTED else whole)[name][0]
                rows[method][name].append((value, error, expected))
    for method, of_method in rows.items():
        print(f"{method}: parameter, how many, median deviation, its error, 68 % holds, 95 %")
        for name, numbers in of_method.items():
            value, error, expected = np.array(numbers, dtype=float).T
            there = np.isfinite(value) & np.isfinite(expected)
            off, error = np.abs(value - expected)[there], error[there]
            unit = expected[there] if name[0] in "Rh" else 1.0
            held = (np.mean(off < sigma * error) for sigma in (1, 2))
            numbers = (np.median(off / unit), np.median(error / unit), *held)
            print(f"  {name:7s} {there.sum():4d}", *(f"{x:.3f}" for x in numbers))


def _values(table):
    found = structural_parameters(table)
    return {row["name"]: (row["value"], row["error"]) for row in found}


def summary(deviation, where):
    """Percentiles over profiles of the median deviation along each, and how many they are."""
    chosen = np.where(where & np.isfinite(deviation), np.abs(deviation), np.nan)
    chosen = chosen[np.isfinite(chosen).any(1)]
    medians = np.nanmedian(chosen, axis=1)
    numbers = " / ".join(f"{x:.3f}" for x in np.percentile(medians, PERCENTILES))
    return f"{numbers}  ({len(medians)})"


def main():
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="pix2prof")
    parser.add_argument("--survey", default=paths.workspace("full").survey)
    parser.add_argument("--split", default="test", choices=SPLITS)
    parser.add_argument("--crop", type=int, help="side of the images [px]; default: the largest")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    model, survey = load(arguments.model), load_survey(arguments.survey)
    pairs = Pairs(survey, arguments.split)
    crop = model.side_within(arguments.crop or survey.images.shape[-1])
    print(f"{len(pairs)} images of {crop} x {crop} px")
    values, tables, seconds = gather(pairs, crop, model)
    expert, truth = pairs.profiles("expert_mu"), pairs.profiles("truth_mu")
    for name in ("network", "automatic", "told"):
        mu = values[name]
        print(f"{name}: {1e3 * seconds[name] / len(pairs):.0f} ms an image")
        print("  against the expert, mu < 26     ", summary(mu - expert, expert < 26))
        print("  against the expert, all of it   ", summary(mu - expert, np.isfinite(expert)))
        print("  against the truth, mu < 26      ", summary(mu - truth, truth < 26))
        print(
            "  against the truth, 26 to 27.5   ",
            summary(mu - truth, (truth > 26) & (truth < 27.5)),
        )
    for name in ("centre", "centre_automatic"):
        off = values[name]
        print(
            f"{name}: {np.median(off):.2f} px; within 0.5 px {np.mean(off < 0.5):.3f}, "
            f"2 px {np.mean(off < 2):.3f}"
        )
    within = (values["flag"] & RowFlag.BELOW_CUT) == 0
    length, expected = within.sum(1) * 0.2, np.isfinite(expert).sum(1) * 0.2
    print(
        f"length error: median {np.median(length - expected):.1f} arcsec, "
        f"{np.median(np.abs(length / expected - 1)):.3f} of the length in absolute terms"
    )
    shape = np.isfinite(expert)
    off = np.abs(values["ellipticity"] - pairs.profiles("expert_ellipticity"))
    print(f"ellipticity: median {np.nanmedian(off[shape]):.4f}")
    round_off = (pairs.profiles("expert_ellipticity") > 0.15) & shape
    angle = np.abs((values["pa"] - pairs.profiles("expert_pa") + 90) % 180 - 90)
    print(f"position angle (ellipticity > 0.15): median {np.nanmedian(angle[round_off]):.2f} deg")
    coverage(values, expert, truth, pairs)
    structure(tables, pairs)


def coverage(values, expert, truth, pairs):
    """Print the share of values within the errors, by radial bin and band, and beyond the cut."""
    row = np.arange(expert.shape[1])
    fifth = row * N_BINS // np.isfinite(expert).sum(1)[:, None]
    deviation = np.abs(values["network"] - expert)
    bins = [np.isfinite(deviation) & (fifth == k) for k in range(N_BINS)]
    beyond = (values["flag"] & RowFlag.BELOW_CUT > 0) & (truth > 26) & (truth < 27.5)
    for label, error in COVERAGE.items():
        print(f"{label} interval holds, by fifth of the radius, and along all of it:")
        _print_shares(deviation <= values[error], bins, pairs)
    deviation = np.abs(values["network"] - truth)
    n_rows, beyond = beyond.sum(), beyond & np.isfinite(deviation)
    print(f"beyond the cut, truth of 26 to 27.5: {n_rows} rows, a value on {beyond.sum()}")
    for label, error in COVERAGE.items():
        print(f"{label} interval holds of these:")
        _print_shares(deviation <= values[error], [beyond], pairs)


def _print_shares(inside, bins, pairs):
    """Print shares by bin, for each band and for all, and the error of the latter."""
    counts = np.stack([[(x & here).sum(1) for here in bins] for x in (inside, True)], -1)
    for band in (*range(len(BANDS)), None):
        here = slice(None) if band is None else pairs.band == band
        print("  ", "all" if band is None else BANDS[band], _shares(counts[:, here].sum(1)))
    galaxies, galaxy = np.unique(pairs.galaxy, return_inverse=True)
    drawn = np.random.default_rng(0).multinomial(
        len(galaxies), np.full(len(galaxies), 1 / len(galaxies)), DRAWS
    )
    of_galaxies = np.zeros((len(galaxies), len(bins), 2))
    np.add.at(of_galaxies, galaxy, counts.swapaxes(0, 1))
    spread = [_shares(np.tensordot(n, of_galaxies, 1), None) for n in drawn]
    print("   +/-", " ".join(f"{x:.3f}" for x in np.std(spread, 0)))


def _shares(counts, form="{:.3f}"):
    """Share of the first of two counts (K, 2) in the second, by bin and, of several, over all."""
    if len(counts) > 1:
        counts = np.concatenate((counts, counts.sum(0, keepdims=True)))
    shares = counts[:, 0] / counts[:, 1]
    return shares if form is None else " ".join(form.format(x) for x in shares)


if __name__ == "__main__":
    main()
