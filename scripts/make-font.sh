#!/bin/sh
# Makes assets/fonts/DejaVuSans-subset.ttf, the font embedded for the pictures, and its licence beside it.
#
#   scripts/make-font.sh [DejaVuSans.ttf]
#
# Without an argument it takes DejaVu Sans 2.37 from Debian's package fonts-dejavu-core. It needs python3 with venv,
# and the package index for one pinned tool; the same font and tool give the same bytes.
set -eu

fonttools=4.60.1
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/assets/fonts
source=${1:-$(dpkg -L fonts-dejavu-core | grep '/DejaVuSans\.ttf$')}

# Basic Latin, Latin-1, Greek, dashes and quotes, bullet, ellipsis, super- and subscripts, euro, arrows, minus,
# infinity, approximately, unequal, less and greater or equal.
unicodes=U+0020-007E,U+00A0-00FF,U+0391-03A9,U+03B1-03C9,U+2010-2015,U+2018,U+2019,U+201C,U+201D,U+2022,U+2026
unicodes=$unicodes,U+2070,U+2074-208E,U+20AC,U+2190-2193,U+2212,U+221E,U+2248,U+2260,U+2264,U+2265

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet "fonttools==$fonttools"

# Kept: the kern table (the only kerning that the rasterizer reads) and every name record, for the licence travels
# in them. Left out: hinting and the layout tables, which it ignores.
"$tmp/venv/bin/pyftsubset" "$source" --unicodes="$unicodes" --output-file="$tmp/subset.ttf" \
    --no-hinting --legacy-kern --layout-features= --drop-tables+=FFTM,GDEF,GPOS,GSUB,MATH \
    --name-IDs='*' --notdef-outline

mkdir -p "$out"
"$tmp/venv/bin/python" - "$tmp/subset.ttf" "$out" <<'PYTHON'
import sys
from array import array
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import GlyphCoordinates

subset, out = sys.argv[1:]
font = TTFont(subset, recalcTimestamp=False)

# plotters puts the left edge of a glyph's ink, not its origin, where the glyph is to stand, and the letters of a
# word drift apart and together. A contour without area at the origin makes the two the same.
for glyph in (font["glyf"][name] for name in font.getGlyphOrder()):
    if glyph.numberOfContours > 0 and glyph.xMin > 0:
        glyph.coordinates.extend(GlyphCoordinates([(0, 0)] * 3))
        glyph.flags.extend(array("B", [1] * 3))
        glyph.endPtsOfContours.append(len(glyph.coordinates) - 1)
        glyph.numberOfContours += 1
font.save(f"{out}/DejaVuSans-subset.ttf")

# The licence as the font itself states it (name record 13), under its copyright lines (record 0).
with open(f"{out}/LICENSE-DejaVu.txt", "w") as licence:
    print("DejaVuSans-subset.ttf is a subset of DejaVu Sans, made by scripts/make-font.sh.", file=licence)
    for record in (0, 13):
        lines = font["name"].getDebugName(record).strip().splitlines()
        print("\n" + "\n".join(line.rstrip() for line in lines), file=licence)
PYTHON

ls -l "$out/DejaVuSans-subset.ttf"
