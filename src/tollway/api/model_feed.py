"""The list of models as RSS 2.0, for readers that tell what is new."""

import re
from collections.abc import Sequence
from email.utils import formatdate
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from tollway.routing.market import Offer

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ITEMS_MAX = 200


def feed(offers: Sequence[Offer], public_url: str) -> bytes:
    """The first ones of a list; each links to the table of models, searched for it."""
    items = "".join(_item(offer, public_url) for offer in offers[:ITEMS_MAX])
    title = f"<title>Models at {_text(public_url)}</title><link>{_text(public_url)}/</link>"
    about = "<description>Models that can be called here, the newest first</description>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>{title}{about}{items}</channel></rss>\n'
    ).encode()


def _item(offer: Offer, public_url: str) -> str:
    model = offer.model
    link = f"{public_url}/?{urlencode({'q': model.id})}"
    made = f"<pubDate>{formatdate(model.created_s, usegmt=True)}</pubDate>" if model.created_s else ""
    return (
        f"<item><title>{_text(model.name)}</title><link>{_text(link)}</link>"
        f'<guid isPermaLink="false">{_text(model.id)}</guid>{made}'
        f"<description>{_text(model.description)}</description></item>"
    )


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("", text))
