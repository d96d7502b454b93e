"""What axe finds on a page, for tests in the browser."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page

ATTEMPTS = 5


def serious_findings(page: Page) -> list[str]:
    """Serious and critical ones, each with the place. A page may load again by itself in the middle, as that of alerts
    does for news; it is then examined from the beginning."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _serious_findings(page)
        except Error as error:
            if "Execution context was destroyed" not in str(error):
                raise
            page.wait_for_load_state()
    return _serious_findings(page)


def _serious_findings(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {violation['nodes'][0]['html']}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]
