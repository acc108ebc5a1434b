import csv
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from loopback import Loopback, status, truncated
from test_places import cutout

from pix2prof import config
from pix2prof.archives import probes
from pix2prof.archives.downloads import ArchiveError, NoNetwork
from pix2prof.archives.fetching import Addresses, Fetcher
from pix2prof.dataset.building import build_survey
from pix2prof.dataset.stored import Pairs

SIDE = 96
GALAXIES = {  # name: (RA, Dec, Mpc, km/s, bands)
    "ESO479-G001": (36.368, -25.638, 68.51, 4846.1, "fgrz"),
    "NO-Z": (40.0, 1.0, 50.0, 3500.0, "gr"),
    "OUTSIDE": (41.0, 80.0, 50.0, 3500.0, "grz"),
    "NGC 0024": (2.485, -24.963, "", 554.0, "grz"),
    "UGC1": (3.0, 2.0, 99.999, 1498.96229, "grz"),
    "NOWHERE": ("", "", 20.0, 1400.0, "grz"),
    "UGC2": (4.0, 2.0, 30.0, -20.0, "grz"),
}
MISSING = "99.999"


def prof(scale, mu=20.0):
    """A profile in the release's format: errors grow, the last rows are missing."""
    radius = 0.262 * 1.1 ** np.arange(50)
    lines = [
        "# arcsec,mag*arcsec^-2,mag*arcsec^-2,mag,mag,unitless,unitless,deg,deg,count,count,mag",
        "R,SB,SB_e,totmag,totmag_e,ellip,ellip_e,pa,pa_e,pixels,maskedpixels,totmag_direct",
    ]
    for r in radius:
        error = 0.001 * np.exp(r / 4)
        end = r > 30
        values = (r, MISSING if end else mu + 1.0857 * r / scale, MISSING if end else error)
        rest = (14.2, 0.01, 0.26, 0.001, 15.6, 0.06, 15, 0, MISSING)
        lines.append(",".join(str(value) for value in (*values, *rest)))
    return "\n".join(lines) + "\n"


def main_table():
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["none", "deg", "deg", "Mpc", "Mpc", "km s^-1", "none"])
    rows.writerow(["name", "RA", "DEC", "distance", "distance_e", "redshift_helio", "has_r-band"])
    for name, (ra, dec, distance, velocity, bands) in GALAXIES.items():
        rows.writerow([name, ra, dec, distance, 3.0, velocity, int("r" in bands)])
    return stream.getvalue().encode()


def release():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for k, (name, (*_, bands)) in enumerate(GALAXIES.items()):
            archive.writestr(f"profiles/profiles/{name}_rc.prof", "# arcsec\nR,V,V_e\n0,1,1\n")
            for band in bands:
                archive.writestr(f"profiles/profiles/{name}_{band}.prof", prof(4.0 + k))
    return stream.getvalue()


class Archive(Loopback):
    """Zenodo's record and the Legacy viewer, in the layouts that they have."""

    def __init__(self):
        super().__init__(self.reply)
        self.files = {probes.TABLE: main_table(), probes.PROFILES: release(), "README": b"x"}

    def reply(self, path):
        home = f"/api/records/{probes.RECORD}"
        if path == home:
            files = [
                {
                    "key": key,
                    "checksum": f"md5:{hashlib.md5(body).hexdigest()}",
                    "links": {"self": f"{self.url}{home}/files/{key}/content"},
                }
                for key, body in self.files.items()
            ]
            return json.dumps({"id": probes.RECORD, "files": files}).encode()
        if path.startswith(f"{home}/files/"):
            return self.files[path.split("/")[5]]
        band = path.split("bands=")[1][0]
        y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
        image = 0.69 * np.exp(-np.hypot(x, y) * 0.262 / 4).astype(np.float32)
        return cutout(0 * image if "dec=80" in path else image, band)


@pytest.fixture
def server():
    server = Archive()
    yield server
    server.close()


@pytest.fixture
def fetcher(server, tmp_path):
    where = Addresses(f"{server.url}/sas", f"{server.url}/viewer", f"{server.url}/api")
    return Fetcher(tmp_path / "cache", where, interval=0.0, sleep=lambda seconds: None)


def write(fetcher, folder, n=9, log=lambda line: None):
    return probes.write_folder(fetcher, folder, n, size=SIDE, log=log)


def test_galaxies_with_images_and_profiles_become_rows(fetcher, tmp_path):
    said = []
    rows = write(fetcher, tmp_path / "probes", log=said.append)
    names = list(dict.fromkeys(rows["name"]))
    assert names == ["ESO479-G001", "NGC 0024", "UGC1", "UGC2"]
    assert list(rows["band"]) == list("grz") * 4
    passed = "\n".join(line for line in said if "passed over" in line)
    assert "NO-Z: passed over: it has no profile in z" in passed
    assert "OUTSIDE: passed over: RA 41.000000, Dec +80" in passed.replace("Dec 80", "Dec +80")
    assert "NOWHERE: passed over: it has no position" in passed
    for row in rows:
        assert (tmp_path / "probes" / row["image"]).is_file()
        assert (tmp_path / "probes" / row["profile"]).is_file()


def test_scales_come_from_the_distance_or_else_the_redshift(fetcher, tmp_path):
    rows = {row["name"]: row for row in write(fetcher, tmp_path)}
    assert rows["ESO479-G001"]["kpc_per_arcsec"] == pytest.approx(68.51e3 / 206264.8, rel=1e-5)
    assert rows["ESO479-G001"]["redshift"] == pytest.approx(4846.1 / 299792.458)
    assert rows["UGC1"]["redshift"] == pytest.approx(0.005)
    assert rows["UGC1"]["kpc_per_arcsec"] == pytest.approx(0.1066, rel=0.01)


def test_profiles_end_where_their_error_does(fetcher):
    _, packed = probes.fetch_release(fetcher)
    with zipfile.ZipFile(packed) as archive:
        profile = probes.release_profile(archive, "ESO479-G001", "r")
        assert probes.release_profile(archive, "ESO479-G001", "w1") is None
    assert (
        profile["mu_err"].value.max() <= 0.3 < 0.001 * np.exp(1.1 * profile["sma"][-1].value / 4)
    )
    assert profile["pa"][0].value == pytest.approx(105.6)
    assert np.isfinite(profile["mu"].value).all()


def test_the_published_sample_is_read(real, tmp_path):
    with zipfile.ZipFile(tmp_path / "profiles.zip", "w") as archive:
        for path in (real / "probes").glob("*.prof"):
            archive.write(path, f"profiles/profiles/{path.name}")
    with zipfile.ZipFile(tmp_path / "profiles.zip") as archive:
        for band in "grz":
            profile = probes.release_profile(archive, "ESO479-G001", band)
            assert len(profile) > 40 and np.all(np.diff(profile["sma"].value) > 0)
            assert 17 < profile["mu"][0].value < 20
            assert profile["mu_err"].value.max() <= probes.MAX_ERROR


def test_image_and_measured_profile_become_a_training_pair(fetcher, tmp_path):
    write(fetcher, tmp_path / "probes")
    settings = config.DataConfig(
        source="probes",
        folder=str(tmp_path / "probes"),
        n_galaxies=4,
        n_validation=1,
        n_test=1,
        crop=48,
        margin=4,
    )
    built = build_survey(settings, tmp_path / "survey", tmp_path / "scratch", log=print)
    assert built.bands == ("g", "r", "z")
    pairs = Pairs(built, "train")
    assert list(pairs.table()["band"]) == list("grz") * 2
    first = list(built.catalogue["name"]).index("ESO479-G001")
    mu = built.profiles["expert_mu"][first, 2]
    assert mu[19] == pytest.approx(20 + 1.0857 * 4.0 / 4, abs=0.01)
    peak = built.images[first, 2].max() / 0.396**2
    assert peak == pytest.approx(0.69 / 0.262**2, rel=0.15)


def test_bands_of_the_sdss_are_not_those_of_probes(fetcher, tmp_path):
    write(fetcher, tmp_path / "probes", n=3)
    settings = config.DataConfig(
        source="folder", folder=str(tmp_path / "probes"), n_galaxies=3, n_validation=1, n_test=1
    )
    with pytest.raises(ValueError, match="found the band 'z'; it must be g, r or i"):
        build_survey(settings, tmp_path / "survey", tmp_path / "scratch")


def test_started_again_it_asks_for_what_it_lacks_alone(server, fetcher, tmp_path):
    write(fetcher, tmp_path / "probes", n=1)
    before = len(server.asked)
    assert before == 3 + 3
    write(fetcher, tmp_path / "probes", n=2)
    again = [path for path, _ in server.asked[before:]]
    assert all("viewer" in path and "ra=36" not in path for path in again)
    fetcher.offline = True
    rows = write(fetcher, tmp_path / "other", n=2)
    assert len(set(rows["name"])) == 2


def test_without_network_it_stops_and_keeps_the_galaxies_it_has(fetcher, tmp_path):
    write(fetcher, tmp_path / "probes", n=1)
    fetcher.offline = True
    with pytest.raises(NoNetwork):
        write(fetcher, tmp_path / "probes", n=3)
    assert (tmp_path / "probes" / "catalogue.csv").read_text().count("ESO479-G001,") == 3


def test_a_busy_archive_ends_the_run_and_no_galaxy_is_left_out(server, fetcher, tmp_path):
    write(fetcher, tmp_path / "probes", n=1)
    asked = len(server.asked)
    server.script["/viewer/fits-cutout"] = [status(429, Retry_After="7200")]
    with pytest.raises(NoNetwork, match="asks to wait"):
        write(fetcher, tmp_path / "probes", n=2)
    assert len(server.asked) == asked + 1


def test_the_release_survives_a_bad_day_of_its_archive(server, fetcher):
    name = f"/api/records/{probes.RECORD}/files/{probes.PROFILES}/content"
    server.script[name] = [status(503), truncated(0.7), status(429, Retry_After="3")]
    _, packed = probes.fetch_release(fetcher)
    assert packed.read_bytes() == server.files[probes.PROFILES]
    assert f"bytes={int(0.7 * len(packed.read_bytes()))}-" in server.ranges


def test_a_record_without_the_files_is_told(server, fetcher):
    del server.files[probes.TABLE]
    with pytest.raises(ArchiveError, match=r"found no main_table\.csv among profiles\.zip"):
        probes.fetch_release(fetcher)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"files": [{"key": "a"}]}'])
def test_what_is_no_record_is_told(server, fetcher, body):
    server.answer = lambda path: body
    with pytest.raises(ArchiveError, match="no record of Zenodo"):
        probes.fetch_release(fetcher)


def test_another_table_is_told(tmp_path):
    path = tmp_path / "main_table.csv"
    path.write_text("none,deg\nname,RA\nNGC1,3\n")
    with pytest.raises(ValueError, match=r"main_table\.csv: found no column dec, distance, red"):
        probes.read_main_table(path)
