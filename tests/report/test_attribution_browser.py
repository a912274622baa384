"""The page of attributions in headless Chromium: quick, quiet, searchable, drawn as genomelm.report draws."""

import json
import re

import numpy as np
import pytest
from example_attribution import write_attribution, write_summary

from genomelm.report import locus_figure
from genomelm.report.attribution import page as attribution_page

HOSTILE = "<script>window.broken = 1</script><img src=x onerror=window.broken=1> $(touch /tmp/x)"


@pytest.fixture
def expect():
    """Playwright's waiting assertions: a page without `eval` cannot wait for a function."""
    return pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def written(finished_attribution, tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "p.html"
    return path, attribution_page.write(finished_attribution, path)


@pytest.fixture
def visit(browser):
    """Open a page of a width; whatever it says on the console, throws or asks for is an error at the end."""
    opened = []

    def go(path, width=1280, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        wrong = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        opened.append((page, wrong))
        return page

    yield go
    for page, wrong in opened:
        page.close()
        assert wrong == []


def test_open_regions_and_the_first_variant_are_drawn(visit, written, expect):
    page = visit(written[0])
    page.wait_for_selector("[data-variants] svg")
    expect(page.locator("details.locus[open] svg")).to_have_count(3)
    assert page.locator("details.locus svg").count() == 3
    told = page.locator("[data-variants] figcaption").inner_text()
    assert told.startswith(written[1]["sets"][0]["variants"]["listed"][0]["id"])
    text = page.locator("details.locus[open] svg").first.inner_html()
    assert text.index("ISM support") < text.index("not attribution") < text.index("attention 1")


def test_the_page_draws_what_the_library_draws(visit, written):
    page = visit(written[0])
    locus = written[1]["sets"][0]["regions"]["drawn"][0]
    sequence, ism = locus["sequence"], np.array(locus["ism"])
    heights = -ism.sum(axis=-1) / 3
    _, parts = locus_figure.logo("ISM support", heights, sequence)
    drawn = page.evaluate(
        "([s, h]) => logo('', s, h)[1].map((part) => part.outerHTML).join('')", [sequence, heights.tolist()]
    )
    assert paths(drawn) == paths("".join(parts))
    _, parts = locus_figure.heat_map(ism, sequence, 0, tooltips=False)
    drawn = page.evaluate(
        "([m, s]) => heatMap(m, s, 0)[1].map((part) => part.outerHTML).join('')", [ism.tolist(), sequence]
    )
    found, wanted = cells(drawn), cells("".join(parts))
    assert found.keys() == wanted.keys()
    assert max(abs(a - b) for key in wanted for a, b in zip(found[key], wanted[key], strict=True)) <= 1


def paths(source):
    """Fill -> path, each coordinate to the half pixel."""
    found = re.findall(r'<path [^>]*?d="([^"]*)" fill="(#\w+)"', source)
    return {fill: [round(2 * float(n)) / 2 for n in re.findall(r"-?\d+(?:\.\d+)?", d)] for d, fill in found}


def cells(source):
    """Place of a cell -> red, green, blue."""
    found = re.findall(r'<path [^>]*?d="([^"]*)" fill="#(\w+)"', source)
    return {cell: tuple(bytes.fromhex(fill)) for d, fill in found for cell in d.split("M")[1:]}


def test_search_and_sort(visit, written):
    page = visit(written[0])
    rows = page.locator("#table-alleles-0 tbody tr")
    page.get_by_label("Search variants").fill("v0003")
    assert page.locator("#table-alleles-0 tbody tr:visible").count() == 1
    assert page.locator("[data-shown='table-alleles-0']").inner_text() == "1 of 10 rows"
    page.get_by_label("Search variants").fill("")
    header = page.locator("#table-alleles-0 thead th", has_text="score").locator("button")
    for expected in ("ascending", "descending"):
        header.click()
        assert page.locator("#table-alleles-0 th[aria-sort]").get_attribute("aria-sort") == expected
        values = [
            float(v)
            for v in rows.locator("td:nth-child(6)").evaluate_all("cells => cells.map((c) => c.dataset.value)")
            if v != "None"
        ]
        assert values == sorted(values, reverse=expected == "descending")


def test_everything_is_reached_by_keyboard(visit, written, expect):
    page = visit(written[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#locus-0-5 summary").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#locus-0-5 svg")
    button = page.locator("#table-alleles-0 button[data-variant='4']")
    button.focus()
    page.keyboard.press("Enter")
    wanted = written[1]["sets"][0]["variants"]["listed"][4]["id"]
    expect(page.locator("[data-variants] figcaption")).to_have_text(re.compile("^" + re.escape(wanted)))
    assert button.get_attribute("aria-pressed") == "true"
    page.locator("#table-regions-0 a", has_text="r0009").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#locus-0-8[open] svg")


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_does_not_scroll_sideways(visit, written, width):
    page = visit(written[0], width)
    page.wait_for_selector("details.locus[open] svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_shows_the_verdict_the_tables_and_what_is_open(visit, written):
    page = visit(written[0])
    page.wait_for_selector("details.locus[open] svg")
    page.emulate_media(media="print")
    assert page.locator(".checks .badge").first.is_visible()
    assert page.locator("details.locus:visible").count() == 3
    assert not page.locator("nav").is_visible()
    assert page.locator(".tall").first.evaluate("box => box.scrollHeight <= box.clientHeight")
    assert page.pdf()[:4] == b"%PDF"


def test_without_scripts_the_verdict_and_the_tables_stand(visit, written):
    page = visit(written[0], java_script_enabled=False)
    assert page.locator(".checks li").count() == 15
    assert page.locator("#table-alleles-0 tbody tr").count() == 10
    assert page.locator(".motif svg.logo").count() == 12
    assert "does not run here" in page.locator("#loci ~ noscript").inner_text()


def test_names_from_files_stay_text(visit, attribution, tmp_path, expect):
    for file in attribution.glob("*.tsv"):
        text = file.read_text()
        for name in ("promoter0", "motif_1", "motif_2", "site TATAAT", "MA0002.1", "chr1", "r0001", "<DEL>", "v0001"):
            text = text.replace(name, HOSTILE)
        file.write_text(text)
    write_summary(attribution, 12, 80, {"signal": {"distinguishable": False, "p": 0.5, "against": HOSTILE}})
    attribution_page.write(attribution, tmp_path / "p.html")
    page = visit(tmp_path / "p.html")
    page.wait_for_selector("[data-variants] svg")
    for details in page.locator("details.locus:not([open]) summary").all()[:2]:
        details.click()
    expect(page.locator("details.locus svg")).to_have_count(5)
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator(".notice").first.inner_text()
    assert HOSTILE in page.locator("details.locus svg text", has_text="touch").first.text_content()


def test_200_regions_and_2000_variants_open_light(visit, tmp_path):
    """What opening costs, counted: bytes, elements, drawings, and the processor seconds of the page's own thread."""
    folder = write_attribution(tmp_path / "big", regions=200, length=300, variants=2000)
    attribution_page.write(folder, tmp_path / "p.html")
    assert (tmp_path / "p.html").stat().st_size < 6_000_000
    page = visit(tmp_path / "p.html")
    page.wait_for_selector("details.locus[open] svg")
    page.wait_for_selector("[data-variants] svg")
    assert page.locator("details.locus").count() == 200
    assert page.locator("#table-alleles-0 tbody tr").count() == 2001 - 1
    assert page.locator("details.locus svg").count() == 3
    assert page.evaluate("document.querySelectorAll('*').length") < 50_000
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    spent = {row["name"]: row["value"] for row in session.send("Performance.getMetrics")["metrics"]}
    assert spent["ThreadTime"] < 2
    page.locator("details.rest > summary").click()
    page.locator("#locus-0-150 summary").click()
    page.wait_for_selector("#locus-0-150 svg")
    page.locator("details.rest > summary").click()
    page.get_by_role("link", name="r0100", exact=True).first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#locus-0-99 svg")


def test_the_numbers_in_the_page_are_those_of_the_json(visit, written):
    page = visit(written[0])
    assert page.evaluate("numbers()") == json.loads(written[0].with_suffix(".json").read_text())
