"""The operator's URLs: a line for each page's own."""

from starlette.routing import BaseRoute

from tollway.web.admin.aliases import AliasPages
from tollway.web.admin.base import AdminSite, admin_routes
from tollway.web.admin.jobs import JobPages
from tollway.web.admin.money import MoneyPages
from tollway.web.admin.overview import OverviewPage
from tollway.web.admin.prices import PricePages
from tollway.web.admin.providers import ProviderPages
from tollway.web.admin.records import RecordPages
from tollway.web.admin.setup import SetupPages
from tollway.web.admin.site import SitePages
from tollway.web.admin.usage import UsagePage
from tollway.web.admin.users import UserPages


def operator_routes(site: AdminSite) -> list[BaseRoute]:
    """Everything below `/admin`."""
    pages = (
        OverviewPage(site),
        UsagePage(site),
        SetupPages(site),
        ProviderPages(site),
        PricePages(site),
        AliasPages(site),
        UserPages(site),
        MoneyPages(site),
        RecordPages(site),
        JobPages(site),
        SitePages(site),
    )
    return admin_routes(site, [line for each in pages for line in each.lines()])
