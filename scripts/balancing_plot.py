"""Draws docs/images/balancing.svg: the share that an endpoint gets by its cost, in both policies of balancing.

`--check` says whether the picture is what the code says now.
"""

import sys
from pathlib import Path

from tollway.routing.balance import preference

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "balancing.svg"
LEFT, TOP, WIDTH, HEIGHT = 60, 20, 560, 260
DEAREST = 2.0
"""Times the best endpoint's cost, at the right edge."""
STEPS = 200


def at(times: float, part: float) -> str:
    """A point: cost in multiples of the best's, and the share of the best's traffic."""
    return f"{LEFT + WIDTH * (times - 1) / (DEAREST - 1):.1f},{TOP + HEIGHT * (1 - part):.1f}"


def picture() -> str:
    """The SVG's text."""
    costs = [1 + (DEAREST - 1) * step / STEPS for step in range(STEPS + 1)]
    traffic = " ".join(at(cost, preference(cost, 1.0)) for cost in costs)
    price = " ".join(at(cost, cost**-2) for cost in costs)
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 340" font-family="sans-serif" font-size="12">',
        '<rect width="640" height="340" fill="white"/>',
    ]
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = TOP + HEIGHT * (1 - part)
        lines.append(f'<path d="M{LEFT} {y:g}H{LEFT + WIDTH}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:g}" text-anchor="end">{part:.0%}</text>')
    for times in (1.0, 1.3, 1.6, 2.0):
        x = LEFT + WIDTH * (times - 1) / (DEAREST - 1)
        lines.append(f'<path d="M{x:g} {TOP}V{TOP + HEIGHT}" stroke="#ddd"/>')
        lines.append(f'<text x="{x:g}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{times:g}x</text>')
    lines += [
        f'<polyline points="{traffic}" fill="none" stroke="#0b63ce" stroke-width="2.5"/>',
        f'<polyline points="{price}" fill="none" stroke="#c2410c" stroke-width="2.5" stroke-dasharray="6 4"/>',
        f'<text x="{LEFT + 130}" y="{TOP + 30}" fill="#0b63ce">traffic: by cost</text>',
        f'<text x="{LEFT + 360}" y="{TOP + 150}" fill="#c2410c">price: 1/price²</text>',
        '<text x="340" y="325" text-anchor="middle">cost, in multiples of the best endpoint\'s</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        same = PICTURE.exists() and PICTURE.read_text() == picture()
        print(f"{PICTURE.name} is what the code says" if same else f"{PICTURE.name} is stale: `make docs` draws it")
        return 0 if same else 1
    PICTURE.write_text(picture())
    print(f"wrote {PICTURE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
