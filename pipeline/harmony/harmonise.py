"""Phase 3 as one pure function: garments and options to suggestions, wardrobe matches and outfits."""

from collections.abc import Sequence

from pipeline.harmony.bases import bases_of, look_of
from pipeline.harmony.classics import classics
from pipeline.harmony.outfits import outfits
from pipeline.harmony.suggestions import suggest
from pipeline.harmony.wardrobe import fit_all, matches_from_fits, wardrobe_colors
from pipeline.options import HarmonyOptions
from pipeline.parts import Garment, Harmony
from pipeline.versions import HARMONY_VERSION


def harmonise(garments: Sequence[Garment], options: HarmonyOptions) -> Harmony:
    """The whole advice for the garments, each list best first.

    Garments without colours are skipped. Matches and outfits need `options.wardrobe`.
    """
    bases = bases_of(garments)
    suggestions, common = suggest(bases, options)
    if not bases or not options.wardrobe:
        return Harmony(suggestions, common, version=HARMONY_VERSION)
    wardrobe = wardrobe_colors(options.wardrobe)
    fits = fit_all(bases, wardrobe, options)
    singles = [fit for fit in fits if len(fit.base.garment_ids) == 1]
    look_fit = fits[bases.index(look_of(bases))]
    return Harmony(
        suggestions,
        common,
        matches=matches_from_fits(singles, wardrobe, options),
        outfits=outfits(look_fit, wardrobe, options),
        version=HARMONY_VERSION,
    )


def neutral_classics(garments: Sequence[Garment], options: HarmonyOptions) -> Harmony:
    """The last resort when `harmonise` fails: classic neutrals for the leading garment's main colour. Never raises."""
    return Harmony(classics(garments, options), version=f"{HARMONY_VERSION}-classics")
