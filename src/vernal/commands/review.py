"""`kedro review`: serve the page for listening and deciding, and for looking at results, on this machine."""

import contextlib
import getpass
import socket
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vernal.commands.command_line import ClearCommand, echo, find_project, typed_params, with_params
from vernal.common.formatting import visible
from vernal.common.problems import InputError
from vernal.common.storage import below

if TYPE_CHECKING:
    from vernal.web.project import ProjectContext
    from vernal.web.review.service import ReviewService

LOOPBACK = "127.0.0.1"
_ANYWHERE = ("0.0.0.0", "::", "*", "")


@click.command(name="review", cls=ClearCommand)
@click.argument("queue", required=False)
@click.option("--filter", "expression", default="", help='Only clips for which this is true: "score > 2"')
@click.option("--like", default="", metavar="CLIP_ID", help="The clips most like this one.")
@click.option(
    "--loop",
    is_flag=True,
    help="Begin a detector from --example or BirdNET's own class: decide, refit, rank again.",
)
@click.option(
    "--example",
    "examples",
    multiple=True,
    metavar="CLIP_ID|RECORDING@SECONDS",
    help="One of 1 to 10 for --loop.",
)
@click.option("--n", "count", default=100, show_default=True, help="How many clips a new queue has at most.")
@click.option(
    "--scores", default="", metavar="STAGE/POINT", help="Whose scores a filter means; default the miner's."
)
@click.option("--name", default="", help="What to call a queue made by --filter or --like.")
@click.option(
    "--reviewer", default=None, help="Your name in the decisions; default the name you are logged in by."
)
@click.option(
    "--blind", is_flag=True, help="Hide scores, models and reasons even after a decision, and shuffle."
)
@click.option("--repeats", default=None, type=click.FloatRange(0, 1), help="Share of clips that come twice.")
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to serve on.")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65_535), help="Port to serve on; default a free one."
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@with_params
def review(
    queue: str | None,
    expression: str,
    like: str,
    loop: bool,
    examples: tuple[str, ...],
    count: int,
    scores: str,
    name: str,
    reviewer: str | None,
    blind: bool,
    repeats: float | None,
    host: str,
    port: int,
    no_browser: bool,
    params: Mapping[str, str],
) -> None:
    """Listen to candidates and decide; look at results. Decisions are saved as they are made.

    \b
    Example:  kedro review
    Example:  kedro review hard-negatives --reviewer Ana --blind
    Example:  kedro review hard-negatives --filter "score > 2 and recorder_id == 'Moth07'"
    Example:  kedro review --filter "confidence > 0.5 and source == 'unlabelled'" --name likely
    Example:  kedro review --like 0f3a5c7e9b1d2f40 --n 100
    Example:  kedro review --loop --example night/Moth07_20260412_220000.wav@754.5 --name frogs
    """
    asked = {"filter": expression, "like": like, "n": count, "name": name, "scores": scores}
    if examples and not loop:
        raise InputError("--example is for --loop; name a clip that others are to be like with --like.")
    asked |= {"examples": examples, "loop": loop}
    service = open_service(find_project(), params, reviewer, blind, repeats)
    path = start_page(service, queue, asked)
    serve(service, host, port, path, not no_browser)


def open_service(
    project: Path, params: Mapping[str, str], reviewer: str | None, is_blind: bool, repeats: float | None
) -> "ReviewService":
    """The review of a project with its parameters."""
    from vernal.web.review.options import ReviewOptions
    from vernal.web.review.service import ReviewService

    context = open_project(project, params)
    options = ReviewOptions.from_parameters(context.parameters)
    if repeats is not None:
        options = replace(options, repeats=repeats)
    return ReviewService(context, options, visible(_login() if reviewer is None else reviewer), is_blind)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no account by this number, as in some containers
        return ""


def start_page(service: "ReviewService", queue: str | None, asked: Mapping[str, Any]) -> str:
    """Make or narrow the queue that was asked for; the address of its page.

    Raises:
        InputError: no such queue, nothing passes the filter, or options that exclude each other.
    """
    from urllib.parse import quote

    from vernal.web.review.queues import filter_queue

    if asked.get("loop"):
        if queue is not None or asked["like"] or asked["scores"]:
            raise InputError(
                "--loop begins a queue of its own; leave the queue's name, --like and --scores out."
            )
        queue = service.begin_loop(asked)
    elif queue is None and not asked["filter"] and not asked["like"]:
        return f"/review?reviewer={quote(service.reviewer)}"
    elif queue is None:
        queue = service.make_queue(asked)
    elif asked["like"] or asked["name"] or asked["scores"]:
        raise InputError("--like, --name and --scores make a queue of their own; leave the queue's name out.")
    elif asked["filter"]:
        service.narrow(filter_queue(service.queue(queue), asked["filter"]))
    n_items = len(service.queue(queue).items)
    if not n_items:
        raise InputError(
            f"The queue {queue} is empty: there is nothing to review in {service.queue(queue).spec.dataset}."
        )
    echo(f"{queue}: {n_items:,} clips")
    return f"/review/queue/{quote(queue)}?reviewer={quote(service.reviewer)}"


def serve(service: "ReviewService", host: str, port: int, path: str, opens_browser: bool) -> None:
    """Serve until Ctrl+C; prints the address with its token.

    Raises:
        InputError: the address cannot be used.
    """
    from vernal.web.app import create_app
    from vernal.web.security import new_token, served_names
    from vernal.web.serving import make_server, opened_in_browser

    if host in _ANYWHERE:
        raise InputError("Give --host the one address that others reach this machine by, not all of them.")
    bound = _bind(host, port)
    port = bound.getsockname()[1]
    token = new_token()
    app = create_app(service, token, served_names(host, port))
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}{path}{'&' if '?' in path else '?'}token={token}"
    echo(f"Open {address}\nDecisions go to {service.log.folder}; Ctrl+C ends the server.")
    if host not in (LOOPBACK, "::1", "localhost"):
        echo("Others on the network can reach this address, and the token travels unencrypted.", err=True)
    with bound, opened_in_browser(address) if opens_browser else contextlib.nullcontext():
        # While the browser starts, so that the first sound comes at once.
        threading.Thread(target=service.warm_up, daemon=True).start()
        make_server(app).run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise InputError(
            f"{host}:{port} cannot be served on ({error.strerror or error}). Choose another with --port or --host."
        ) from error
    return bound


def open_project(project: Path, params: Mapping[str, str]) -> "ProjectContext":
    """The project's parameters and datasets, as `kedro run` with the same `--params` has them."""
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    given = typed_params(params)
    parameters, catalog = _configured(project, given)
    context = _context(project, parameters, catalog)
    if not context.data_root.is_dir():
        raise InputError(
            f"The data folder {context.data_root} does not exist; name one with --params=data_root=..."
        )

    @cache
    def of_any_target() -> tuple[dict[str, Any], Any]:
        # Read once: what one target's project has beside another's is its name and its data folder.
        anywhere = (context.data_root / "targets" / "_any").as_posix()
        own = {"targets": None, "data_root": anywhere, "store_root": str(parameters["store_root"])}
        return _configured(project, given | own)

    def open_target(name: str, folder: Path) -> "ProjectContext":
        shared, datasets = of_any_target()
        own = {"target": name, "data_root": folder.as_posix()}
        moved = _moved(datasets, str(shared["data_root"]), folder.as_posix())
        return _context(project, shared | own, moved)

    return replace(context, open_target=open_target)


def _moved(config: Any, start: str, new: str) -> Any:
    """A configuration with every path below a folder below another."""
    if isinstance(config, Mapping):
        return {name: _moved(value, start, new) for name, value in config.items()}
    if isinstance(config, str) and config.startswith(start):
        return new + config[len(start) :]
    return config


def _configured(project: Path, given: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """A project's parameters and catalog, with parameters that were given with a command."""
    import logging

    from kedro.framework.session import KedroSession

    with KedroSession.create(project, runtime_params=dict(given)) as session:
        context = session.load_context()  # type: ignore[attr-defined]  # Kedro types the base class
        parameters = dict(context.config_loader["parameters"])
        _refuse_remote(str(parameters["data_root"]))
        catalog = context.config_loader["catalog"]
    logging.getLogger("kedro").setLevel(logging.WARNING)
    return parameters, catalog


def _context(project: Path, parameters: Mapping[str, Any], config: Any) -> "ProjectContext":
    from kedro.framework.project import settings

    from vernal.web.project import ProjectContext

    # Not the catalog of Kedro's context: that would build and check every pipeline first.
    catalog = settings.DATA_CATALOG_CLASS.from_config(catalog=config)
    root = below(project, str(parameters["data_root"]))
    return ProjectContext(project, root, parameters, _Loader(catalog), catalog.save)


def _refuse_remote(data_root: str) -> None:
    # A decision must be on a disk before the next clip appears, which no object storage can promise.
    if "://" in data_root:
        raise InputError(f"{data_root} is not on this machine; review needs a data folder that is.")


class _Loader:
    """Loads datasets by name and keeps each until its file changes; one at a time, since Kedro's catalog is for one."""

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}

    def __call__(self, name: str) -> Any:
        with self._lock:
            return self._load(name)

    def _load(self, name: str) -> Any:
        from kedro.io import DatasetError, DatasetNotFoundError

        from vernal.web.project import NotThere

        try:
            dataset = self._catalog.get(name)
            if dataset is None or not dataset.exists():
                raise NotThere(f"{name} is not there yet; run the pipeline that makes it.")
            stamp = _stamp(dataset)
            if name not in self._kept or self._kept[name][0] != stamp:
                self._kept[name] = (stamp, self._catalog.load(name))
        except DatasetNotFoundError as error:
            raise NotThere(f"The catalog has no dataset {name}.") from error
        except DatasetError as error:
            raise NotThere(f"{name} cannot be loaded: {error}") from error
        return self._kept[name][1]


def _stamp(dataset: Any) -> float:
    """When a dataset's newest file was written; 0 where it has none."""
    place = getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None)
    if place is None:
        return 0.0
    path = Path(str(place))
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return max((file.stat().st_mtime for file in files), default=0.0)
