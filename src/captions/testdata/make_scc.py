#!/usr/bin/env python3
"""Writes the .scc files of this folder: line 21, one pair a frame, doubled control codes. FFmpeg then makes the .srt files:
for f in *.scc; do ffmpeg -y -loglevel error -i $f -c:s subrip ${f%.scc}.srt; done
"""
ROWS = [(0x11, 0x40), (0x11, 0x60), (0x12, 0x40), (0x12, 0x60), (0x15, 0x40), (0x15, 0x60), (0x16, 0x40), (0x16, 0x60),
        (0x17, 0x40), (0x17, 0x60), (0x10, 0x40), (0x13, 0x40), (0x13, 0x60), (0x14, 0x40), (0x14, 0x60)]

def par(b):
    return b | (0x80 if bin(b).count("1") % 2 == 0 else 0)

def ctl(a, b, double=True):
    return [(a, b)] * (2 if double else 1)

def pac(row, indent=0, style=None, ul=0):
    a, b = ROWS[row - 1]
    return ctl(a, b | (style if style is not None else 0x10 + indent // 2) | ul)

def text(s):
    b = [ord(c) for c in s]
    if len(b) % 2:
        b.append(0)
    return list(zip(b[::2], b[1::2]))

RCL, RDC, EOC, EDM, ENM, CR, BS, DER = [ctl(0x14, x) for x in (0x20, 0x29, 0x2f, 0x2c, 0x2e, 0x2d, 0x21, 0x24)]
RU = {n: ctl(0x14, 0x23 + n) for n in (2, 3, 4)}

def write(name, events):
    """events: (seconds, frame, pairs); a pair a frame, each a line of its own so that every pair has its time."""
    out = ["Scenarist_SCC V1.0", ""]
    for s, f, pairs in events:
        for n, (a, b) in enumerate(pairs):
            t = s * 30 + f + n
            out += ["%02d:%02d:%02d:%02d\t%02x%02x" % (t // 108000, t // 1800 % 60, t // 30 % 60, t % 30, par(a), par(b)), ""]
    open(name, "w").write("\n".join(out))

write("popon.scc", [
    (1, 0, RCL + ENM + pac(14, 4) + text("Good evening, and") + pac(15, 4) + text("welcome to the game.") + EOC),
    (4, 0, RCL + ENM + pac(15, 8) + ctl(0x17, 0x22) + text("It is ") + ctl(0x11, 0x2e) + text("cold") + ctl(0x11, 0x20) + text("here.") + EOC),
    (7, 0, EDM),
    (8, 0, RCL + ENM + pac(1, 0) + text("Caf") + text("e") + ctl(0x12, 0x3c, False) + ctl(0x11, 0x37) + EOC),
    (10, 0, RCL + ENM + pac(15, 0, 0x02) + text("GREEN") + EOC),
    (12, 0, EDM),
])
write("rollup.scc", [
    (1, 0, RU[2] + CR + pac(15) + text("FIRST LINE")),
    (3, 0, RU[2] + CR + pac(15) + text("SECOND LINE")),
    (5, 0, RU[2] + CR + pac(15) + text("THIRD LINE")),
    (7, 0, RU[3] + CR + pac(15) + text("FOURTH LINE")),
    (9, 0, RU[3] + CR + pac(15) + text("FIFTH LINE")),
    (11, 0, EDM),
    (12, 0, RU[2] + CR + pac(15) + text("AFTER")),
    (13, 0, CR),
    (14, 0, EDM),
])
write("painton.scc", [
    (1, 0, RDC + pac(14) + text("PAINTED ON")),
    (3, 0, RDC + pac(15) + text("TWO ROWS")),
    (5, 0, EDM),
    (6, 0, RDC + pac(1, 12) + text("TOP")),
    (8, 0, EDM),
])

# Pop-on captions at random places, in random colours, with special and extended characters.
import random
random.seed(608)
SPECIAL = list(range(0x30, 0x39)) + list(range(0x3a, 0x40))
events = []
for n in range(60):
    pairs = RCL + ENM
    row = random.randint(1, 13)
    for line in range(random.randint(1, 3)):
        style = random.choice([None, None, 0x02, 0x06, 0x0a, 0x0e])
        pairs += pac(row + line, random.choice([0, 4, 8]), style, random.randint(0, 1) if style is not None else 0)
        pairs += ctl(0x17, random.choice([0x21, 0x22, 0x23]))
        words = random.randint(1, 3)
        for word in range(words):
            pairs += text("".join(random.choice("ABCXYZabcxyz0189.,!?'\"$%()+-/:;=@") for _ in range(random.randint(2, 5))))
            kind = random.randint(0, 3)
            if kind == 0:
                pairs += ctl(0x11, random.choice(SPECIAL), False)
            elif kind == 1:
                pairs += text("e") + ctl(random.choice([0x12, 0x13]), random.randint(0x20, 0x3f), False)
            # Not at a row's end: FFmpeg's ENM leaves cells as they were, and such a code joins the row to what stood there before.
            elif kind == 2 and word + 1 < words:
                pairs += ctl(0x11, random.choice([0x20, 0x24, 0x28, 0x2c, 0x2e]))
    events.append((4 * n + 1, 0, pairs + EOC))
events.append((4 * 60 + 1, 0, EDM))
write("random.scc", events)
