#!/usr/bin/env python3
"""Puts popon.scc into H.264 as SEI messages, and writes sei.txt (a NAL unit a frame, in hexadecimal) and, by FFmpeg, sei.srt.
A frame has a buffering message of zeros before the captions, so that there are bytes to be escaped."""
import re, subprocess, tempfile, os
pairs = {}
for line in open("popon.scc"):
    if "\t" in line:
        time, pair = line.split("\t")
        h, m, s, f = map(int, time.split(":"))
        pairs[s * 30 + f] = bytes.fromhex(pair.strip())

def nal(pair):
    cc = bytes([0xc3, 0xff, 0xfc]) + pair + b"\xfd\x80\x80" + b"\xfa\0\0" + b"\xff"
    user = b"\xb5\x00\x31GA94\x03" + cc
    rbsp = b"\x05\x14" + b"\0" * 20 + bytes([4, len(user)]) + user + b"\x80"
    out, zeros = bytearray(b"\x06"), 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)

count = 13 * 30
with tempfile.TemporaryDirectory() as folder:
    plain, full = os.path.join(folder, "plain.h264"), os.path.join(folder, "full.h264")
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", "color=size=64x64:rate=30", "-frames:v", str(count),
                    "-c:v", "libx264", "-bf", "0", "-x264-params", "aud=1:threads=1", plain], check=True)
    data = open(plain, "rb").read()
    units = re.split(b"\0\0\0\1\x09.", data, flags=re.S)[1:]
    heads = re.findall(b"\0\0\0\1\x09.", data, flags=re.S)
    assert len(units) == count
    nals = [nal(pairs.get(n, b"\x80\x80")) for n in range(count)]
    # Parameter sets come before SEI: the message goes before the first slice.
    out = bytearray()
    for head, unit, sei in zip(heads, units, nals):
        first = min(at for at in (unit.find(b"\0\0\1" + bytes([kind])) for kind in (0x65, 0x41, 0x61, 0x01, 0x06)) if at >= 0)
        out += head + unit[:first] + b"\0\0\1" + sei + unit[first:]
    open(full, "wb").write(out)
    stream = os.path.join(folder, "full.mp4")
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", "-r", "30", "-i", full, "-c", "copy", stream], check=True)
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", f"movie={stream}[out0+subcc]", "-map", "0:s", "-c:s", "subrip", "sei.srt"], check=True)
open("sei.txt", "w").write("".join(f"{n} {sei.hex()}\n" for n, sei in enumerate(nals) if n in pairs))
