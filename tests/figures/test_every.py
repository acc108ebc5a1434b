import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import QTable
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pix2prof.figures import every as figures
from pix2prof.figures.style import panel_title, stretch
from pix2prof.metrics import deviations as metrics
from pix2prof.metrics import report

T = 150
SMA = 0.2 * np.arange(1, T + 1)


@pytest.fixture(scope="module")
def evaluated():
    """Thirty exponential discs and noisy predictions of them, evaluated."""
    rng = np.random.default_rng(2)
    n = 30
    mu = rng.uniform(19, 21, n)[:, None] + 1.086 * SMA / rng.uniform(3, 6, n)[:, None]
    reference = np.where(SMA < rng.uniform(15, 30, n)[:, None], mu, np.nan)
    prediction = np.where(SMA < rng.uniform(15, 30, n)[:, None], mu, np.nan)
    prediction = prediction + rng.normal(0, 0.3, (n, 1))
    pairs = QTable(
        {
            "name": [f"SDSS J{k:06d}.00+000000.0" for k in range(n)],
            "band": np.tile(["g", "r", "i"], n // 3),
            "kpc_per_arcsec": rng.uniform(0.3, 0.8, n),
            "ellipticity": rng.uniform(0, 0.8, n),
            "r_235": rng.uniform(5, 20, n),
            "snr": np.tile([41.0, 35.0, 28.0], n // 3),
        }
    )
    table = metrics.deviations(reference, prediction, pairs)
    curves = metrics.curves(reference, prediction, pairs)
    return reference, prediction, table, curves, report.assemble(table)


def disc(seed=0, size=64):
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size)) - (size - 1) / 2
    return np.exp(-np.hypot(x, 2 * y) / 8) + rng.normal(0, 0.02, (size, size))


def words(fig):
    return "\n".join(text.get_text() for text in fig.findobj(plt.Text) if text.get_visible())


def drawings(evaluated):
    reference, prediction, table, curves, numbers = evaluated
    history = QTable(
        {
            "images": [500, 1000, 1500, 2000],
            "train_loss": [1.0, 0.5, 0.9, 0.6],
            "validation_loss": [0.9, 0.4, 0.7, 0.6],
            "stage": ["encoder", "encoder", "decoder", "decoder"],
        }
    )
    return {
        "sample_galaxies": lambda: figures.sample_galaxies(
            [disc(k) for k in range(3)], reference[:3], table["name"][:3]
        ),
        "architecture": figures.architecture,
        "profile_grid": lambda: figures.profile_grid(reference[:7], prediction[:7], table[:7]),
        "error_distribution": lambda: figures.error_distribution(
            table, curves[curves["set"] == "all"], numbers
        ),
        "error_by_band": lambda: figures.error_by_band(curves, numbers),
        "error_regressions": lambda: figures.error_regressions(table, numbers),
        "learning_curve": lambda: figures.learning_curve(history),
        "mock_sheet": lambda: figures.mock_sheet(
            np.stack([[disc(k)] * 3 for k in range(4)]), table["name"][:4], n_columns=3
        ),
        "profile_page": lambda: figures.profile_page(
            disc(), QTable({"sma": SMA, "mu": prediction[0]}), title="NGC 1", band="r"
        ),
        "real_galaxies": lambda: figures.real_galaxies(
            [
                figures.Panel(
                    "A r", QTable({"sma": SMA, "mu": prediction[0]}),
                    QTable({"sma": SMA, "mu": reference[0]}),
                ),
                figures.Panel("B r", QTable({"sma": SMA, "mu": prediction[1]})),
                figures.Panel("C r", None, note="constant image"),
            ],
            method="isophote network", n_columns=2,
        ),
    }  # fmt: skip


NAMES = [name for name in figures.__all__ if name not in ("Panel", "save_figure")]


@pytest.fixture(scope="module")
def drawn(evaluated):
    made = drawings(evaluated)
    assert set(made) == set(NAMES)
    return {name: draw() for name, draw in made.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_in_view_is_labelled_and_inside_a_column(drawn, name):
    fig = drawn[name]
    assert isinstance(fig, Figure)
    assert fig.get_size_inches()[0] in (3.35, 7.0)
    assert not plt.get_fignums()
    shared = words(fig)
    for ax in fig.axes:
        if not ax.axison:
            continue
        if ax.yaxis.get_label_text() or any(t.get_visible() for t in ax.get_yticklabels()):
            label = ax.yaxis.get_label_text()
            assert "[" in label or label == "res" or "mag arcsec" in shared


@pytest.mark.parametrize("name", NAMES)
def test_no_word_is_too_small_to_print(drawn, name):
    texts = [t for t in drawn[name].findobj(plt.Text) if t.get_visible() and t.get_text()]
    assert min(t.get_fontsize() for t in texts) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_nothing_reaches_out_of_the_figure(drawn, name):
    fig = drawn[name]
    box = fig.get_tightbbox(FigureCanvasAgg(fig).get_renderer())
    width, height = fig.get_size_inches()
    assert box.x0 > -0.01 and box.y0 > -0.01
    assert box.x1 < width + 0.01 and box.y1 < height + 0.01


@pytest.mark.parametrize(
    "name",
    ["profile_grid", "error_distribution", "error_by_band", "error_regressions", "learning_curve",
     "real_galaxies"],
)  # fmt: skip
def test_figures_of_our_errors_say_mock_galaxies(drawn, name):
    assert "mock galaxies" in words(drawn[name])


@pytest.mark.parametrize(
    "name", ["sample_galaxies", "profile_grid", "profile_page", "real_galaxies"]
)
def test_bright_is_up(drawn, name):
    labelled = [ax for ax in drawn[name].axes if ax.get_ylim()[0] > 20]
    assert labelled
    assert all(ax.yaxis_inverted() for ax in labelled)


def test_the_violins_carry_ours_and_the_papers_numbers(evaluated, drawn):
    numbers = evaluated[-1]["test"]
    text = words(drawn["error_distribution"])
    assert f"median {numbers['median']:.3f}, IQR {numbers['iqr']:.3f}" in text
    assert "(paper 0.41, IQR 0.21)" in text and "(paper 0.34, IQR 0.22)" in text
    for label in ("max", "min", "mean", r"mean + $\sigma$"):
        assert f"{label} " in text
    assert f"max {numbers['max']:.2f}" in text
    left, right = drawn["error_distribution"].axes
    assert f"median of the profiles' medians, {numbers['median']:.3f}" in words(right)
    for ax in (left, right):
        heights = [np.unique(line.get_ydata()) for line in ax.lines if line.get_ls() == "--"]
        assert heights[0] == pytest.approx([numbers["median"]])
    assert left.get_title() == "paper's network, mock galaxies"


def test_every_curve_says_of_how_many_profiles_it_is(evaluated, drawn):
    curves, text = evaluated[3], words(drawn["error_by_band"])
    for band in "gri":
        last = curves[curves["set"] == band]["n"][-1]
        assert f"${band}$, S/N {dict(g=41, r=35, i=28)[band]}; N = 10, at the end {last}" in text
    assert "N = 30, at the end" in words(drawn["error_distribution"])


def test_the_labels_of_a_violin_do_not_overlap(drawn):
    fig = drawn["error_distribution"]
    renderer = FigureCanvasAgg(fig).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in fig.axes[0].texts]
    assert len(boxes) == 10
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(a.overlaps(b) for a, b in pairs)


def test_the_regressions_state_slope_and_p(evaluated, drawn):
    fit = evaluated[-1]["regression"]["ellipticity"]
    assert f"slope ${fit['slope']:.2g}$, $p = {fit['p']:.2g}$" in words(drawn["error_regressions"])


def test_residuals_are_measured_less_predicted(evaluated, drawn):
    reference, prediction = evaluated[:2]
    residual = drawn["profile_grid"].axes[1].lines[1].get_ydata()
    np.testing.assert_allclose(residual, reference[0] - prediction[0])


def test_residuals_beyond_their_axis_are_marked_at_its_edge(evaluated):
    reference, prediction, table, *_ = evaluated
    prediction = np.where(SMA < 5, prediction, np.nan)
    prediction[0, 1:3] += (9, -9)
    bottom = figures.profile_grid(reference[:7], prediction[:7], table[:7]).axes[1]
    above, below = (line.get_xydata() for line in bottom.lines[2:])
    assert below[:, 0].tolist() == SMA[1:2].tolist() and above[:, 0].tolist() == SMA[2:3].tolist()
    low, high = bottom.get_ylim()
    assert low < below[0, 1] < 0.8 * low and 0.8 * high < above[0, 1] < high


def test_failures_are_named_in_their_panels(drawn):
    text = words(drawn["real_galaxies"])
    assert "no AutoProf" in text and "no prediction\nconstant image" in text
    assert "isophote network (trained on mock galaxies)" in text


def test_sets_without_a_profile_are_drawn_empty(evaluated):
    _, _, table, curves, _ = evaluated
    table = table.copy()
    table["deviation_bright"] *= np.nan
    fig = figures.error_distribution(table, curves[curves["set"] == "all"], report.assemble(table))
    assert "no profile" in words(fig)


@pytest.mark.parametrize("name", ["error_distribution", "sample_galaxies", "architecture"])
def test_the_same_inputs_give_the_same_bytes(evaluated, tmp_path, name):
    draw = drawings(evaluated)[name]
    first = figures.save_figure(draw(), tmp_path / "one" / "fig.v1")
    second = figures.save_figure(draw(), tmp_path / "two" / "fig.v1")
    assert [path.name for path in first] == ["fig.v1.png", "fig.v1.pdf"]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_a_png_has_200_dots_an_inch(drawn, tmp_path):
    png, _ = figures.save_figure(drawn["learning_curve"], tmp_path / "curve")
    assert plt.imread(png).shape[:2] == (480, 670)


def test_the_stretch_is_monotonic_and_survives_bad_pixels():
    image = disc()
    scaled = stretch(image)
    order = np.argsort(image.ravel())
    assert (np.diff(scaled.ravel()[order]) >= 0).all()
    assert scaled.min() >= 0 and scaled.max() == 1
    image[3, 4] = np.nan
    assert np.isfinite(stretch(image)).all()
    assert not stretch(np.full((4, 4), np.nan)).any()
    assert np.isfinite(stretch(np.ones((4, 4)))).all()


@pytest.mark.parametrize(
    ("name", "title"),
    [("NGC582-g", "NGC582 $g$"), ("M59-r", "M59-r $g$"), ("SDSS J1-manga", "J1-manga $g$")],
)
def test_a_title_has_the_band_once(name, title):
    assert panel_title(name, "g") == title


def test_the_weights_that_are_kept_are_of_the_last_stage(drawn):
    said = words(drawn["learning_curve"]).split("\n")
    assert {"kept: 0.6", "encoder", "decoder"} <= set(said)
