import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba

from pix2prof.figures import sheets
from pix2prof.figures.style import PREDICTED
from pix2prof.isophotes import method as isophotes
from pix2prof.profiles import RowFlag


def disc(size=96, noise=0.01):
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size)) - (size - 1) / 2
    return 3 * np.exp(-np.hypot(x, 2 * y) / 5) + rng.normal(0, noise, (size, size))


def test_the_sheet_numbers_images_of_any_shape_and_says_no_more():
    fig = sheets.contact_sheet([disc(64), disc(80)[:, :50], disc(32)], n_columns=2)
    shown = [ax for ax in fig.axes if ax.images]
    assert [ax.texts[0].get_text() for ax in shown] == ["0", "1", "2"]
    assert len({ax.images[0].norm.vmax for ax in shown}) == 1
    assert not any(ax.get_title() for ax in shown)


def test_every_row_of_table_1_has_its_picture():
    image = disc()
    mask = np.zeros(image.shape, bool)
    mask[10:20, 30:40] = True
    table = isophotes.measure(image, mask=mask).table()
    fig = sheets.isophote_steps(image, mask, table)
    panels = {ax.get_title(): ax for ax in fig.axes}
    assert list(panels)[:7] == [
        "centre", "sky", "foreground objects", "contours", "extended", "smoothed", "interpolated"
    ]  # fmt: skip
    blue = len(panels["contours"].patches)
    assert blue > 3 and len(panels["extended"].patches) >= blue
    orange = [p for p in panels["extended"].patches if p.get_edgecolor() == to_rgba(PREDICTED)]
    assert bool(orange) == bool((table["flag"] & RowFlag.EXTENDED).any())
    assert "mag arcsec" in panels["the profile"].get_ylabel()
    assert not plt.get_fignums()
