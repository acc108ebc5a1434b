"""Two thousand malformed files: none crashes, none hangs, none gives a silent NaN profile."""

import gzip
import resource

import numpy as np
import pytest
from astropy.io import fits
from malformed import PACKED, WAYS, card, write
from tiny import galaxy, save_tiny_model

from pix2prof.images.fits import ImageError, open_image
from pix2prof.images.inputs import find_items
from pix2prof.many.parts import read_results
from pix2prof.many.runner import predict_task, run_many

EACH = 75


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    home = tmp_path_factory.mktemp("malformed")
    for k, (way, make) in enumerate(WAYS.items()):
        rng = np.random.default_rng(k)
        for number in range(EACH):
            suffix = ".fits.gz" if "gzip" in way else ".fits"
            (home / f"{way}-{number}{suffix}").write_bytes(make(rng))
    return home


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return predict_task(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("tile", [(14, 90), (35, 30), (70, 90)])
def test_sound_fpack_images_are_read(tmp_path, kind, tile):
    data = galaxy(90)[:70].astype("f4")
    hdu = fits.CompImageHDU(data, compression_type=kind, tile_shape=tile, quantize_level=64)
    path = tmp_path / "a.fits.fz"
    path.write_bytes(write(fits.PrimaryHDU(), hdu))
    assert np.abs(open_image(path)[0] - data).max() < 0.01
    cut = tmp_path / "a.fits.fz.gz"
    cut.write_bytes(gzip.compress(path.read_bytes()))
    assert open_image(cut)[0].shape == data.shape


@pytest.mark.parametrize("key", ["ZTILE1", "ZNAXIS2", "PCOUNT"])
def test_an_fpack_image_that_contradicts_itself_is_refused(tmp_path, key):
    path = tmp_path / "a.fits"
    path.write_bytes(card(PACKED[3], key, 20 if key != "PCOUNT" else 10**9))
    with pytest.raises(ImageError, match=r"fpack image is corrupt|truncated"):
        open_image(path)


def test_every_malformed_file_is_accounted_for(files, task):
    assert len(WAYS) * EACH >= 2000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    items = [item for item in find_items([files]) if not item.key.startswith("fpack")]
    assert len(items) == (len(WAYS) - 2) * EACH
    rows, failures = [], []
    for start in range(0, len(items), 100):
        batch = task.run(items[start : start + 100])
        rows += batch.rows
        failures += batch.failures
    assert {r["item"] for r in rows} | {f["item"] for f in failures} == {i.key for i in items}
    for row in rows:
        assert len(row["mu"]) == len(row["sma"]) > 0 and np.isfinite(row["mu"]).all(), row["item"]
    assert all(f["reason"] and f["step"] in ("read", "prepare", "predict") for f in failures)
    bare = [f for f in failures if not f["reason"].count(";")]
    assert bare == [], "failures that do not say what to do"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1e6, f"{grown} kB more memory"


def test_a_run_takes_them_all(files, task, tmp_path):
    """Those whose decoder is not Python's are read in a process of their own."""
    listing = tmp_path / "list.txt"
    paths = sorted(files.iterdir())
    some = [str(p) for k, p in enumerate(paths) if k % 15 == 0 or p.name.startswith("fpack")]
    listing.write_text("\n".join([*some, "missing.fits", "x\0y.fits", "/", "a" * 5000]))
    done = run_many(task, [listing], tmp_path / "out", processes=1)
    assert done.done == done.items == len(some) + 4
    rows, failures = read_results(tmp_path / "out")
    assert len({*rows["item"].to_pylist(), *failures["item"].to_pylist()}) == done.items
