"""Figures in one style."""

import pytest

from fc_assets.foundation.presentation.figures import DPI, WIDEST, new_figure, to_png


def test_a_figure_has_its_axes_row_by_row_and_becomes_a_png() -> None:
    figure, axes = new_figure(4, 3, columns=3, rows=2)
    assert len(axes) == 6
    assert [axis.get_subplotspec().colspan.start for axis in axes] == [0, 1, 2, 0, 1, 2]
    assert not any(axis.spines[side].get_visible() for axis in axes for side in ("top", "right"))
    png = to_png(figure)
    assert png.startswith(b"\x89PNG")
    assert b"Software" not in png, "the version of matplotlib is no part of a picture"
    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    assert (width, height) == (4 * DPI, 3 * DPI)


def test_a_figure_that_the_pages_dialog_cannot_show_is_refused() -> None:
    with pytest.raises(ValueError, match=r"13 inches wide does not fit"):
        new_figure(13, 4)
    figure, _ = new_figure(WIDEST, 4)
    assert int.from_bytes(to_png(figure)[16:20], "big") <= 1080
