import numpy as np
import pytest
from astropy.io import fits

from pix2prof.mock import frames
from pix2prof.mock.psf import survey_psf
from pix2prof.mock.realism import sky_statistics
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.mock.sky import add_noise, draw_conditions
from pix2prof.paths import real_folder
from pix2prof.sdss import BANDS, PIXSCALE

REAL = real_folder()
SHAPE = (420, 380)
SHIFT = {"g": (3, -2), "r": (0, 0), "i": (-4, 5)}
needs_frames = pytest.mark.skipif(
    not (REAL / "frames").is_dir(), reason="no folder of real SDSS frames"
)


def write_frame(folder, band, rng, fwhm=1.4):
    """A field of 40 stars in the format of the survey's frames, its bands shifted in pixels."""
    h, w = SHAPE
    stars = np.random.default_rng(5)
    x, y = stars.uniform(20, w - 20, 40), stars.uniform(20, h - 20, 40)
    flux = stars.uniform(40, 150, 40)
    dx, dy = SHIFT[band]
    psf = survey_psf(fwhm, BANDS.index(band))
    rows, columns = np.mgrid[:h, :w]
    image = rng.normal(0, 0.02, SHAPE)
    for k in range(40):
        image += flux[k] * psf((columns - x[k] - dx) ** 2 + (rows - y[k] - dy) ** 2)
    header = fits.Header({"CAMCOL": 4, "CRVAL1": 150.0, "CRVAL2": 20.0})
    header["CRPIX1"], header["CRPIX2"] = 190.0 + dx, 210.0 + dy
    step = PIXSCALE / 3600
    header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = 0.0, step, step, 0.0
    sky = fits.BinTableHDU.from_columns(
        [fits.Column("ALLSKY", "16E", dim="(4,4)", array=np.full((1, 4, 4), 120.0, np.float32))]
    )
    hdus = [
        fits.PrimaryHDU(image.astype(np.float32), header),
        fits.ImageHDU(np.full(w, 0.005, np.float32)),
        sky,
    ]
    fits.HDUList(hdus).writeto(folder / f"frame-{band}-000001-4-0001.fits")
    return x, y


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real frames")
    rng = np.random.default_rng(1)
    for band in BANDS:
        write_frame(folder, band, rng)
    return folder


@pytest.fixture(scope="module")
def real_fields():
    if not (REAL / "frames").is_dir():
        pytest.skip("no folder of real SDSS frames")
    return [frames.load_field(paths) for paths in frames.list_fields(REAL / "frames")]


def test_bands_are_brought_to_the_same_pixels(folder):
    field = frames.load_field(frames.list_fields(folder)[0])
    h, w = field.mask.shape
    assert (h, w) == (SHAPE[0] - 7, SHAPE[1] - 7)
    brightest = [np.unravel_index(np.argmax(image), image.shape) for image in field.images]
    assert np.ptp(brightest, axis=0).max() <= 1
    assert field.sky == pytest.approx([0.6] * 3)
    assert field.camcol == 4


def test_star_widths_are_recovered(folder):
    field = frames.load_field(frames.list_fields(folder)[0])
    assert field.fwhm == pytest.approx([1.4] * 3, rel=0.03)


def test_galaxies_lie_in_the_frames(folder):
    galaxy = mock_galaxy(3, 1, field=160, sky="frames", frames=folder, small_share=1.0)
    again = mock_galaxy(3, 1, field=160, sky="frames", frames=folder, small_share=1.0)
    assert galaxy.images.tobytes() == again.images.tobytes()
    field = frames.load_field(frames.list_fields(folder)[0])
    residual = galaxy.images - galaxy.truth
    clear = ~galaxy.mask & (galaxy.truth[1] < 0.003)
    assert residual[1][clear].std() == pytest.approx(0.02, rel=0.15)
    assert 0 < galaxy.mask.mean() < 1
    assert galaxy.psf_fwhm == pytest.approx(field.fwhm)
    other = mock_galaxy(3, 2, field=160, sky="frames", frames=folder)
    assert not np.array_equal(galaxy.images - galaxy.truth, other.images - other.truth)


def test_the_galaxy_is_the_one_of_the_model_sky(folder):
    real, model = (
        mock_galaxy(3, 1, field=160, sky=sky, frames=folder) for sky in ("frames", "model")
    )
    assert real.name == model.name and real.centre == model.centre
    assert real.parameters["mag_r"] == model.parameters["mag_r"]


def test_a_field_larger_than_the_frames_is_refused(folder):
    with pytest.raises(ValueError, match=r"frame-r-000001.*field is 512"):
        mock_galaxy(3, 1, field=512, sky="frames", frames=folder)


def test_an_incomplete_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no field has"):
        frames.list_fields(tmp_path)
    write_frame(tmp_path, "r", np.random.default_rng(0))
    with pytest.raises(FileNotFoundError, match="frame-g-"):
        mock_galaxy(1, 0, field=64, sky="frames", frames=tmp_path)


def test_a_file_that_is_no_frame_is_named(tmp_path):
    path = tmp_path / "frame-g-000001-4-0001.fits"
    fits.writeto(path, np.zeros((5, 5)))
    with pytest.raises(ValueError, match=r"frame-g-000001.*found 1 HDUs"):
        frames.read_frame(path)


def sky_noise(images):
    """Standard deviation of source-free sky in g, r, i: mean of six squares of 512 pixels."""
    corners = [(y, x) for y in (0, 512) for x in (0, 512, 1024)]
    squares = [
        [sky_statistics(i[y : y + 512, x : x + 512])["std"] for i in images] for y, x in corners
    ]
    return np.mean(squares, axis=0)


@needs_frames
def test_noise_is_that_of_the_real_frames(real_fields):
    real = np.array([sky_noise(field.images) for field in real_fields])
    drawn = [draw_conditions(np.random.default_rng(k)) for k in range(2000)]
    model = np.array([conditions.sigma for conditions in drawn])
    assert model.mean(axis=0) == pytest.approx(real.mean(axis=0), rel=0.03)
    assert (model.min(axis=0) < real.min(axis=0)).all()
    assert (model.max(axis=0) > real.max(axis=0)).all()
    for field, measured in zip(real_fields, real, strict=True):
        counts = field.sky / field.calibration
        expected = field.calibration * np.sqrt(counts / field.gain + field.dark)
        assert np.allclose(measured, expected, rtol=0.05)


def test_observed_sky_has_the_noise_of_its_conditions():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        conditions = draw_conditions(rng)
        images = add_noise(rng, np.zeros((3, 256, 256), np.float32), conditions)
        measured = [sky_statistics(image)["std"] for image in images]
        assert measured == pytest.approx(list(conditions.sigma), rel=0.02)


@needs_frames
def test_mock_galaxies_in_real_frames(real_fields):
    galaxy = mock_galaxy(3, 1, field=512, sky="frames", frames=REAL / "frames")
    assert galaxy.images.shape == (3, 512, 512)
    assert np.isfinite(galaxy.images).all()
    assert 0.02 < galaxy.mask.mean() < 0.5
    x, y = (round(c) for c in galaxy.centre)
    assert not galaxy.mask[y, x]
