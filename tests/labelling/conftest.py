"""Small repositories of features, as the tests of `study/` draw them."""

from tests.study.conftest import built as built
from tests.study.conftest import content as content
from tests.study.conftest import multilabel as multilabel
from tests.study.conftest import whole as whole
