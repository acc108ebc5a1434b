import itertools
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from comparisons import LABELS, synthetic
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from pix2prof.compare import disputes
from pix2prof.compare import summaries as comparison_tables
from pix2prof.figures import methods as figures
from pix2prof.figures.style import method_style, save_figure


def words(fig):
    return "\n".join(text.get_text() for text in fig.findobj(plt.Text) if text.get_visible())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_every_method_has_its_violins_and_its_curve(n):
    fig = figures.method_errors(comparison_tables.errors(synthetic(), LABELS[:n]))
    assert isinstance(fig, Figure) and len(fig.axes) == n + 1
    text = words(fig)
    assert all(text.count(label) >= 2 for label in LABELS[:n])
    assert text.count("(paper") == 2
    assert ("1 of 6 without a profile" in text) == (n == 3)


def test_a_method_without_any_profile_is_said_so():
    measured = comparison_tables.errors(synthetic(), LABELS[2:])
    compared = synthetic()
    compared.mu[2] = np.nan
    measured |= comparison_tables.errors(compared, LABELS[2:])
    text = words(figures.method_errors(measured))
    assert "no profile" in text and "6 of 6 without a profile" in text


def test_speed_stands_against_accuracy_and_failures_are_marked():
    summary = comparison_tables.summarise(synthetic())
    fig = figures.accuracy_and_speed(summary, hardware="a Processor")
    ax = fig.axes[0]
    points = {tuple(np.round(line.get_xydata()[0], 3)): line.get_marker() for line in ax.lines}
    assert points[(10.0, 0.5)] == "o" and points[(0.208, 0.1)] == "X"
    assert "1 of 6 failed" in words(fig) and "a Processor" in words(fig)
    assert "6 images of mock galaxies" in words(fig)
    assert ax.get_xlabel().startswith("images per second")
    assert ax.get_xscale() == "log"


def test_the_gallery_draws_isophotes_where_they_are():
    compared = synthetic()
    rows = disputes.most_disputed(compared, 10)
    notes, caption = disputes.verdicts(compared, rows)
    images = np.random.default_rng(0).normal(size=(len(rows), 64, 64))
    fig = figures.isophote_gallery(
        compared, rows, images=list(images), notes=notes, caption=caption, levels=(23.0,)
    )
    drawn = fig.axes[2].findobj(Ellipse)
    sma = (23 - 19 - 0.02) / 1.0857 * 4
    assert drawn[0].width / 2 == pytest.approx(sma, abs=0.3)
    assert drawn[0].angle == 40 and drawn[0].height / drawn[0].width == pytest.approx(0.7)
    assert "closest: classical" in words(fig) and "on all 6" in words(fig)
    small = [t for t in fig.findobj(plt.Text) if t.get_text() and t.get_fontsize() < 7]
    assert not small


def test_without_images_there_are_profiles_alone():
    fig = figures.isophote_gallery(synthetic(), range(6))
    assert len(fig.axes) == 6
    assert len(fig.axes[0].lines) == 4


def test_titles_stay_in_their_columns():
    compared = synthetic()
    names = [f"J1237648721789256091-manga-{k:02d}-{'gri'[k % 3]}" for k in range(6)]
    compared = replace(compared, images=compared.images.copy())
    compared.images["name"] = names
    fig = figures.isophote_gallery(compared, range(6), n_columns=6)
    titles = [text for text in fig.texts if "J123" in text.get_text()]
    boxes = [text.get_window_extent() for text in titles]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes)) and len(boxes) == 6
    assert len({text.get_text() for text in titles}) == 6
    assert all(f"{k:02d} $" in text.get_text() for k, text in enumerate(titles))


def test_the_same_figure_twice_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_figure(figures.isophote_gallery(synthetic(), range(3)), tmp_path / name)
    for suffix in (".png", ".pdf"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_methods_have_a_look_of_their_own():
    others = ("isophote network", "AutoProf", "classical, mask known", "transformer network")
    assert len({method_style(label) for label in (*LABELS, *others)}) == 7
