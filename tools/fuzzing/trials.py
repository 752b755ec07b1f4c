"""Trials of readers, the page and interrupted work: how often something was tried, and what came of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from tools.fuzzing.mutation import MOST_BYTES, mutated
from tools.fuzzing.readers import SLOW_S, Reader, readers
from vernal.clips.curation import DECISIONS
from vernal.common.files import sha256_of_file, write_bytes, write_text
from vernal.common.json_text import read_json
from vernal.common.problems import InputError

TRIAL_COLUMNS = ("what", "tries", "refused", "taken", "faults", "seconds", "slowest_s", "more_mb", "guided")
_ADDING_UP = ("tries", "refused", "taken", "faults", "seconds")
_TELL_EVERY_S = 2.0
_GRACE_S = 180.0
_MOST_WAITING = 100  # a machine that does much else gives a process little of its time


@dataclass
class Trial:
    """What became of many tries of one kind.

    `refused`: in words. `taken`: read, or answered. `faults`: anything else, a try that takes over `SLOW_S` among
    them. `seconds`: of a reader, processor time. `slowest_s`: longest try, likewise. `more_mb`: memory beyond what
    valid files need, MB. `guided`: whether new code that a file reaches led to more such files.
    """

    what: str
    tries: int = 0
    refused: int = 0
    taken: int = 0
    faults: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    more_mb: float = 0.0
    guided: bool = False
    found: dict[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """As the table has it."""
        values = asdict(self) | {
            name: round(getattr(self, name), 1) for name in ("seconds", "slowest_s", "more_mb")
        }
        return {name: values[name] for name in TRIAL_COLUMNS}


def table_of(trials: Iterable[Trial]) -> pd.DataFrame:
    """One row a trial: `TRIAL_COLUMNS`."""
    return pd.DataFrame([trial.row() for trial in trials], columns=list(TRIAL_COLUMNS))


def added(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """The table of what was tried before and since: counts and seconds add up, of the rest the most counts."""
    both = pd.concat([one for one in (before, now) if len(one)] or [now], ignore_index=True)
    ways = {name: "sum" if name in _ADDING_UP else "max" for name in TRIAL_COLUMNS[1:]}
    found = both.groupby("what", sort=False, as_index=False).agg(ways)[list(TRIAL_COLUMNS)]
    return found.round({"seconds": 1})


def processor_s() -> float:
    """Processor time of this process and of those that it started, seconds."""
    used = time.process_time() + sum(os.times()[2:4])  # the latter of those that have ended
    for worker in multiprocessing.active_children():
        with contextlib.suppress(psutil.Error):
            used += sum(psutil.Process(worker.pid).cpu_times()[:2])
    return used


# Readers --------------------------------------------------------------------------------------------


class ReaderTrial:
    """One reader on damaged files, in this process; what it does with each is counted."""

    def __init__(self, reader: Reader, folder: Path, seed: int = 0) -> None:
        self.reader, self.folder, self.seed = reader, folder, seed
        self.trial = Trial(reader.name)
        with tempfile.TemporaryDirectory() as scratch:
            self.samples = reader.samples(Path(scratch))
        for sample in self.samples:
            self.read(sample)
        self._least_mb = peak_mb()

    def read(self, content: bytes) -> None:
        """Read a file.

        Raises:
            InputError: as a person would see it; anything else is a fault.
        """
        place = self.folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        self.reader.read(place, content)

    def try_one(self, content: bytes) -> None:
        """Read a file and count what came of it; files of a new fault are kept."""
        began = processor_s()
        trial = self.trial
        trial.tries += 1
        try:
            self.read(content)
            trial.taken += 1
        except InputError:
            trial.refused += 1
        except (Exception, RecursionError) as error:
            self._note(content, error)
        took = processor_s() - began
        trial.slowest_s = max(trial.slowest_s, took)
        if took > SLOW_S:
            self._note(content, TimeoutError(f"{took:.0f} s"))

    def _note(self, content: bytes, error: BaseException) -> None:
        self.trial.faults += 1
        last = traceback.extract_tb(error.__traceback__)[-1:]
        kind = (
            f"{type(error).__name__} at {last[0].filename}:{last[0].lineno}" if last else type(error).__name__
        )
        if kind not in self.trial.found:
            name = f"{self.seed}-{len(self.trial.found):03d}.bin"
            self.trial.found[kind] = f"{name}: {error}"[:300]
            write_bytes(self.folder / "faults" / name, content)

    def tell(self, seconds: float) -> None:
        """Leave the counts so far, for whoever started this process."""
        self.trial.seconds = seconds
        self.trial.more_mb = max(peak_mb() - self._least_mb, 0.0)
        write_text(self.folder / "trial.json", json.dumps(asdict(self.trial)))


def fuzz(reader: Reader, folder: Path, seconds: float, seed: int = 0, is_guided: bool = False) -> None:
    """Try a reader for some processor time; the folder keeps counts in `trial.json`, files of faults in `faults`."""
    trial = ReaderTrial(reader, folder, seed)
    began = told = processor_s()

    def one(content: bytes) -> bool:
        nonlocal told
        trial.try_one(content)
        now = processor_s()
        is_over = now - began >= seconds
        if now - told > _TELL_EVERY_S or is_over:
            told = now
            trial.tell(now - began)
        return is_over

    trial.tell(0.0)
    if is_guided:
        _by_coverage(trial, one, seed)
        return
    rng = random.Random(seed)
    while not one(mutated(rng.choice(trial.samples), rng, trial.samples)):
        pass


def _by_coverage(trial: ReaderTrial, one: Callable[[bytes], bool], seed: int) -> None:
    """Let `atheris` choose which files to go on from; the process ends with it, for it ends by no other way."""
    import atheris

    trial.trial.guided = True
    corpus = trial.folder / "corpus"
    for number, sample in enumerate(trial.samples):
        write_bytes(corpus / f"{number}", sample)

    def change(content: bytes, most: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < 0.4:  # a valid file again, for most of what was found is refused at once
            content = rng.choice(trial.samples)
        changed = (
            mutated(content, rng, trial.samples) if rng.random() < 0.8 else atheris.Mutate(content, most)
        )
        return changed[:most]

    def until_over(content: bytes) -> None:
        if one(content):
            os._exit(0)

    options = [f"-seed={seed % 2**31 + 1}"]
    options += [f"-max_len={MOST_BYTES}", "-rss_limit_mb=0", f"-artifact_prefix={trial.folder}/"]
    options.append(f"-timeout={round(_MOST_WAITING * SLOW_S)}")
    atheris.Setup([sys.argv[0], *options, str(corpus)], until_over, custom_mutator=change)
    atheris.Fuzz()


def try_reader(name: str, seconds: float, folder: Path, seed: int = 0, is_guided: bool = False) -> Trial:
    """Try a reader in a process of its own, so that one that dies is a fault and no end.

    Args:
        seconds: of processor time.
        folder: keeps the files of faults, and those that led to new code.
    """
    command = [sys.executable, "-m", "tools.fuzzing.one_reader", name, str(folder), str(seconds), str(seed)]
    command += ["guided"] if is_guided else []
    told = folder / "trial.json"
    told.unlink(missing_ok=True)
    with (folder.parent / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            code = process.wait(_MOST_WAITING * seconds + _GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    trial = Trial(**read_json(told)) if told.is_file() else Trial(readers()[name].name)
    if code:
        trial.faults += 1
        trial.found[f"the process ended with {code}"] = "case"
        if (folder / "case").is_dir():
            shutil.copytree(folder / "case", folder / "faults" / f"{seed}-case", dirs_exist_ok=True)
    return trial


def peak_mb() -> float:
    """The most memory that this process has used, MB."""
    memory = psutil.Process().memory_info()
    if sys.platform == "win32":
        return memory.peak_wset / 2**20
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


# The page -------------------------------------------------------------------------------------------

_UP = (
    "..",
    "%2e%2e",
    "..%2f",
    "..%5c",
    "....//",
    "%252e%252e",
    ".%2e",
    "..;",
    "%c0%ae%c0%ae",
    "..%00",
    "\\..",
)
_TARGETS = (
    "secret.txt",
    "etc/passwd",
    "secret.txt%00.wav",
    "conf/local/credentials.yml",
    "C:/Windows/win.ini",
)
_PLACES = (
    "/static/{}", "/review/queue/{}", "/review/api/state/{}", "/review/api/item/candidates/{}",
    "/review/api/clip/clips/{}/sound", "/review/api/clip/{}/x/sound", "/review/api/sound/candidates/{}", "/results/{}",
    "/results/{}/compare", "/sweeps/{}", "/sweeps/{}/output/text?file={}", "/sweeps/_new?from={}", "/{}",
)  # fmt: skip
SECRET = "nobody outside reads this"


def try_page(project: Path) -> Trial:
    """Ask a server for files outside its folders, in every spelling; an answer that holds one, or a 5xx, is a fault."""
    trial = Trial("requests for files outside the page's folders")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, Served(project, Path(scratch)) as served:
        write_text(Path(scratch) / "secret.txt", SECRET)
        if served.ask("/review")[0] != 200:
            raise InputError("The page does not answer, so nothing can be tried.")
        for place in _PLACES:
            for up in _UP:
                for depth in (1, 3, 8):
                    for target in _TARGETS:
                        status, content = served.ask(
                            place.replace("{}", "/".join([up] * depth) + "/" + target)
                        )
                        is_leak = SECRET.encode() in content or b"root:" in content
                        trial.tries += 1
                        trial.faults += is_leak or status >= 500
                        trial.refused += status >= 400 and status < 500
                        trial.taken += status < 400 and not is_leak
                        if is_leak or status >= 500:
                            trial.found[f"{status} for {place}"] = f"{up} {depth} {target}"
    trial.seconds = time.monotonic() - began
    return trial


class Served:
    """`kedro review` on an empty data folder, in a process of its own."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.data_root = project, folder / "data"

    def __enter__(self) -> Served:
        self.data_root.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "kedro", "review", "--no-browser"]
        command.append(f"--params=data_root={self.data_root}")
        self.process = subprocess.Popen(
            command,
            cwd=self.project,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        assert self.process.stdout is not None
        line = next((line for line in self.process.stdout if line.startswith("Open ")), "")
        address, _, self.token = line.removeprefix("Open ").strip().partition("token=")
        self.host = address.split("/")[2] if address else ""
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def ask(self, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and content of an answer; a path goes out as it is."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        headers = {"x-vernal-token": self.token} | (
            {"content-type": "application/json"} if body is not None else {}
        )
        connection.putrequest("GET" if body is None else "POST", path.replace(" ", "%20"))
        content = json.dumps(body).encode() if body is not None else None
        for name, value in headers.items():
            connection.putheader(name, value)
        if content is not None:
            connection.putheader("content-length", str(len(content)))
        connection.endheaders(content)
        answer = connection.getresponse()
        made = answer.status, answer.read()
        connection.close()
        return made


# Interrupted work -----------------------------------------------------------------------------------


KILLED_SERVERS = "decisions sent from two tabs to"


def try_killed_servers(project: Path, n: int, seed: int = 0, decisions: int = 0) -> Trial:
    """Kill servers while two tabs send decisions, and leave half a line each time, as a power cut does.

    A decision that was confirmed and is gone, is another than was said, or is not what the page shows in the end, is a
    fault.

    Args:
        decisions: of all servers together; some 20 a server by default.
    Returns:
        `tries`: decisions that were sent; `taken`: those confirmed; `refused`: those cut off.
    """
    trial = Trial(f"{KILLED_SERVERS} {n} servers that were killed")
    draw, began = random.Random(seed), time.monotonic()
    each = max(1, (decisions or 20 * n) // n // 2)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = _make_queue(folder / "data")
        tabs = [Tab(made[at::2], random.Random(f"{seed} {at}")) for at in range(2)]
        for _ in range(n):
            with Served(project, folder) as served, ThreadPoolExecutor() as both:
                first, second = (both.submit(tab.decide, served, each - 1) for tab in tabs)
                first.result()
                tabs[0].decide(served, 1, is_killed=True)
                second.result()
            _tear(folder / "data", draw)
        confirmed = tabs[0].confirmed | tabs[1].confirmed
        kept = _kept(folder / "data")
        shown = _shown(project, folder)
        lost = {name: said for name, said in confirmed.items() if kept.get(name) != said}
        last = {said[0]: name for tab in tabs for name, said in tab.confirmed.items()}
        hidden = {item for item, name in last.items() if shown.get(item) in confirmed.keys() - {name}}
        hidden |= last.keys() - shown.keys()
        trial.tries = sum(tab.sent for tab in tabs)
        trial.taken, trial.faults = len(confirmed), len(lost) + len(hidden)
        trial.refused = trial.tries - len(confirmed)
        trial.slowest_s = max(tab.slowest_s for tab in tabs)
    trial.seconds = time.monotonic() - began
    return trial


class Tab:
    """A browser's tab in which one of two reviewers decides on clips of their own, again and again.

    `confirmed`: name of a decision -> its clip and what was said, the last one last.
    """

    def __init__(self, items: list[str], draw: random.Random) -> None:
        self.items, self.draw = items, draw
        self.sent, self.slowest_s = 0, 0.0
        self.confirmed: dict[str, tuple[str, str]] = {}

    def decide(self, served: Served, count: int, is_killed: bool = False) -> None:
        """Send decisions until the server is gone, which is killed during the first one where `is_killed`."""
        for _ in range(count):
            item, word = self.items[self.sent % len(self.items)], self.draw.choice(DECISIONS)
            said = {"item": item, "look": 1, "reviewer": "Ana", "decision": word}
            self.sent += 1
            began = time.monotonic()
            if is_killed:
                threading.Timer(0.005, served.process.kill).start()
            try:
                status, content = served.ask("/review/api/decide/all", said)
            except (OSError, http.client.HTTPException):
                return
            if status != 200:
                raise InputError(f"A decision was refused with {status}: {content[:200]!r}")
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.confirmed[json.loads(content)["id"]] = (item, word)


def _tear(data_root: Path, draw: random.Random) -> None:
    """Leave the beginning of a line at the end of the last server's file."""
    files = sorted((data_root / "01_raw" / "review").glob("*.jsonl"))
    if files:
        line = files[-1].read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[2]
        with files[-1].open("ab") as file:
            file.write(line[: draw.randrange(1, len(line))])


def _shown(project: Path, folder: Path) -> dict[str, str]:
    """Which decision the page shows on each clip."""
    with Served(project, folder) as served:
        looks = json.loads(served.ask("/review/api/state/all?reviewer=Ana")[1])["presentations"]
    return {look["item"]: look["said"]["id"] for look in looks if look["said"]}


def _make_queue(data_root: Path) -> list[str]:
    """A data folder with a queue of twenty stretches; their names."""
    import numpy as np
    import soundfile

    from vernal.common.table_files import write_table

    sound = data_root / "01_raw" / "a.wav"
    sound.parent.mkdir(parents=True)
    soundfile.write(sound, 0.1 * np.random.default_rng(0).normal(size=60 * 8_000).clip(-1, 1), 8_000)
    starts = np.arange(20) * 3.0
    names = [f"c{at:02d}" for at in range(20)]
    rows = {
        "clip_id": names,
        "source": "labelled",
        "file_path": "a.wav",
        "start_s": starts,
        "end_s": starts + 3.0,
    }
    clips = pd.DataFrame(rows).assign(label="RADR", is_positive=True, score=1.0, made_from="fuzzing")
    write_table(clips, data_root / "03_primary" / "review" / "all.parquet")
    write_table(clips, data_root / "02_intermediate" / "clips.parquet")
    write_table(clips, data_root / "03_primary" / "all_clips.parquet")
    write_text(
        data_root / "02_intermediate" / "audio_roots.json", json.dumps({"labelled": str(sound.parent)})
    )
    return names


def _kept(data_root: Path) -> dict[str, tuple[str, str]]:
    """Name of every decision in the log -> its clip and what was said."""
    from vernal.web.review.decisions import DecisionLog

    log = DecisionLog(data_root / "01_raw" / "review").read()
    return {
        name: (item, word) for name, item, word in log[["id", "item", "decision"]].itertuples(index=False)
    }


_PIPELINES = "demo,ingest,quality_splitting,embedding"


def try_killed_runs(project: Path, n: int, seed: int = 0, pipelines: str = _PIPELINES) -> Trial:
    """Kill runs at random moments and go on; results of other bytes than an undisturbed run's are faults."""
    trial = Trial("runs that were killed and gone on with")
    draw, began = random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        whole, broken = (Path(scratch) / name for name in ("whole", "broken"))
        _, took = _run(project, whole, pipelines, None)
        while trial.tries < n:
            is_killed, _ = _run(project, broken, pipelines, draw.uniform(0.1, 0.7) * took)
            trial.tries += is_killed
            if not is_killed:  # it was finished before: from the start again
                shutil.rmtree(broken)
        _run(project, broken, pipelines, None)
        one, other = (_digests(folder) for folder in (whole, broken))
        different = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
        trial.taken = trial.tries
        trial.faults, trial.found = len(different), dict.fromkeys(sorted(different), "other bytes")
    trial.seconds = time.monotonic() - began
    return trial


def _run(project: Path, data_root: Path, pipelines: str, kill_after_s: float | None) -> tuple[bool, float]:
    command = [sys.executable, "-m", "kedro", "run", "--env=test", f"--pipelines={pipelines}"]
    command.append(f"--params=data_root={data_root}")
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        code = process.wait(kill_after_s)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True, time.monotonic() - began
    if code:
        raise InputError(f"{' '.join(command)} ended with {code}")
    return False, time.monotonic() - began


def _digests(data_root: Path) -> dict[str, str]:
    """Hashes of the tables that a run leaves, and of its embeddings, which lie in parts as workers finish."""
    from vernal.common.table_files import digest_of_table, read_table

    files = [file for file in sorted(data_root.rglob("*.parquet")) if not file.name.startswith(".")]
    parts = [file for file in files if "embeddings" in file.parts]
    found = {
        file.relative_to(data_root).as_posix(): sha256_of_file(file) for file in files if file not in parts
    }
    stored = pd.concat([read_table(file) for file in parts])
    vectors = stored.vector.map(lambda vector: vector.tobytes())
    stored = stored.assign(vector=vectors).drop_duplicates("key").sort_values("key")
    return found | {"embeddings": digest_of_table(stored)}
