import numpy as np
import pytest
from loopback import Loopback
from test_places import FIELD, cutout, frame, noise

import pix2prof.archives.fetching
from pix2prof.archives.fetching import Addresses
from pix2prof.archives.sdss_fields import frame_path
from pix2prof.cli import main
from pix2prof.images.image import read_image

PLACE = ["--ra", "150", "--dec", "20"]


@pytest.fixture
def server(monkeypatch):
    server = Loopback()
    url = server.url
    where = Addresses(f"{url}/sas", f"{url}/viewer", f"{url}/api")
    monkeypatch.setattr(pix2prof.archives.fetching, "Addresses", lambda: where)
    yield server
    server.close()


def fetch(tmp_path, *options):
    common = ["-o", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    return main(["fetch", *options, *common])


def test_bands_of_a_place_come_on_one_grid(server, tmp_path, capsys):
    for band, crpix in (("r", (150.0, 160.0)), ("g", (155.3, 157.6))):
        path = f"/sas/{frame_path(FIELD, band)}"
        server.bodies[path] = frame(noise((300, 320)), crpix, band=band)
    options = ["--bands", "rg", "--fields", "4510-4-30", "--size", "96", "--name", "NGC 1/x"]
    assert fetch(tmp_path, "sdss", *PLACE, *options) == 0
    paths = [tmp_path / "out" / f"NGC 1_x-{band}.fits" for band in "rg"]
    assert capsys.readouterr().out.split("\n")[:2] == [str(path) for path in paths]
    r, g = (read_image(path) for path in paths)
    assert (r.band, g.band, r.object) == ("r", "g", "NGC 1/x")
    assert r.wcs.wcs.crpix == pytest.approx(g.wcs.wcs.crpix)
    assert r.data.shape == g.data.shape == (96, 96)


def test_a_cutout_with_gaps_is_noted(server, tmp_path, capsys):
    data = noise((64, 64))
    data[:10] = 0
    server.answer = lambda path: cutout(data)
    assert fetch(tmp_path, "legacy", *PLACE, "--bands", "r", "--size", "64") == 0
    path = tmp_path / "out" / "J150.00000+20.00000-r.fits"
    assert np.isnan(read_image(path).data).sum() == 640
    assert "note: 15.6% of its pixels have no data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["sdss", *PLACE, "--fields", "4510"], "'4510' is no field"),
        (["sdss", *PLACE, "--fields", "4510-4-30", "--offline"], "offline: nothing is asked for"),
        (["legacy", *PLACE, "--bands", "r"], "HTTP 404"),
        (["legacy", *PLACE, "--size", "600"], "at most 512"),
        (["probes", "-n", "3", "--offline"], "offline: nothing is asked for"),
        (["probes", "-n", "3", "--size", "600"], "at most 512"),
    ],
)
def test_what_goes_wrong_is_one_line(server, tmp_path, capsys, options, words):
    assert fetch(tmp_path, *options) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("pix2prof: error: ") and words in last
    assert not (tmp_path / "out").exists()


def test_numbers_that_no_command_takes_are_wrong_usage(tmp_path):
    with pytest.raises(SystemExit, match="2"):
        fetch(tmp_path, "legacy", *PLACE, "--size", "16")
    with pytest.raises(SystemExit, match="2"):
        fetch(tmp_path, "probes", "-n", "0")
