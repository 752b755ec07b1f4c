"""What tests of several report pages share."""

import re
from base64 import b64encode
from hashlib import sha256


def without_own_script(page: str) -> str:
    """The page without the one script that its own policy lets run."""
    (allowed,) = re.findall(r"script-src '(sha256-[^']+)'", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert [b64encode(sha256(text.encode()).digest()).decode() for text in scripts] == [
        allowed.removeprefix("sha256-")
    ]
    return re.sub(r"<script>.*?</script>", "", page, flags=re.S)
