#!/usr/bin/env python3
"""Makes assets/digits.bin.gz from the copy of the UCI digits that scikit-learn carries.

    python3 -m venv .venv && .venv/bin/pip install scikit-learn
    .venv/bin/python scripts/make-digits.py

The file is gzip over: 8 bytes of magic "RFDIGIT1", the count (u32, little-endian), then per sample
64 pixel bytes (8 rows of 8, values 0..16) and 1 label byte (0..9). The order is scikit-learn's. The
gzip header carries no name and no time, so the same zlib makes the same bytes.
"""

import gzip
import io
import struct
from pathlib import Path

from sklearn.datasets import load_digits

MAGIC = b"RFDIGIT1"
COUNT = 1797
TARGET = Path(__file__).resolve().parent.parent / "assets" / "digits.bin.gz"


def samples() -> bytes:
    """The magic, the count and every sample, not yet compressed."""
    digits = load_digits()
    images, labels = digits.images, digits.target
    assert images.shape == (COUNT, 8, 8) and labels.shape == (COUNT,)
    assert images.min() == 0 and images.max() == 16 and (images == images.astype("uint8")).all()
    assert set(labels) == set(range(10))
    rows = (image.astype("uint8").tobytes() + bytes([label]) for image, label in zip(images, labels))
    return MAGIC + struct.pack("<I", COUNT) + b"".join(rows)


def compressed(data: bytes) -> bytes:
    """`data` as a gzip member without name and timestamp."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as stream:
        stream.write(data)
    return out.getvalue()


if __name__ == "__main__":
    data = samples()
    TARGET.write_bytes(compressed(data))
    print(f"{TARGET}: {COUNT} samples, {len(data)} bytes, {TARGET.stat().st_size} compressed")
