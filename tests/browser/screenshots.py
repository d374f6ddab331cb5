"""``make screenshots``: every view in both languages, light and dark, as a phone and as a desk shows it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import chromium
from tests.browser.gallery import furnish, views
from tests.support.api import Api
from tests.support.served import serving

SIZES = {"360x740": (360, 740), "1280x800": (1280, 800)}


def main(folder: Path) -> None:
    """Writes NAME-LANGUAGE-THEME-SIZE.png into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        api = Api(Path(state))
        furnish(api)
        with serving(api, Path(state)) as port:
            for language in ("nb", "en"):
                locale = {"nb": "nb-NO", "en": "en-GB"}[language]

                def open_(url: str, locale: str = locale) -> Any:
                    page = browser.new_context(locale=locale, device_scale_factor=2).new_page()
                    page.set_viewport_size({"width": 360, "height": 740})
                    page.goto(url)
                    return page

                for name, person in views(api, f"http://127.0.0.1:{port}", open_, language):
                    shoot(person.page, folder, f"{name}-{language}")
        api.close()
        browser.close()


THEME = """(theme) => {
  document.documentElement.dataset.theme = theme;
  document.querySelector(`[name=theme][value=${theme}]`)?.click();
}"""


def shoot(page: Any, folder: Path, name: str) -> None:
    for theme in ("dark", "light"):
        page.evaluate(THEME, theme)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            (folder / f"{name}-{theme}-{size}.png").write_bytes(page.screenshot())
    page.set_viewport_size({"width": 360, "height": 740})


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
