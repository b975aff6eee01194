"""What the built-in content filters find: personal data, secrets, and the best-known words of prompt injection."""

import ipaddress
from collections.abc import Callable, Mapping

from msgspec import Struct

from tollway.domain.content_filters import Builtin


class Finder(Struct, frozen=True):
    """Expressions in RE2's words, and what a match must be besides."""

    patterns: tuple[str, ...]
    holds: Callable[[str], bool] | None = None


def is_card(text: str) -> bool:
    """13 to 19 digits whose last one checks the others (Luhn, ISO/IEC 7812-1)."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def is_ssn(text: str) -> bool:
    """No number begins with 000, 666 or 9, and no group is all zeros (SSA)."""
    area, group, serial = text.replace(" ", "-").split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def is_phone(text: str) -> bool:
    """8 to 15 digits (E.164)."""
    return 8 <= sum(each.isdigit() for each in text) <= 15


def is_ip_address(text: str) -> bool:
    """An address, of version 4 or 6, with a digit: `std::dec` has none."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(each.isdigit() for each in text)


_KEYS = (
    r"sk-(?:ant-|or-|proj-|svcacct-)?[A-Za-z0-9_\-]{20,}",
    r"gh[opsur]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_\-]{20,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_\-]{35}",
    r"xox[abeprs]-[A-Za-z0-9\-]{10,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{40,}",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",
    r"whsec_[A-Za-z0-9+/=]{24,}",
    r"npm_[A-Za-z0-9]{36}",
    r"eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}",
)
"""Beginnings by which their issuers mark them, so that scanners find them."""
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
"""Of a host's name."""
_SPACE = r"[\s,.;:!]{1,4}"
_PRIOR = r"(?:previous|prior|above|earlier|preceding|foregoing|system)"
_ORDERS = r"(?:instructions?|prompts?|rules?|directions?|guidelines?|orders?|messages?|context)"

FINDERS: Mapping[Builtin, Finder] = {
    Builtin.EMAIL: Finder((rf"[A-Za-z0-9._%+\-]{{1,64}}@(?:{_LABEL}\.){{1,8}}[A-Za-z]{{2,24}}\b",)),
    Builtin.PHONE: Finder(
        (
            r"\+[1-9]\d{0,2}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d{1,4}(?:[ .\-]?\d{2,4}){1,5}\b",
            r"(?:\b1[ .\-])?(?:\(\d{3}\) ?|\b\d{3}[ .\-])\d{3}[ .\-]\d{4}\b",
        ),
        is_phone,
    ),
    Builtin.SSN: Finder((r"\b\d{3}[\- ]\d{2}[\- ]\d{4}\b",), is_ssn),
    # As cards have their digits: a number that follows, such as a code for safety, hides none.
    Builtin.CREDIT_CARD: Finder(
        (
            r"\b\d{13,19}\b",
            r"\b\d{4}(?:[ \-]\d{4}){3}\b",
            r"\b\d{4}(?:[ \-]\d{4}){3}[ \-]\d{3}\b",
            r"\b\d{4}[ \-]\d{6}[ \-]\d{4,5}\b",
        ),
        is_card,
    ),
    Builtin.IP_ADDRESS: Finder(
        (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", r"(?:\b[0-9A-Fa-f]{1,4}|\B):[0-9A-Fa-f:]{1,40}(?:\d{1,3}(?:\.\d{1,3}){3})?\b"),
        is_ip_address,
    ),
    Builtin.SECRETS: Finder(
        (
            rf"\b(?:{'|'.join(_KEYS)})",
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
            r"(?i)\b(?:api[_\-]?key|secret|password|passwd|access[_\-]?token)\b[\"']?\s{0,3}[=:]\s{0,3}"
            r"[\"'][^\"'\s]{8,}[\"']",
        )
    ),
    Builtin.PROMPT_INJECTION: Finder(
        (
            rf"(?i)\b(?:ignore|disregard|forget|override|bypass|skip){_SPACE}(?:(?:all|any|every|the|of|your|my|these|those|"
            rf"everything){_SPACE}){{0,4}}{_PRIOR}(?:{_SPACE}(?:{_ORDERS}|text))?\b",
            rf"(?i)\b(?:ignore|disregard|forget|override){_SPACE}(?:all|any|the|your|everything)?{_SPACE}?(?:your{_SPACE})?"
            rf"(?:{_ORDERS}){_SPACE}(?:above|before|given|you{_SPACE}(?:were|have{_SPACE}been)\b)",
            rf"(?i)\b(?:reveal|show|print|repeat|output|display|tell{_SPACE}me|leak){_SPACE}(?:(?:me|us|all|the|your|full|"
            rf"entire|verbatim){_SPACE}){{0,4}}(?:system|hidden|initial|original|secret){_SPACE}{_ORDERS}\b",
            rf"(?i)\byou{_SPACE}are{_SPACE}(?:now{_SPACE})?(?:DAN|in{_SPACE}(?:developer|god|jailbreak|admin|debug)"
            rf"{_SPACE}mode)\b",
            rf"(?i)\b(?:enable|enter|activate|switch{_SPACE}to){_SPACE}(?:developer|god|jailbreak|DAN|unrestricted)"
            rf"{_SPACE}mode\b",
            rf"(?i)\bdo{_SPACE}anything{_SPACE}now\b",
            rf"(?i)\b(?:new|updated|real){_SPACE}system{_SPACE}(?:prompt|instructions?)\b",
            r"(?i)<\|?(?:im_start|im_end|system|endoftext)\|?>",
            r"(?i)\[/?(?:INST|SYS)\]|<</?SYS>>",
        )
    ),
}
