"""The route explorer with scripts: a slider for each price cap, and the plan that follows as one moves it."""

import re

from playwright.sync_api import expect

from tests.browser.visitor import Form, Visits, in_each_form


@in_each_form
def test_a_cap_by_slider(visit: Visits, form: Form) -> None:
    """Its lowest step leaves the cheapest endpoints, its end all; the focus stays, and the URL says the same."""
    page = visit().open("/explore?model=openai/gpt-oss-120b")
    heading, slider = page.locator("#tried-title"), page.get_by_role("slider", name=re.compile("^Slider: Input"))
    before = heading.inner_text()
    slider.focus()
    page.keyboard.press("Home")
    expect(heading).not_to_have_text(before)
    expect(page.locator("#out-title")).to_be_visible()
    expect(slider).to_be_focused()
    expect(page).to_have_url(re.compile(r"[?&]in=[0-9.]+"))
    cap = page.locator("input[name=in]").input_value()
    assert f"in={cap}" in page.url
    assert cap in (slider.get_attribute("aria-valuetext") or "")
    expect(page.locator("#announcements")).to_have_text(heading.inner_text())
    expect(page.locator("p.files a").first).to_have_attribute("href", re.compile("in="))
    page.keyboard.press("End")
    expect(heading).to_have_text(before)
    expect(page).not_to_have_url(re.compile(r"[?&]in="))


def test_a_cap_as_one_types(visit: Visits) -> None:
    """The plan follows the field, and so does the slider; a model that is not there says so, and nothing is lost."""
    page = visit().open("/explore?model=openai/gpt-oss-120b")
    page.get_by_label("Input at most, $ per 1M", exact=True).press_sequentially("0.000001")
    expect(page.locator("#tried-title")).to_have_count(0)
    expect(page.get_by_role("slider", name=re.compile("^Slider: Input"))).to_have_value("0")
    page.get_by_label("Model").fill("no/such")
    expect(page.get_by_role("alert")).to_contain_text("no/such")
    page.get_by_label("Model").fill("")
    expect(page).to_have_url(re.compile("model=&"))
    expect(page.get_by_role("alert")).to_be_visible()
