import io

import pytest
from PIL import Image

from counterpoise.images import file_kinds

KINDS = {
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "SVG": b'<?xml version="1.0"?>\n<!-- x --><svg xmlns="http://www.w3.org/2000/svg"/>',
    "HTML": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "XML": b"\xef\xbb\xbf<?xml version='1.0'?><annotation/>",
    "JSON": b'{"error": "not found"}',
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0",
    "video": b"\0\0\0\x18ftypisom\0\0\0\0",
    "PDF": b"%PDF-1.7\n%\xe2\xe3",
    "ZIP": b"PK\x03\x04\x14\0",
    "gzip": b"\x1f\x8b\x08\0",
    "DICOM": b"\0" * 128 + b"DICM\x02\0",
    "NumPy": b"\x93NUMPY\x01\0",
    "JPEG XL": b"\xff\x0a\0\0",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_image_is_named_as_what_it_is(kind):
    found = file_kinds.describe(KINDS[kind])
    assert found is not None
    assert kind in found


@pytest.mark.parametrize("data", [b"", b"no image", b"\0" * 600, bytes(range(256)) * 4])
def test_what_is_unknown_stays_unknown(data):
    assert file_kinds.describe(data) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
def test_no_image_is_taken_for_something_else(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 10, 90)).save(buffer, kind)
    assert file_kinds.describe(buffer.getvalue()) is None
