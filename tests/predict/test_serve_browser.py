"""The local page in Chromium: a dropped file is shown with its page, image, probabilities and overlay."""

import base64
import json
import os
import shutil

import pytest

from ecgpipe.predict import NOTICE

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra dev)")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.xdist_group("predict"),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not there (Debian: chromium, chromium-driver)"
    ),
]
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,1300",
)  # fmt: skip
BROWSERS_OWN = ("about:", "chrome:", "chrome-untrusted:")  # in the browser's program, no network
DROP = """
const [name, base64] = arguments, bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name));
document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""


def test_a_dropped_file(made, served, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        page.get("about:blank")  # the browser's own new tab asks for things, too: leave it, forget what it asked for
        page.get_log("performance")
        page.get(served.address)
        assert page.find_element(By.ID, "notice").text == NOTICE
        wait = WebDriverWait(page, 60)
        page.execute_script(DROP, "<b>page.png", base64.b64encode(made.pages["00001"]).decode())
        wait.until(lambda _: page.find_elements(By.TAG_NAME, "article"))
        assert page.find_element(By.TAG_NAME, "h2").text == "<b>page.png"  # as text
        rows = [row.text for row in page.find_elements(By.CSS_SELECTOR, "tbody tr")]
        assert (
            sorted(row.split()[0] for row in rows) == ["MI", "NORM"]
            and sum("most probable" in row for row in rows) == 1
        )
        pictures = page.find_elements(By.CSS_SELECTOR, "article img")
        loaded = page.execute_async_script(
            "Promise.all([...document.querySelectorAll('article img')].map(i => i.decode().then(() => i.naturalWidth)))"
            ".then(arguments[0])"
        )
        assert len(pictures) == 3 and min(loaded) >= 640

        before = pictures[2].get_attribute("src")
        select = Select(page.find_element(By.CSS_SELECTOR, "article select"))
        other = next(one.text for one in select.options if not one.is_selected())
        select.select_by_visible_text(other)
        wait.until(lambda _: pictures[2].get_attribute("alt").endswith(f"of the class {other}"))
        assert pictures[2].get_attribute("src") != before

        page.find_element(By.ID, "file").send_keys(str(write(tmp_path / "notes.png", b"no image, but words")))
        wait.until(lambda _: page.find_elements(By.CSS_SELECTOR, ".error"))
        assert "notes.png: a text file, not an image" in page.find_element(By.CSS_SELECTOR, ".error").text
        page.set_window_size(390, 844)
        width, room = page.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert width <= room
        page.set_window_size(1200, 1300)
        if folder := os.environ.get("ECGPIPE_SCREENSHOTS"):
            page.save_screenshot(os.path.join(folder, "serve.png"))
        assert page.get_log("browser") == []  # the policy lets all through that the page needs
        asked = {line for entry in page.get_log("performance") for line in requested(entry["message"])}
        away = {address for address in asked if not address.startswith((served.address, "data:", *BROWSERS_OWN))}
        assert served.address in asked and away == set()
    finally:
        page.quit()


def write(path, content):
    path.write_bytes(content)
    return path


def requested(message):
    """The address of a request, if the log's message is of one."""
    entry = json.loads(message)["message"]
    return [entry["params"]["request"]["url"]] if entry["method"] == "Network.requestWillBeSent" else []
