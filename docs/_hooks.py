"""What mkdocs calls while it builds; the work is done in `tools.docs_site`."""

import sys
from pathlib import Path

from mkdocs.exceptions import PluginError

PROJECT = Path(__file__).resolve().parents[1]
# `mkdocs` as a program does not look in the folder that it is started in.
sys.path.insert(0, str(PROJECT))

from tools.docs_site.site import check_site, fill, whole_options, write_lineage  # noqa: E402
from vernal.common.problems import InputError  # noqa: E402

is_served = False


def on_startup(command, dirty):
    global is_served
    is_served = command == "serve"


def on_page_markdown(markdown, page, config, files):
    try:
        return fill(markdown, page.file.src_uri, PROJECT)
    except InputError as error:
        raise PluginError(str(error)) from error


def on_page_content(html, page, config, files):
    return whole_options(html)


def on_post_build(config):
    # While somebody writes, a page should be there at once; the whole is checked when it is built.
    if is_served:
        return
    try:
        write_lineage(PROJECT, Path(config.site_dir))
        check_site(Path(config.site_dir))
    except InputError as error:
        raise PluginError(str(error)) from error
