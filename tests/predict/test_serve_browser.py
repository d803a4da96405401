"""The local page in Chromium: dropped and chosen files, their pictures and leads, enlarging, downloads."""

import base64
import json
import os
import shutil
from contextlib import contextmanager

import pytest

from ecgpipe.predict import NOTICE

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra dev)")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
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

DROP_FOLDER = """
const file = (name, base64, type) => new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, {type});
const entry = (file) => ({isFile: true, isDirectory: false, name: file.name, file: (done) => done(file)});
const folder = (name, content) => ({isFile: false, isDirectory: true, name, createReader: () => ({
  readEntries: (done) => done(content.splice(0, 2))  // not all at once
})});
const inner = folder("below", [entry(file("b.png", "d29yZHM=", "image/png"))]);
const content = ["notes.txt", ".hidden.png"].map((name) => entry(file(name, "d29yZHM=", "")));
const scans = folder("scans", [...content, entry(file("a.png", arguments[0], "image/png")), inner]);
const items = [scans, folder("empty", [])].map((each) => ({kind: "file", webkitGetAsEntry: () => each}));
const event = new Event("drop", {bubbles: true, cancelable: true});
Object.defineProperty(event, "dataTransfer", {value: {items, files: [new File([], "scans"), new File([], "empty")]}});
document.dispatchEvent(event);
"""
BUSY_ONCE = """
const whole = window.fetch;
let asked = 0;
const busy = {status: 503, headers: {"retry-after": "1"}};
window.fetch = async (...all) => asked++ ? whole(...all) : new Response("the server is busy", busy);
"""


@contextmanager
def opened(address, folder):
    """The browser with a page; at the end, the page must have had no errors and asked only its own server."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        page.get("about:blank")  # the browser's own new tab asks for things, too: leave it, forget what it asked for
        page.get_log("performance")
        page.get(address)
        yield page
        assert page.get_log("browser") == []  # the policy lets all through that the page needs
        asked = {line for entry in page.get_log("performance") for line in requested(entry["message"])}
        own = (address, f"blob:{address}", "data:", *BROWSERS_OWN)
        assert address in asked and {each for each in asked if not each.startswith(own)} == set()
    finally:
        page.quit()


def test_a_dropped_file(made, served, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    with opened(served.address, tmp_path) as page:
        assert not page.find_element(By.ID, "network").is_displayed()
        assert not page.find_element(By.ID, "photo").is_displayed()
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


def test_a_failed_overlay_leaves_the_class_of_the_picture(made, served, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    with opened(served.address, tmp_path) as page:
        wait = WebDriverWait(page, 60)
        page.execute_script(DROP, "page.png", base64.b64encode(made.pages["00001"]).decode())
        wait.until(lambda _: page.find_elements(By.TAG_NAME, "article"))
        select = Select(page.find_element(By.CSS_SELECTOR, "article select"))
        shown = select.first_selected_option.text
        page.execute_script("window.fetch = async () => { throw new TypeError('the server is gone'); };")
        select.select_by_visible_text(next(one.text for one in select.options if not one.is_selected()))
        wait.until(lambda _: page.find_elements(By.CSS_SELECTOR, "article > .error"))
        assert select.first_selected_option.text == shown
        assert not page.find_elements(By.CSS_SELECTOR, "article.busy")


def test_several_files_for_a_model_of_recordings(made, served_recordings, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    files = [write(tmp_path / f"{name}.png", made.pages[name]) for name in ("00001", "00002")]
    files.insert(1, write(tmp_path / "notes.png", b"no image, but words"))
    with opened(served_recordings.address, tmp_path) as page:
        find = lambda selector: page.find_element(By.CSS_SELECTOR, selector)  # noqa: E731
        every = lambda selector: page.find_elements(By.CSS_SELECTOR, selector)  # noqa: E731
        wait = WebDriverWait(page, 120)
        assert find("#network").is_displayed()
        find("#file").send_keys("\n".join(map(str, files)))
        assert [line.text.split()[0] for line in every("#queue li")] == ["00001.png", "notes.png", "00002.png"]
        every("#queue li")[2].find_element(By.TAG_NAME, "button").click()
        wait.until(lambda _: find("#status").text == "3 of 3 files done")
        states = [state.text for state in every("#queue .state")]
        assert states[1:] == ["not predicted", "stopped"] and states[0].split()[0] in {"NORM", "MI"}
        assert [heading.text for heading in every("article h2")] == ["00001.png"]
        assert "notes.png: a text file" in find(".error").text

        leads = {name.text for name in every("svg.plot .lead")}
        assert leads == {"I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"}
        traces = [trace.get_attribute("d") for trace in every("svg.plot .trace")]
        assert len(traces) == 13 and min(trace.count("L") for trace in traces) > 500
        assert every("svg.plot .heat") and not every("article img.image")
        assert "3 rows of 4 leads" in find("dl").text and "77 validation records" in find(".sure").text
        marked = find("img.overlay").get_attribute("src")
        Select(find("article select")).select_by_value("")
        wait.until(lambda _: not every("svg.plot .heat"))
        assert find("img.overlay").get_attribute("src") != marked

        width = "return document.querySelector('#zoom .view').firstElementChild.getBoundingClientRect().width"
        for picture in every("article .enlarge"):
            picture.click()
            fits = page.execute_script(width)
            find("#zoom .larger").click()
            assert 1.3 * fits < page.execute_script(width) < 1.5 * fits and fits <= 1200
            find("#zoom .close").click()
            assert not find("#zoom").is_displayed()

        for what, name in (("report", "00001-report.pdf"), ("record", "00001.zip")):
            find(f"article .{what}").click()
            wait.until(lambda _, name=name: (tmp_path / name).exists())
        page.set_window_size(390, 844)
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        page.set_window_size(1200, 1300)
        if folder := os.environ.get("ECGPIPE_SCREENSHOTS"):
            page.save_screenshot(os.path.join(folder, "serve-recordings.png"))
        find("#clear").click()
        assert not every("article") and not find("#queue").is_displayed()


def test_a_folder_a_busy_server_and_another_speed(made, served_recordings, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    with opened(served_recordings.address, tmp_path) as page:
        find = lambda selector: page.find_element(By.CSS_SELECTOR, selector)  # noqa: E731
        every = lambda selector: page.find_elements(By.CSS_SELECTOR, selector)  # noqa: E731
        wait = WebDriverWait(page, 120)
        page.execute_script(BUSY_ONCE)
        page.execute_script(DROP_FOLDER, base64.b64encode(made.pages["00001"]).decode())
        wait.until(lambda _: every("#status") and find("#status").text == "2 of 2 files done")
        assert [heading.text for heading in every("article h2")] == ["a.png"]
        errors = [error.text for error in every(".error")]
        assert errors[:2] == [
            "scans: 1 other file in this folder left out",
            "empty: a folder without photos, scans or PDF files",
        ]
        assert len(errors) == 3 and errors[2].startswith("b.png: a text file")

        assert "Paper speed\n25 mm/s" in find("dl").text
        Select(find("article .speed")).select_by_value("50")
        wait.until(lambda _: "Paper speed\n50 mm/s" in find("dl").text)
        assert Select(find("article .speed")).first_selected_option.text == "50 mm/s" and len(every("article")) == 1
        find("#queue a").click()
        assert page.execute_script("return document.activeElement.textContent") == "a.png"
        if folder := os.environ.get("ECGPIPE_SCREENSHOTS"):
            page.save_screenshot(os.path.join(folder, "serve-again.png"))


def write(path, content):
    path.write_bytes(content)
    return path


def requested(message):
    """The address of a request, if the log's message is of one."""
    entry = json.loads(message)["message"]
    return [entry["params"]["request"]["url"]] if entry["method"] == "Network.requestWillBeSent" else []
