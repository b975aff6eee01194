"""Images and files by URL, for a provider that takes only bytes: fetched once for a request, whoever is tried after."""

import asyncio

from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest, MediaKind
from tollway.domain.quirks import Quirks
from tollway.gateway.run import ChatRun
from tollway.upstream.fetch import Fetcher, FetchFailed
from tollway.wire.formats import CLIENTS
from tollway.wire.media_urls import foreign_urls, with_data

URLS_MAX = 32
"""For one request; more are refused."""
TOTAL_MAX = 100 * 2**20
"""Characters of data URLs for one request."""


async def request_for(run: ChatRun, wire_format: WireFormat, quirks: Quirks, fetcher: Fetcher) -> ChatRequest:
    """The caller's request as this provider can read it. FetchFailed: an image or a file can't be had."""
    wire = CLIENTS[wire_format]

    def takes_url(kind: MediaKind, url: str) -> bool:
        return kind in quirks.takes_urls if quirks.takes_urls is not None else wire.takes_url(kind, url)

    urls = foreign_urls(run.request, takes_url)
    if not urls:
        return run.request
    if len(urls) > URLS_MAX:
        raise FetchFailed(f"The request names {len(urls)} images and files by URL; {URLS_MAX} are fetched at most.")
    if run.fetched is None:
        run.fetched = {}
    missing = [url for url in urls if url not in run.fetched]
    found = await asyncio.gather(*(fetcher.data_url(url, urls[url]) for url in missing), return_exceptions=True)
    for url, data in zip(missing, found, strict=True):
        if isinstance(data, BaseException) and not isinstance(data, FetchFailed):
            raise data
        run.fetched[url] = data
    for url in urls:
        if isinstance(failed := run.fetched[url], FetchFailed):
            raise failed
    data_urls = {url: data for url, data in run.fetched.items() if isinstance(data, str)}
    if sum(map(len, data_urls.values())) > TOTAL_MAX:
        raise FetchFailed(f"The images and files that the request names by URL are larger than {TOTAL_MAX >> 20} MB.")
    return with_data(run.request, data_urls)
