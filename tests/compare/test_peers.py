import numpy as np
import pytest
import torch
from test_autoprof import GOOD

from pix2prof.compare import peers
from pix2prof.images.image import Image
from pix2prof.isophote_network.network import IsophoteNetwork
from pix2prof.model.paper import Pix2Prof
from pix2prof.networks import save_model
from pix2prof.predict.arrays import describe_images, load
from pix2prof.sdss import PIXSCALE, mu_to_intensity

SIDE = 96


def disc(centre=(47.0, 48.5), ellipticity=0.3, angle=40.0, star=True):
    """An exponential disc of 20 mag arcsec^-2 at the centre, with noise and a star."""
    y, x = np.indices((SIDE, SIDE))
    dx, dy, t = x - centre[0], y - centre[1], np.deg2rad(angle)
    along, across = dx * np.cos(t) + dy * np.sin(t), dy * np.cos(t) - dx * np.sin(t)
    sma = np.hypot(along, across / (1 - ellipticity)) * PIXSCALE
    image = mu_to_intensity(20 + 1.0857 * sma / 2.5) * PIXSCALE**2
    mask = np.hypot(x - 75, y - 20) < 8
    if star:
        image += 5 * np.exp(-(np.square(x - 75) + np.square(y - 20)) / 6)
    image += np.random.default_rng(0).normal(0, 0.02, image.shape)
    return peers.Target("disc", image.astype(np.float32), mask=mask)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    torch.manual_seed(1)
    network = Pix2Prof(latent=8, layers=1, step=4.0, halt_std=1e-9, mu_mean=23.0, mu_std=2.0)
    save_model(
        network.eval(), folder, crop=64,
        normalisation={"low": -1.0, "high": 2.0, "kind": "minmax", "softening": 0.02},
    )  # fmt: skip
    return folder


def test_what_cannot_run_is_said_and_the_others_are_there(model, tmp_path):
    able, missing = peers.methods({"paper": model, "small": model}, tmp_path / "python")
    assert [method.label for method in able] == [
        "paper's network",
        "paper's network (small)",
        "photutils Ellipse",
        "classical, automatic",
        "classical, mask known",
    ]
    assert "make autoprof" in missing["AutoProf"]
    assert len({method.key for method in able}) == len(able)


def test_autoprof_is_there_with_its_version(fake_autoprof):
    able, missing = peers.methods({}, fake_autoprof(GOOD))
    method = next(method for method in able if method.key == "autoprof")
    assert missing == {} and method.version.startswith("1.3.4 ")
    found = method.measure(disc())
    assert found.ellipticity.tolist() == [0.2, 0.3]
    assert found.centre.tolist() == [31.5, 30.25] and found.seconds > 0


def test_new_weights_are_a_new_version(model, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in model.iterdir():
        (other / path.name).write_bytes(path.read_bytes() + b" ")
    one, two = (
        peers.methods({"x": folder}, tmp_path / "python")[0][0] for folder in (model, other)
    )
    assert one.version != two.version


@pytest.mark.parametrize(
    "measure", [peers.photutils_ellipse, peers.classical, peers.classical_masked]
)
def test_a_disc_is_recovered_beside_a_star(measure):
    found = measure(disc())
    good = (found.sma > 2) & (found.sma < 8)
    assert found.mu[good] == pytest.approx(20 + 1.0857 * found.sma[good] / 2.5, abs=0.1)
    assert found.centre == pytest.approx([47.0, 48.5], abs=0.3)
    assert np.median(found.ellipticity[good]) == pytest.approx(0.3, abs=0.04)
    assert np.median(found.pa[good]) == pytest.approx(40.0, abs=4)


def test_the_pixel_scale_is_heeded():
    target = disc(star=False)
    coarse = peers.Target("disc", target.image, pixscale=2 * PIXSCALE)
    fine, wide = (peers.photutils_ellipse(t) for t in (target, coarse))
    assert wide.sma == pytest.approx(2 * fine.sma)
    assert wide.mu == pytest.approx(fine.mu + 2.5 * np.log10(4), nan_ok=True)


def test_the_network_makes_its_stamp_of_the_file_where_there_is_one(model):
    target = disc()
    plain = peers.network(target, str(model))
    picture = Image("disc", "disc.fits", target.image, PIXSCALE)
    stamped = peers.Target("disc", target.image[:48], picture=picture)
    assert np.allclose(
        peers.network(stamped, str(model)).mu, plain.mu, atol=1e-4, rtol=0, equal_nan=True
    )
    with pytest.raises(ValueError, match="the network wants at least"):
        peers.network(peers.Target("disc", target.image[:48]), str(model))


def test_the_isophote_network_gives_ellipses_on_the_targets_own_pixels(tmp_path):
    torch.manual_seed(2)
    normalisation = {"low": -1.0, "high": 2.0, "kind": "none", "softening": 0.02}
    save_model(IsophoteNetwork().eval(), tmp_path, crop=64, normalisation=normalisation)
    [method, *_], _ = peers.methods({"paper": tmp_path}, tmp_path / "python")
    assert method.label == "isophote network"
    image = np.pad(disc().image, 8)
    found = method.measure(peers.Target("disc", image))
    off = (len(image) - 64) // 2
    said = describe_images(image[None, off : off + 64, off : off + 64], load(tmp_path))
    np.testing.assert_allclose(found.centre, said["centre"][0] + off, rtol=1e-6)
    assert np.array_equal(np.isnan(found.mu), said["flag"][0] > 0)
    assert found.ellipticity.shape == found.pa.shape == found.mu.shape


def test_nothing_to_measure_is_a_failure_in_words():
    noise = np.random.default_rng(0).normal(0, 0.02, (64, 64)).astype(np.float32)
    empty = peers.Target("empty", noise)
    with pytest.raises(ValueError, match=r"no source was found|no meaningful fit"):
        peers.photutils_ellipse(empty)
    with pytest.raises(ValueError, match="no signal above the cut"):
        peers.classical(empty)
    with pytest.raises(ValueError, match="nobody knows the mask"):
        peers.classical_masked(empty)
