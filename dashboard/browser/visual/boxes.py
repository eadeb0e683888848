"""Makes boxes.ttf, in which every letter is a box of half an em, with fontTools: python3 boxes.py"""
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

ADVANCE, BOX = 500, [(50, 0), (50, 500), (450, 500), (450, 0)]
# The characters that the pages use, without those of other scripts.
LETTERS = [(0x21, 0x7E), (0xA1, 0x17F), (0x2010, 0x2044), (0x20AC, 0x20AC), (0x2190, 0x22FF), (0x25A0, 0x25FF), (0x2713, 0x2717)]
SPACES = [0x20, 0xA0, 0x2009, 0x200B, 0x202F]


def box():
    pen = TTGlyphPen(None)
    pen.moveTo(BOX[0])
    for point in BOX[1:]:
        pen.lineTo(point)
    pen.closePath()
    return pen.glyph()


font = FontBuilder(1000, isTTF=True)
font.setupGlyphOrder([".notdef", "box", "space"])
font.setupGlyf({".notdef": box(), "box": box(), "space": TTGlyphPen(None).glyph()})
font.setupHorizontalMetrics({".notdef": (ADVANCE, 50), "box": (ADVANCE, 50), "space": (ADVANCE, 0)})
characters = {code: "box" for first, last in LETTERS for code in range(first, last + 1)}
font.setupCharacterMap(characters | {code: "space" for code in SPACES})
font.setupHorizontalHeader(ascent=800, descent=-200)
font.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
font.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
font.setupPost()
font.save("boxes.ttf")
