"""Writes a picture that Chromium took with a palette of 256 colours, which makes the file several times smaller:
`smaller.py FROM TO`. Colours that are rare, at the edges of letters, become the nearest frequent one."""

import collections
import struct
import sys
import zlib


def chunks(data):
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += length + 12


def rows(raw, height, stride, size):
    """The bytes of each row, without PNG's filters."""
    before = bytearray(stride)
    for row in range(height):
        start = row * (stride + 1)
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for at in range(stride) if kind else ():
            left = line[at - size] if at >= size else 0
            up = before[at]
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = up
            elif kind == 3:
                guess = (left + up) // 2
            else:
                corner = before[at - size] if at >= size else 0
                by_left, by_up = abs(up - corner), abs(left - corner)
                by_corner = abs(left + up - 2 * corner)
                if by_left <= by_up and by_left <= by_corner:
                    guess = left
                else:
                    guess = up if by_up <= by_corner else corner
            line[at] = (line[at] + guess) & 255
        yield line
        before = line


def main(source, target):
    with open(source, "rb") as file:
        data = file.read()
    found = list(chunks(data))
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", found[0][1])
    assert (depth, interlace) == (8, 0) and colour in (2, 6), "not as Chromium takes it"
    size = 3 if colour == 2 else 4
    raw = zlib.decompress(b"".join(body for name, body in found if name == b"IDAT"))
    pixels = []
    for line in rows(raw, height, width * size, size):
        pixels.append(list(zip(line[0::size], line[1::size], line[2::size])))
    counts = collections.Counter(pixel for line in pixels for pixel in line)
    palette = [colour for colour, _ in counts.most_common(256)]
    nearest = {colour: index for index, colour in enumerate(palette)}
    for colour in counts:
        if colour not in nearest:
            far = [sum((a - b) ** 2 for a, b in zip(colour, other)) for other in palette]
            nearest[colour] = far.index(min(far))
    packed = b"".join(b"\0" + bytes(nearest[pixel] for pixel in line) for line in pixels)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    with open(target, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)))
        file.write(chunk(b"PLTE", bytes(part for colour in palette for part in colour)))
        file.write(chunk(b"IDAT", zlib.compress(packed, 9)))
        file.write(chunk(b"IEND", b""))


main(sys.argv[1], sys.argv[2])
