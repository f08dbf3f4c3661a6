"""Three settings for people who do not want to choose options.

Chosen from the table of quality against speed in docs/backbones.md, made by `python benchmarks/backbones.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """A named spec.

    Attributes:
        name: What people type.
        spec: The backbone and its options.
        summary: One line on what it is for.
    """

    name: str
    spec: str
    summary: str


#: By name, cheapest first.
PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("fast", "i3d:rate=25/4,size=160", "rough and quick"),
        Profile("balanced", "i3d:rate=25/2,size=160", "the default"),
        Profile("accurate", "i3d", "best answers, whatever the time"),
    )
}
