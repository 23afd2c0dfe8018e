"""What a file is that is no image, told by its first bytes, and what to do."""

from __future__ import annotations

LFS = b"version https://git-lfs"
STARTS: tuple[tuple[bytes, str], ...] = (
    (LFS, "a Git LFS pointer, not the image itself; fetch the images with `git lfs pull`"),
    (b"%PDF", "a PDF document; save its pages as PNG"),
    (b"PK\x03\x04", "a ZIP archive, or a document that is one; unpack it"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\x93NUMPY", "a NumPy array; save it as PNG or TIFF"),
    (b"\x89HDF", "an HDF5 file; save its images as PNG or TIFF"),
    (b"SIMPLE  =", "a FITS file; save its images as PNG or TIFF"),
    (b"\xff\x0a", "a JPEG XL picture; convert it to PNG or JPEG"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture; convert it to PNG or JPEG"),
    (b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM); save its frames as images"),
)
VIDEO = "a video; save its frames as images"
HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def describe(data: bytes) -> str | None:
    """Name the kind of a file.

    Args:
        data: Its bytes, or at least its first 512.

    Returns:
        What it is and what to do; `None` if that is unknown.

    Example:
        >>> describe(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
        'an SVG drawing; convert it to PNG'
    """
    for start, kind in STARTS:
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        if data[8:12] in HEIF:
            return "a HEIC picture; convert it to JPEG or PNG"
        return "an AVIF picture; convert it to JPEG or PNG" if data[8:11] == b"avi" else VIDEO
    if data[:4] == b"RIFF" and data[8:11] == b"AVI":
        return VIDEO
    if data[128:132] == b"DICM":
        return "a DICOM file; convert it to PNG or TIFF"
    return _of_text(data)


def _of_text(data: bytes) -> str | None:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = data[:4096].decode(encoding, errors="replace").lstrip()
    if "\ufffd" in text[:-4] or "\0" in text:
        return None
    low = text.lower()
    if "<svg" in low:
        return "an SVG drawing; convert it to PNG"
    if low.startswith(("<!doctype html", "<html")) or "<html" in low:
        return "a web page (HTML), not the image; download the image again"
    if low.startswith("<?xml"):
        return "an XML file, not an image"
    if low.startswith(("{", "[")):
        return "a JSON file, not an image"
    return None
