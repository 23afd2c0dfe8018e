import base64
import io

from PIL import Image

from counterpoise.report import page


def test_pictures_are_small_jpegs():
    buffer = io.BytesIO()
    Image.new("RGB", (640, 320)).save(buffer, "PNG")
    uri = page.encode(buffer.getvalue())
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert (image.format, image.size) == ("JPEG", (160, 80))
