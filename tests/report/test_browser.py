"""The page in Chromium: console, images, filters, keyboard, accessibility, print."""

import base64
import itertools
import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra dev)")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed (Debian: chromium, chromium-driver)"
)
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,900",
)  # fmt: skip


@pytest.fixture(scope="module")
def page(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get((built.results / "report/index.html").as_uri())
    yield driver
    driver.quit()


def script(page, text, *arguments):
    return page.execute_script(text, *arguments)


def choose(page, field, value):
    script(
        page,
        "const f = document.getElementById(arguments[0]); f.value = arguments[1]; f.dispatchEvent(new Event('input'))",
        field,
        value,
    )


def shown(page):
    """The cells of the listed records."""
    return script(
        page,
        "return [...document.querySelectorAll('#records tbody tr')].map(r => [...r.children].map(c => c.textContent))",
    )


def test_no_console_messages_and_every_image_loads(page):
    script(page, "document.querySelectorAll('details').forEach(d => d.open = true)")
    script(page, "document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    states = page.execute_async_script(
        "const done = arguments[0], load = (i) => i.decode().then(() => true, () => i.alt);"
        "Promise.all([...document.images].map(load)).then(done)"
    )
    assert len(states) > 10 and set(states) == {True}
    assert page.get_log("browser") == []


def test_filters(page):
    choose(page, "f-view", "0")
    everything = shown(page)
    assert len(everything) == 12
    assert "12 of 12 test records" in script(page, "return document.getElementById('count').textContent")
    choose(page, "f-outcome", "wrong")
    wrong = shown(page)
    choose(page, "f-outcome", "right")
    right = shown(page)
    assert len(wrong) + len(right) == 12 and right
    assert all(row[2] == row[3] for row in right) and all(row[2] != row[3] for row in wrong)
    choose(page, "f-outcome", "")
    choose(page, "f-truth", "0")
    assert {row[2] for row in shown(page)} == {"NORM"}
    assert len(shown(page)) == sum(row[2] == "NORM" for row in everything)
    choose(page, "f-truth", "4")  # HYP has no record
    assert shown(page) == [] and "0 of 12" in script(page, "return document.getElementById('count').textContent")
    script(page, "document.querySelector('#filters button[type=reset]').click()")
    page.implicitly_wait(1)
    choose(page, "f-id", "00003")
    assert [row[0] for row in shown(page)] == ["00003"]
    choose(page, "f-id", "")
    choose(page, "f-order", "truth")
    truth = [float(row[4]) for row in shown(page)]
    assert truth == sorted(truth)
    script(page, "document.getElementById('f-pictures').click()")
    assert 0 < len(shown(page)) < 12
    script(page, "document.getElementById('f-pictures').click()")
    choose(page, "f-order", "id")
    choose(page, "f-view", "1")
    assert {row[2] for row in shown(page)} <= {"Normal", "Abnormal Heartbeat"}
    choose(page, "f-view", "0")


def test_record_opens_by_keyboard_with_its_overlay_and_returns_focus(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    choose(page, "f-id", "00001")
    button = page.find_element(By.CSS_SELECTOR, "#records button.open")
    button.send_keys(Keys.ENTER)
    assert script(page, "return document.getElementById('record').open")
    assert script(page, "return document.getElementById('record').contains(document.activeElement)")
    assert "00001" in page.find_element(By.ID, "record-title").text
    heat = page.find_element(By.CSS_SELECTOR, ".heat")
    assert heat.get_attribute("alt").startswith("Saliency of ResNet-34 for ")
    box, under = heat.rect, page.find_element(By.CSS_SELECTOR, ".stack img").rect
    assert all(abs(box[side] - under[side]) < 2 for side in ("x", "y", "width", "height"))
    rows = page.find_elements(By.CSS_SELECTOR, "#p-body tr")
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows] == [
        "ResNet-34",
        "Swin Transformer (backbone only)",
    ]
    total = sum(float(cell.text) for cell in rows[0].find_elements(By.TAG_NAME, "td"))
    assert abs(total - 1) < 0.005
    page.find_element(By.ID, "close").send_keys(Keys.ESCAPE)
    assert not script(page, "return document.getElementById('record').open")
    assert script(page, "return document.activeElement.textContent") == "00001"
    choose(page, "f-id", "")


def test_arrow_keys_go_through_the_records_and_the_address_names_them(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def press(key):
        ActionChains(page).send_keys(key).perform()
        return page.find_element(By.ID, "record-title").text.split()[1].rstrip(",")

    ids = [row[0] for row in shown(page)]
    page.find_element(By.CSS_SELECTOR, "#records button.open").send_keys(Keys.ENTER)
    assert [press(Keys.ARROW_RIGHT), press(Keys.ARROW_RIGHT), press(Keys.ARROW_LEFT)] == [ids[1], ids[2], ids[1]]
    assert script(page, "return location.hash") == f"#record/simulated/patient/{ids[1]}"
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert script(page, "return [location.hash, document.activeElement.textContent]") == ["#explorer", ids[1]]


def test_link_opens_its_record_whatever_the_filters_are(page):
    from selenium.webdriver.common.by import By

    choose(page, "f-outcome", "wrong")
    script(page, "location.hash = '#record/cardiac-images/paper/' + encodeURIComponent('HB(0)')")
    page.implicitly_wait(1)
    page.find_element(By.CSS_SELECTOR, "dialog[open]")
    assert "HB(0)" in page.find_element(By.ID, "record-title").text
    assert script(page, "return document.getElementById('f-view').value") == "1" and len(shown(page)) == 12
    script(page, "document.getElementById('record').close()")
    script(page, "location.hash = '#record/simulated/patient/none'")
    assert not script(page, "return document.getElementById('record').open")
    choose(page, "f-view", "0")


def test_navigation_marks_the_section_on_the_screen(page):
    def marked(place):
        text = "const done = arguments[1]; scrollTo(0, 0); arguments[0] && document.querySelector(arguments[0])"
        text += ".scrollIntoView(); setTimeout(() => done([...document.querySelectorAll('nav [aria-current]')]"
        return page.execute_async_script(text + ".map(a => a.hash)), 300)", place)

    assert marked("#saliency") == ["#saliency"]
    assert marked("#main") == ["#main"]


def test_images_have_their_size_so_that_nothing_moves(page):
    without = "return [...document.images].filter(i => !i.getAttribute('width') || !i.getAttribute('height')).length"
    assert script(page, without) == 0


def test_names_for_screen_readers(page):
    assert script(page, "return document.querySelectorAll('img:not([alt])').length") == 0
    assert script(
        page, "return [...document.querySelectorAll('figure:has(> svg)')].every(f => f.getAttribute('aria-label'))"
    )
    unnamed = script(
        page,
        "return [...document.querySelectorAll('select, input, button')].filter(f => "
        "!(f.labels && f.labels.length) && !f.textContent.trim() && !f.getAttribute('aria-label')).map(f => f.id)",
    )
    assert unnamed == []
    levels = script(
        page, "return [...document.querySelectorAll('main h2, main h3, main h4, h1')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    twice = script(
        page, "const i=[...document.querySelectorAll('[id]')].map(e=>e.id); return i.filter((x,n)=>i.indexOf(x)!==n)"
    )
    assert twice == []
    missing = script(
        page, "return [...document.querySelectorAll('nav a')].map(a => a.hash).filter(h => !document.querySelector(h))"
    )
    assert missing == [] and script(page, "return document.documentElement.lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_text(page, scheme):
    """WCAG AA: a contrast of at least 4.5."""
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    worst = script(
        page,
        """
        const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map((v) => v / 255).map((v) =>
          v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = light(getComputedStyle(document.body).backgroundColor);
        const texts = document.querySelectorAll("p, li, td, th, caption, a, figcaption, h2, summary, .interval");
        return [...texts].map((e) => {
          const own = light(getComputedStyle(e).color);
          return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05); }).reduce((a, b) => Math.min(a, b));
        """,
    )
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert worst >= 4.5


@pytest.mark.parametrize("width", [360, 1200])
def test_no_horizontal_scrolling(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    assert script(page, "return document.documentElement.scrollWidth") <= width
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_to_pdf(page):
    printed = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert printed.startswith(b"%PDF") and len(printed) > 50_000


def test_closed_parts_are_not_printed(page):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    folded = "return [...document.querySelectorAll('details:not([open]):not(.thumbs *)')].map(d => d.offsetHeight)"
    script(page, "document.querySelectorAll('main > details').forEach(d => d.open = false)")
    assert set(script(page, folded)) == {0} and script(page, "return document.querySelector('nav').offsetHeight") == 0
    assert script(page, "return document.querySelector('.thumbs img').offsetHeight") > 0
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
