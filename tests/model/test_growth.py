import math

import numpy as np
import pytest
import simulated
import torch

from pix2prof.model.growth import light
from pix2prof.photometry.stacked import stack
from pix2prof.profiles import profile_table, sma_grid


def test_growth_is_the_flux_of_its_profile_and_ellipticity():
    sma, h = sma_grid(400), 4.0
    mu = torch.tensor(20 + 2.5 / math.log(10) * sma / h, dtype=torch.float64)[None]
    mu[:, 350:] = math.nan
    said = light(mu, 0 * mu + 0.01, torch.full_like(mu, 0.4))
    peak = 10 ** (0.4 * (22.5 - 20))
    exact = 2 * math.pi * 0.6 * peak * h**2 * (1 - (1 + sma / h) * np.exp(-sma / h))
    np.testing.assert_allclose(said["growth"][0, :350], exact[:350], rtol=0.02, atol=0.2)
    assert said["growth"][:, 350:].isnan().all() and said["growth_err"][:, 350:].isnan().all()
    assert said["intensity"][0, 0] == pytest.approx(peak * math.exp(-0.2 / h))
    ratio = said["intensity_err"] / said["intensity"]
    assert ratio[0, :350].tolist() == pytest.approx([0.01 * 0.4 * math.log(10)] * 350)


def test_an_unknown_ellipticity_counts_as_round():
    mu = torch.full((1, 20), 22.5)
    unknown = light(mu, 0 * mu, torch.full_like(mu, math.nan))
    assert torch.equal(unknown["growth"], light(mu, 0 * mu, 0 * mu)["growth"])
    assert unknown["growth"][0, -1].item() == pytest.approx(math.pi * 16, rel=1e-5)


def test_its_error_is_the_one_that_magnitudes_have():
    rng = np.random.default_rng(3)
    table = simulated.observed(rng, *simulated.galaxy(rng)[:2])
    columns = {name: np.asarray(table[name]) for name in ("sma", "mu", "mu_err", "ellipticity")}
    said = light(*(torch.from_numpy(columns[name])[None] for name in list(columns)[1:]))
    profiles, _, (n,) = stack([profile_table(columns | {"growth": said["growth"][0].numpy()})], 2)
    for k in (0, n // 2, n - 1):
        (expected,) = profiles.rows.error(profiles.growth_deviation(np.array([float(k)])))
        assert said["growth_err"][0, k].item() == pytest.approx(expected)


def test_growth_is_as_far_off_as_its_errors_say():
    rng, pulls = np.random.default_rng(3), []
    while len(pulls) < 150:
        mu, shape, _ = simulated.galaxy(rng)
        table = simulated.observed(rng, mu, shape, rng.uniform(24, 26.5))
        n = len(table)
        if n < 20:
            continue
        observed = (table["mu"].value, table["mu_err"].value, np.asarray(table["ellipticity"]))
        said = light(*(torch.from_numpy(values)[None] for values in observed))
        true = torch.from_numpy(mu[:n])[None]
        true = light(true, 0 * true, torch.full_like(true, shape))
        pull = ((said["growth"] - true["growth"]) / said["growth_err"])[0]
        pulls.append([pull[k].item() for k in (0, n // 4, n // 2, n - 1)])
    spread = np.std(pulls, axis=0)
    assert (spread > 0.7).all() and (spread < 1.4).all(), spread
