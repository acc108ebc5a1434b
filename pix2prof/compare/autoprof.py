"""AutoProf (Stone et al. 2021) in an environment of its own: FITS in, ``.prof`` out.

AutoProf 1.3.4 pins numpy 1, astropy 5 and photutils 1; `make autoprof` installs it, with
``autoprof.lock``, into ``.venv-autoprof`` beside this package's own environment.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

from pix2prof import paths
from pix2prof.profile_files import read_profile
from pix2prof.sdss import PIXSCALE, ZEROPOINT

ENVIRONMENT = ".venv-autoprof/bin/python"
NAME = "galaxy"
SCRIPT = f"""
import time

import numpy
from autoprof.Pipeline import Isophote_Pipeline


def seed(image, results, options):
    numpy.random.seed(0)
    return image, {{}}


pipeline = Isophote_Pipeline(loggername="AutoProf.log")
steps = pipeline.pipeline_steps["head"]
steps = ["seed", *steps]
steps.insert(steps.index("isophoteinit"), "starmask")
pipeline.UpdatePipeline(new_pipeline_methods={{"seed": seed}}, new_pipeline_steps=steps)
options = {{
    "ap_image_file": "{NAME}.fits",
    "ap_name": "{NAME}",
    "ap_pixscale": %(pixscale)r,
    "ap_zeropoint": {ZEROPOINT},
    "ap_isoclip": True,
}}
started = time.perf_counter()
outcome = pipeline.Process_Image(options)
print("seconds:", time.perf_counter() - started)
raise SystemExit(outcome == 1)
"""
"""The default pipeline with star masking before the isophotes are begun, and clipping along them
as in AutoProf's own example; seeded, so that the same image gives the same profile."""


class AutoProfError(RuntimeError):
    """AutoProf gave no profile; the message is the reason."""


def environment():
    """Find the Python of AutoProf's environment.

    Returns
    -------
    python : pathlib.Path
        ``$PIX2PROF_AUTOPROF`` when set, else that of ``.venv-autoprof`` in the checkout; there
        may be none.
    """
    return Path(os.environ.get("PIX2PROF_AUTOPROF", paths.project() / ENVIRONMENT))


def version(python):
    """Ask an environment which AutoProf it has.

    Parameters
    ----------
    python : path-like
        Its Python, as `environment` gives it.

    Returns
    -------
    version : str

    Raises
    ------
    AutoProfError
        If there is no such Python, or no AutoProf in it; the message says what to do.
    """
    remedy = "`make autoprof` installs it"
    if not os.access(python, os.X_OK):
        raise AutoProfError(f"there is no {python}; {remedy}")
    asked = "from importlib.metadata import version; print(version('autoprof'))"
    done = subprocess.run(
        [python, "-c", asked], capture_output=True, text=True, env=_variables(), timeout=60
    )
    if done.returncode:
        raise AutoProfError(f"{python} has no AutoProf ({_last_line(done.stderr)}); {remedy}")
    return done.stdout.strip()


def measure(image, python, *, pixscale=PIXSCALE, timeout=None):
    """Measure one galaxy with AutoProf's default pipeline and star masking.

    Parameters
    ----------
    image : array_like, shape (H, W)
        Flux [nanomaggies per pixel].
    python : path-like
        Python of its environment.
    pixscale : float
        [arcsec per pixel].
    timeout : float, optional
        Seconds after which it is stopped.

    Returns
    -------
    profile : astropy.table.QTable
        As `pix2prof.profile_files.read_profile` gives it.
    centre : numpy.ndarray, shape (2,)
        (x, y) that it found [px], NaN where it does not say.
    seconds : float
        Wall time of the pipeline, without the start of the program.

    Raises
    ------
    AutoProfError
        If it fails, writes no profile that can be read, or takes too long; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="autoprof-") as folder:
        folder = Path(folder)
        fits.writeto(folder / f"{NAME}.fits", np.asarray(image, np.float32))
        (folder / "run.py").write_text(SCRIPT % {"pixscale": float(pixscale)})
        started = time.perf_counter()
        status, said, complaint = _run([str(python), "run.py"], folder, timeout)
        seconds = time.perf_counter() - started
        path = folder / f"{NAME}.prof"
        if status or not path.is_file():
            raise AutoProfError(_reason(folder / "AutoProf.log", complaint, status))
        try:
            profile = read_profile(path)
        except (ValueError, UnicodeDecodeError) as error:
            words = str(error).replace(f"{path}: ", "")
            raise AutoProfError(f"its .prof cannot be read: {words}") from error
        if not np.isfinite(profile["mu"].value).any():
            raise AutoProfError("its .prof holds no surface brightness")
        timed = re.search(r"^seconds: ([\d.]+)", said, re.MULTILINE)
        return profile, _centre(path.with_suffix(".aux")), float(timed[1]) if timed else seconds


def _run(command, folder, timeout):
    """Run a command; whatever ends the wait also ends the command and all it started."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, complaint = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise AutoProfError(f"stopped after {timeout:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, said, complaint


def _variables():
    """Variables of AutoProf's process: one thread, no window, nothing of this environment."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONWARNINGS")
    variables = {name: value for name, value in os.environ.items() if name not in foreign}
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return variables | dict.fromkeys(threads, "1") | {"MPLBACKEND": "Agg"}


def _reason(log, complaint, status):
    """Take the reason of a failure from AutoProf's log, else from what it said on the way out."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    found = re.findall(rf"ERROR:root:{NAME}:? (?!with full trace)(.+)", text)
    if found:
        return found[-1].strip().replace("on step ", "at ").replace(" got error", "")
    if status < 0:
        return f"killed by signal {-status}"
    return _last_line(complaint) or "it wrote no profile"


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _centre(aux):
    text = aux.read_text(errors="replace") if aux.is_file() else ""
    found = re.search(r"center x: ([\d.]+) pix, y: ([\d.]+)", text)
    return np.array(found.groups() if found else (np.nan, np.nan), dtype=float)
