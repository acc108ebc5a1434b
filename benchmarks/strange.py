"""Whether images unlike the training set are flagged, by kind.

    python benchmarks/strange.py [--model FOLDER] [--survey FOLDER] [--images N]
    python benchmarks/strange.py --refit OUT [--model FOLDER] [--survey FOLDER]

`--refit` takes the measure of a survey anew, without training: the limits of the flag and the
errors' calibration, for weights that were trained on it; the model is written to OUT. The survey
must be like the one that the network was trained on, or what it lacks is called strange.
"""

import argparse

import numpy as np
import torch

from pix2prof import paths
from pix2prof.dataset.crops import centre_crop
from pix2prof.dataset.stored import Pairs, load_survey
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.networks import load_model, save_model
from pix2prof.predict.arrays import describe_images, load
from pix2prof.released import find_model
from pix2prof.training.batches import batches_for

SEED = 4
REACH = 30
SIDE = 256


def strange_images(images, crop, generator):
    """Make images that no galaxy of the training set looks like, by kind.

    Parameters
    ----------
    images : numpy.ndarray, shape (N, crop, crop)
        Of ordinary galaxies [nanomaggies per pixel].
    crop : int
    generator : numpy.random.Generator

    Returns
    -------
    dict of str to numpy.ndarray, shape (N, crop, crop)
        Pure noise; single stars; satellite trails and mergers, of the galaxies given; the same
        smoothed, as a coarse image is by resampling; galaxies on pixels twice as coarse.
    """
    n = len(images)
    noise = np.median(np.abs(np.diff(images, axis=-1)), axis=(1, 2)) / 0.954
    y, x = np.mgrid[:crop, :crop] - 0.5 * (crop - 1)

    def empty():
        return noise[:, None, None] * generator.standard_normal(images.shape)

    def stars(k):
        width, scale = generator.uniform(2.8, 4.2), 10 ** generator.uniform(1, 4)
        r2 = (x - generator.normal()) ** 2 + (y - generator.normal()) ** 2
        core = (0.5 * width) ** 2 / (2 ** (1 / 3) - 1)
        return scale * noise[k] * (1 + r2 / core) ** -3

    def trail(k):
        angle, scale = generator.uniform(0, np.pi), 10 ** generator.uniform(0.7, 2)
        away = x * np.sin(angle) - y * np.cos(angle) - generator.uniform(-REACH, REACH)
        return scale * noise[k] * np.exp(-0.5 * (away / 1.7) ** 2)

    def partner():
        other = images[generator.integers(n)]
        return np.roll(other, generator.integers(-REACH, REACH + 1, 2), (0, 1))

    smoothed = torch.nn.functional.avg_pool2d(torch.from_numpy(images)[:, None], 3, 1, 1)
    coarse = [
        image.reshape(crop, 2, crop, 2).sum((1, 3))
        for index in range(-(-n // 3))
        for image in mock_galaxy(seed=SEED, index=index, field=2 * crop).images
    ]
    kinds = {
        "noise": empty(),
        "stars": empty() + np.stack([stars(k) for k in range(n)]),
        "trails": images + np.stack([trail(k) for k in range(n)]),
        "mergers": images + np.stack([partner() for _ in range(n)]),
        "smoothed": smoothed[:, 0].numpy(),
        "pixels twice as coarse": np.stack(coarse[:n]),
    }
    return {name: np.float32(made) for name, made in kinds.items()}


def report(model, survey, n):
    """Print, by kind, the median strangeness and the share that is flagged."""
    generator = np.random.default_rng(SEED)
    pairs = Pairs(survey, "test")
    chosen, crop = generator.permutation(len(pairs)), model.side_within(SIDE)
    images = np.float32(centre_crop(pairs.images(chosen[:n]), crop))
    others = np.float32(centre_crop(pairs.images(chosen[n : 4 * n]), crop))
    kinds = {"the test set itself": others} | strange_images(images, crop, generator)
    for name, made in kinds.items():
        strangeness = describe_images(made, model)["strangeness"]
        print(
            f"{name:24s} {len(made):4d} images: median {np.median(strangeness):.2f}, "
            f"flagged {np.mean(strangeness > 1):.3f}"
        )


def refit(name, survey, out):
    """Take the measure of a survey anew, and write the model."""
    predictor = load(name)
    network, crop = predictor.network, predictor.crop
    card = load_model(find_model(name))[1]
    train, validation = (
        batches_for(network, Pairs(survey, split), predictor.normalisation, crop)
        for split in ("train", "validation")
    )
    network.calibrate(train, validation)
    save_model(network, out, normalisation=card["normalisation"], **card["provenance"])


def main():
    """Print the report, or refit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="pix2prof")
    parser.add_argument("--survey", default=paths.workspace("full").survey)
    parser.add_argument("--images", type=int, default=60, help="of each kind")
    parser.add_argument("--refit", help="folder to write the refitted model to")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    survey = load_survey(arguments.survey)
    if arguments.refit:
        refit(arguments.model, survey, arguments.refit)
    report(load(arguments.refit or arguments.model), survey, arguments.images)


if __name__ == "__main__":
    main()
