#!/usr/bin/env python3
"""Writes teletext.txt (seconds, PES data in hexadecimal) and, by way of a transport stream and FFmpeg's libzvbi, teletext.srt."""
import os, subprocess, tempfile

def ham(n):
    d = [n >> i & 1 for i in range(4)]
    p1, p2, p3 = 1 ^ d[0] ^ d[2] ^ d[3], 1 ^ d[0] ^ d[1] ^ d[3], 1 ^ d[0] ^ d[1] ^ d[2]
    p4 = 1 ^ p1 ^ d[0] ^ p2 ^ d[1] ^ p3 ^ d[2] ^ d[3]
    return sum(b << i for i, b in enumerate([p1, d[0], p2, d[1], p3, d[2], p4, d[3]]))

def odd(b):
    return b | (0x80 if bin(b).count("1") % 2 == 0 else 0)

def unit(packet):
    assert len(packet) == 42
    return bytes([0x03, 0x2c, 0xe8, 0xe4]) + bytes(int(f"{b:08b}"[::-1], 2) for b in packet)

def address(magazine, row):
    return [ham(magazine & 7 | (row & 1) << 3), ham(row >> 1)]

def header(page, c14_12, text=b""):
    # Erase, subtitle, serial.
    n = [page & 15, page >> 4 & 15, 0, 8, 0, 8, 0, 1 | c14_12 << 1]
    return unit(bytes(address(page >> 8, 0) + [ham(x) for x in n] + [odd(0x20)] * 32))

def row(magazine, number, text):
    text = text.ljust(40, b" ")
    return unit(bytes(address(magazine, number) + [odd(b) for b in text]))

PLACES = bytes([0x23, 0x24, 0x40, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x7b, 0x7c, 0x7d, 0x7e])
events = []
for n, subset in enumerate([0, 1, 2, 3, 4, 5, 6]):
    rows = [row(8, 20, b"\x0d  \x0b\x0bSubset %d of letters\x0a\x0a" % subset), row(8, 22, b"\x0d\x03   \x0b\x0b" + PLACES + b"\x0a\x0a")]
    events += [(2 + 4 * n, [header(0x888, subset)] + rows + [header(0x8ff, 0)]), (4 + 4 * n, [header(0x888, subset), header(0x8ff, 0)])]
datas = []
for at, units in events:
    while len(units) % 4 != 3:
        units.append(bytes([0xff, 0x2c]) + b"\xff" * 44)
    datas.append((at, b"\x10" + b"".join(units)))
open("teletext.txt", "w").write("".join(f"{at} {data.hex()}\n" for at, data in datas))

def crc(data):
    c = 0xffffffff
    for b in data:
        c ^= b << 24
        for _ in range(8):
            c = (c << 1 ^ 0x04c11db7 if c >> 31 else c << 1) & 0xffffffff
    return c

def section(table, ident, body):
    s = bytes([table, 0xb0, len(body) + 9]) + ident.to_bytes(2, "big") + b"\xc1\0\0" + body
    return b"\0" + s + crc(s).to_bytes(4, "big")

counters = {}
def packets(pid, payload, psi=False):
    out, first = b"", True
    while payload:
        part, c = payload[:184], counters.get(pid, 0)
        counters[pid] = (c + 1) & 15
        head = bytes([0x47, (0x40 if first else 0) | pid >> 8, pid & 255])
        if psi:
            out += head + bytes([0x10 | c]) + part.ljust(184, b"\xff")
        elif len(part) == 184:
            out += head + bytes([0x10 | c]) + part
        else:
            fill = 183 - len(part)
            out += head + bytes([0x30 | c]) + bytes([fill]) + (b"\0" + b"\xff" * (fill - 1) if fill else b"") + part
        payload, first = payload[184:], False
    return out

pat = section(0, 1, b"\0\x01\xe1\0")
# A teletext descriptor: German, subtitle, magazine 8 (0), page 88.
pmt = section(2, 1, b"\xe1\x02\xf0\0" + b"\x06\xe1\x01\xf0\x07" + b"\x56\x05ger" + bytes([2 << 3 | 0, 0x88]))
ts = b""
for at, data in datas:
    pts = at * 90000
    stamp = bytes([0x21 | pts >> 29 & 14, pts >> 22 & 255, 1 | pts >> 14 & 254, pts >> 7 & 255, 1 | pts << 1 & 254])
    pes = b"\xbd" + (len(data) + 39).to_bytes(2, "big") + b"\x84\x80\x24" + stamp + b"\xff" * 31 + data
    # FFmpeg holds teletext's times against the programme's clock.
    clock = (pts << 15 | 0x7e00).to_bytes(6, "big")
    ts += b"\x47\x01\x02\x20\xb7\x10" + clock + b"\xff" * 176
    ts += packets(0, pat, True) + packets(0x100, pmt, True) + packets(0x101, b"\0\0\1" + pes)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "t.ts")
    open(path, "wb").write(ts)
    subprocess.run(["ffmpeg", "-y", "-hide_banner", "-loglevel", "error", "-txt_format", "text", "-txt_page", "888", "-copyts", "-i", path, "-map", "0:s", "-c:s", "subrip", "teletext.srt"], check=True)
