"""Names the files that people send and that are not decoded, with the way out, for the error that refuses them."""

_EXPORT = "Save it as JPEG or PNG."
HEIC = (
    "a HEIC photo, as iPhones store them",
    "Export it as JPEG, or set Settings > Camera > Formats to Most Compatible on the iPhone.",
)
# The first bytes of files that people send in place of a photo, what each file is, and the way out.
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"GIF8", "a GIF image", "Save one frame as PNG or JPEG."),
    (b"II*\0", "a TIFF image or a camera's raw file", _EXPORT),
    (b"MM\0*", "a TIFF image or a camera's raw file", _EXPORT),
    (b"II+\0", "a BigTIFF image", _EXPORT),
    (b"MM\0+", "a BigTIFF image", _EXPORT),
    (b"BM", "a BMP image", _EXPORT),
    (b"%PDF-", "a PDF document", "Export the page or the picture in it as JPEG or PNG."),
    (b"%!PS", "an EPS or PostScript document", "Export the picture in it as JPEG or PNG."),
    (b"8BPS", "a Photoshop document", _EXPORT),
    (b"\xff\x0a", "a JPEG XL image", _EXPORT),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image", _EXPORT),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image", _EXPORT),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", _EXPORT),
    (b"\0\0\x01\0", "an icon file", _EXPORT),
    (b"FUJIFILMCCD-RAW", "a camera's raw file", _EXPORT),
    (b"PK\x03\x04", "a ZIP archive", "Send one picture of it."),
    (b"\x1f\x8b", "a gzip archive", "Send the picture itself."),
    (b"\x1aE\xdf\xa3", "a video", "Send a single picture."),
    (b"data:", "a data URL as text", "Send the bytes, or the base64 text in JSON: image.base64."),
)
# Texts that begin with a tag.
_TAGS = ((b"<svg", "an SVG drawing", _EXPORT), (b"<!doctype html", "an HTML page", ""), (b"<html", "an HTML page", ""))
_PAGE = "Send the picture itself, not the page around it."


def named(data: bytes) -> tuple[str, str]:
    """What the file is and the way out; two empty texts for an unknown file."""
    if data[4:8] == b"ftyp":
        if data[8:12] == b"crx ":
            return "a camera's raw file", _EXPORT
        return "a video", "Send a single picture."
    for start, what, way_out in _OTHERS:
        if data.startswith(start):
            return what, way_out
    text = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        return "an SVG drawing", _EXPORT
    for tag, what, way_out in _TAGS:
        if text.startswith(tag):
            return what, way_out or _PAGE
    return "", ""
