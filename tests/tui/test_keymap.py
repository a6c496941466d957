"""Keys of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtgf_node.errors import RtgfError
from tests.tui.driving import Driver, drive
from tui.app import _named_bindings
from tui.screens import SCREENS


def test_a_key_of_ones_own_goes_to_its_screen_and_stands_on_its_tab(tmp_path):
    file = tmp_path / "keys.toml"
    file.write_text('[keys]\n"go.log" = "l"\n"row.related" = "f"\n')

    async def story(driver: Driver) -> None:
        assert "l Log" in driver.text()
        await driver.press("l")
        assert driver.app.pane.NAME == "log"
        assert " f go to its subject" in driver.text()
        await driver.press("f")
        assert driver.app.pane.NAME == "registry"
        await driver.press("2")
        assert driver.app.pane.NAME == "registry"

    drive(story, keys=file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[keys]\n"go.lug" = "l"\n', "did you mean go.log?"),
        ('[keys]\n"go.log" = "x"\n"go.registry" = "x"\n', "'x' is both go.log and go.registry"),
        ("[kays]\n", "kays"),
        ("[keys", "keys.toml"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, said):
    file = tmp_path / "keys.toml"
    file.write_text(text)

    async def story(driver: Driver) -> None:
        raise AssertionError("it was taken")

    with pytest.raises(RtgfError, match="CONFIG_INVALID") as refused:
        drive(story, keys=file)
    assert said in str(refused.value)


def test_every_binding_stands_on_the_page_about_keys():
    page = (Path(__file__).resolve().parents[2] / "docs/dashboard.md").read_text()
    for name in _named_bindings():
        group, _, rest = name.partition(".")
        said = rest if group == "act" else name
        is_screen = group == "go" and rest in {one.NAME for one in SCREENS}
        assert f"`{said}`" in page or (is_screen and "`go.` and a screen" in page), name
