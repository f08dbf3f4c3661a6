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
        Profile(
            "fast",
            "efficientnet-lite:fit=squash,skip=nonref,fast_decode=yes,precision=bf16",
            "what is in the picture, twice a second; blind to motion",
        ),
        Profile(
            "balanced",
            "i3d+efficientnet-lite:rate=20,size=160,height=128,stride=4,context=shot,fit=squash,precision=bf16",
            "motion and appearance; the default",
        ),
        Profile(
            "accurate",
            "i3d+efficientnet-lite:size=256,height=192,stride=4,context=shot,fit=squash,precision=bf16",
            "motion at full rate and size; the best answers, whatever the time",
        ),
    )
}
