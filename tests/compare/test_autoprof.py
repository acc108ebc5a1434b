import os
import time

import numpy as np
import pytest
from astropy.io import fits

from pix2prof.compare import autoprof
from pix2prof.sdss import PIXSCALE, mu_to_intensity

PROF = """# arcsec,mag*arcsec^-2,mag*arcsec^-2,mag,mag,unitless,unitless,deg,deg,count,count,mag
R,SB,SB_e,totmag,totmag_e,ellip,ellip_e,pa,pa_e,pixels,maskedpixels,totmag_direct
0.5,20.0,0.01,21.0,0.02,0.2,0.01,100.0,1.0,15,0,21.9
1.0,99.999,99.999,20.5,0.02,0.3,0.01,30.0,1.0,16,2,21.0
"""
GOOD = f"""cat > galaxy.prof <<END
{PROF}END
echo 'center x: 31.50 pix, y: 30.25 pix' > galaxy.aux
"""
IMAGE = np.ones((64, 64))


def test_a_missing_environment_says_how_to_make_it(tmp_path):
    with pytest.raises(autoprof.AutoProfError, match=r"there is no .*python; `make autoprof`"):
        autoprof.version(tmp_path / "python")


def test_an_environment_without_autoprof_is_named(fake_autoprof):
    python = fake_autoprof("", asked="echo 'No package: autoprof' >&2; exit 1")
    with pytest.raises(autoprof.AutoProfError, match=r"has no AutoProf \(No package: autoprof\)"):
        autoprof.version(python)


def test_the_environment_says_its_version(fake_autoprof):
    assert autoprof.version(fake_autoprof("")) == "1.3.4"


def test_a_variable_can_name_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PIX2PROF_AUTOPROF", str(tmp_path / "python"))
    assert autoprof.environment() == tmp_path / "python"
    monkeypatch.delenv("PIX2PROF_AUTOPROF")
    monkeypatch.setenv("PIX2PROF_PROJECT", str(tmp_path))
    assert autoprof.environment() == tmp_path / ".venv-autoprof/bin/python"


def test_the_profile_it_writes_is_read(fake_autoprof):
    python = fake_autoprof(GOOD + "echo 'seconds: 6.25'")
    profile, centre, seconds = autoprof.measure(IMAGE, python)
    assert profile["mu"].value == pytest.approx([20.0, np.nan], nan_ok=True)
    assert profile["pa"].value == pytest.approx([10.0, 120.0])
    assert centre.tolist() == [31.5, 30.25]
    assert seconds == 6.25


def test_it_gets_the_image_and_the_pixel_scale_and_nothing_of_this_environment(
    fake_autoprof, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    kept = tmp_path / "kept"
    keep = f"mkdir '{kept}'; cp galaxy.fits run.py '{kept}'; env > '{kept}/env'"
    autoprof.measure(IMAGE, fake_autoprof(GOOD + keep), pixscale=0.262)
    assert fits.getdata(kept / "galaxy.fits").shape == (64, 64)
    script = (kept / "run.py").read_text()
    compile(script, "run.py", "exec")
    assert '"ap_pixscale": 0.262' in script and "starmask" in script
    variables = (kept / "env").read_text().splitlines()
    assert "OMP_NUM_THREADS=1" in variables
    assert not [line for line in variables if line.startswith("PYTHONPATH=")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "echo 'ERROR:root:galaxy: on step psf got error: no star' > AutoProf.log; exit 1",
            "^at psf: no star$",
        ),
        ("echo 'ImportError: no module' >&2; exit 1", "ImportError: no module"),
        ("kill -SEGV $$", "killed by signal 11"),
        ("exit 0", "it wrote no profile"),
        ("echo nonsense > galaxy.prof", r"its .prof cannot be read: expected a line of units"),
        ("printf 'R,SB\\n1,two\\n' > galaxy.prof", "its .prof cannot be read: a row is not"),
        ("printf 'R,SB\\n1,99.999\\n' > galaxy.prof", "its .prof holds no surface brightness"),
        (r"printf '\377\376\000' > galaxy.prof", "its .prof cannot be read"),
    ],
)
def test_a_failure_has_its_reason(fake_autoprof, body, reason):
    with pytest.raises(autoprof.AutoProfError, match=reason):
        autoprof.measure(IMAGE, fake_autoprof(body))


def test_one_that_hangs_is_stopped_with_all_it_started(fake_autoprof, tmp_path):
    python = fake_autoprof(f"sleep 60 & echo $! > '{tmp_path}/child'; wait")
    started = time.monotonic()
    with pytest.raises(autoprof.AutoProfError, match="stopped after 1 s"):
        autoprof.measure(IMAGE, python, timeout=1.0)
    assert time.monotonic() - started < 30
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(process):
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(
    not os.access(autoprof.environment(), os.X_OK), reason="no AutoProf; `make autoprof`"
)
def test_autoprof_itself_measures_a_disc():
    rng = np.random.default_rng(1)
    y, x = np.indices((160, 160))
    sma = np.hypot(x - 80.4, (y - 79.2) / 0.7) * PIXSCALE
    image = mu_to_intensity(20 + 1.0857 * sma / 5) * PIXSCALE**2
    image += 3 * np.exp(-(np.square(x - 130) + np.square(y - 40)) / 8)
    image += rng.normal(0, 0.02, image.shape)
    profile, centre, seconds = autoprof.measure(image, autoprof.environment())
    assert autoprof.version(autoprof.environment()) == "1.3.4"
    assert centre == pytest.approx([80.4, 79.2], abs=1)
    bright = (profile["mu"].value < 24) & (profile["sma"].value > 2)
    expected = 20 + 1.0857 * profile["sma"].value / 5
    assert profile["mu"].value[bright] == pytest.approx(expected[bright], abs=0.1)
    assert seconds > 0
