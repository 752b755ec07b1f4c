"""Configuration: parameters a person sets reach the catalog too.

`${setting:data_root}` in a catalog entry is the parameter `data_root`, wherever it was set: in
`conf/base`, in `conf/local/parameters.yml`, or with `--params`. Paths among the parameters are made whole
once, here, so that the catalog and the nodes mean the same file.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf.errors import OmegaConfBaseException

from vernal.common.names import ALL_CLASSES, CLASS_DIVIDER
from vernal.common.problems import InputError
from vernal.common.safe_yaml import read_yaml
from vernal.common.settings import find_setting
from vernal.common.storage import is_remote
from vernal.framework.kedro_compat import new_resolver

# What is a path only if there is something of that name.
MAY_BE_PATHS = ("detection.model",)
PATHS = (
    "data_root",
    "store_root",
    "source.manifest",
    "source.audio_root",
    "source.folder",
    "source.field",
    "source.unlabelled",
    "source.season",
    "source.sites",
    "published.experiments",
    "published.leaderboards",
    "audit.experiments",
    "audit.results",
    "audit.truth",
    "collection.inbox",
    "collection.problem",
    "detection.recordings",
    *MAY_BE_PATHS,
)
# What is text, whatever YAML would make of it on a command line.
LISTS = ("targets",)
TEXTS = ("target", *LISTS, "quality_splitting.test_ood_sites", "quality_splitting.sealed_sites", *PATHS)

# What is read once in a process for the same files and parameters, and how many such results are kept.
REMEMBERED, MOST_REMEMBERED = ("parameters", "catalog"), 200
_known: dict[str, dict[str, Any]] = {}


class VernalConfigLoader(OmegaConfigLoader):
    """Kedro's loader with one more resolver, `setting`, which reads the merged parameters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        resolvers = {**(kwargs.pop("custom_resolvers", None) or {}), "setting": self.setting}
        self._settings: dict[str, Any] | None = None
        new_resolver("setting")
        super().__init__(*args, custom_resolvers=resolvers, **kwargs)

    def __getitem__(self, key: str) -> dict[str, Any]:
        loaded = self._loaded(key)
        if key != "parameters":
            return loaded
        loaded = self._with_texts(loaded)
        if "target" in loaded:
            # A label is text, and YAML reads a class named 8 as a number.
            loaded = {**loaded, "target": _target(loaded["target"])}
        if "data_root" in loaded:
            store = loaded.get("store_root") or loaded["data_root"]
            loaded = {**loaded, "store_root": store, "targets": _targets(loaded.get("targets"))}
        return with_encoders(with_whole_paths(loaded, Path(self.conf_source).parent))

    def _loaded(self, key: str) -> Any:
        """As Kedro loads it; the same files with the same parameters are read once in a process.

        A run of several targets asks some hundred times, and a stage of one target five times.
        """
        if key not in REMEMBERED or key in self or not Path(self.conf_source).is_dir():
            return self._read(key)
        state = self._state(key)
        if state not in _known:
            if len(_known) >= MOST_REMEMBERED:
                _known.clear()
            _known[state] = self._read(key)
        return deepcopy(_known[state])

    def _read(self, key: str) -> Any:
        """As Kedro reads it.

        Raises:
            InputError: what is written as `${...}`, or several files together, cannot be resolved.
        """
        try:
            return super().__getitem__(key)
        except OmegaConfBaseException as error:
            where = f"{error.full_key}: " if error.full_key else ""
            reason = str(error).splitlines()[0]
            raise InputError(
                f"The {key} cannot be read: {where}{reason}. Correct it in conf/ or --params; a value written as "
                "${name} is looked up."
            ) from error

    def _state(self, key: str) -> str:
        """All that a key's configuration depends on."""
        envs = (self.base_env, self.env or self.default_run_env)
        files = [
            (path.as_posix(), path.stat().st_mtime_ns, path.stat().st_size)
            for env in envs
            for path in sorted((Path(self.conf_source) / str(env)).rglob("*"))
        ]
        settings = self._all_settings() if key == "catalog" else None
        return repr((key, envs, self.config_patterns[key], self.runtime_params, files, settings))

    def _with_texts(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters with what is text as it stands in the files: YAML reads `007` as 7, `yes` as true."""
        whole = dict(parameters)
        for name in (name for name in TEXTS if name not in LISTS):
            is_no_text = isinstance(find_setting(parameters, name), bool | int | float | date)
            if is_no_text and find_setting(self.runtime_params or {}, name) is None:
                *groups, last = name.split(".")
                parent: Any = whole
                for group in groups:
                    parent[group] = parent = dict(parent[group])
                parent[last] = self._typed(name) or parent[last]
        return whole

    def _typed(self, name: str) -> str | None:
        """The value of a parameter as it is written in the last file that has it."""
        for env in (self.env or self.default_run_env, self.base_env):
            for path in sorted((Path(self.conf_source) / str(env)).rglob("parameters*.yml")):
                if isinstance(value := find_setting(read_yaml(path, as_text=True), name), str):
                    return value
        return None

    def setting(self, name: str) -> Any:
        """The value of a parameter, dots naming the way down.

        Raises:
            KeyError: no such parameter in any environment.
        """
        value: Any = self._all_settings()
        for part in name.split("."):
            value = value[part]
        return value

    def _all_settings(self) -> dict[str, Any]:
        if self._settings is None:
            # Read once: the catalog asks for a setting at every entry.
            self._settings = self["parameters"]
        return self._settings


def _target(value: Any) -> str:
    if isinstance(value, bool):
        raise InputError(
            f"target is {str(value).lower()} to YAML; write the class in quotes, as in target: 'yes'."
        )
    return "" if value is None else str(value)


def _targets(value: Any) -> list[str] | str | None:
    """Several targets as names, or `all`; None where there are none."""
    if isinstance(value, str):
        value = value.split(CLASS_DIVIDER)
    if value is not None and not isinstance(value, Sequence):
        raise InputError(f"targets is {value!r}; give a list of classes, a;b or all.")
    names = [name for name in (_target(one).strip() for one in value or ()) if name]
    return ALL_CLASSES if names == [ALL_CLASSES] else names or None


def with_whole_paths(parameters: Mapping[str, Any], project: Path) -> dict[str, Any]:
    """The parameters with `~` resolved and relative paths made whole.

    A relative path starts from the working folder if it leads to something there, else from the project. Nothing,
    as in `--params=source.field=`, is no path.

    Raises:
        InputError: YAML made a number of a path.
    """
    whole = dict(parameters)
    for name in PATHS:
        *groups, last = name.split(".")
        parent: Any = whole
        for group in groups:
            inner = parent.get(group)
            if not isinstance(inner, Mapping):
                break
            parent[group] = parent = dict(inner)
        else:
            text = parent.get(last)
            if isinstance(text, bool | int | float):
                raise InputError(
                    f"{name} is the number {text} to YAML; write the path in quotes, as in {last}: '2025_04'."
                )
            if isinstance(text, str):
                parent[last] = _whole(text, project, name in MAY_BE_PATHS) if text.strip() else None
    if isinstance(whole.get("encoders"), Mapping):
        whole["encoders"] = {name: _with_file(one, project) for name, one in whole["encoders"].items()}
    return whole


def _with_file(encoder: Any, project: Path) -> Any:
    """What a person says of an encoder, with the path of its file whole; what is no path is told with the rest."""
    if not isinstance(encoder, Mapping) or not isinstance(encoder.get("file"), str) or not encoder["file"]:
        return encoder
    return {**encoder, "file": _whole(encoder["file"], project, False)}


def with_encoders(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the encoders that are files among the audio settings, which go to every worker."""
    encoders, embedding = parameters.get("encoders"), parameters.get("embedding")
    if not encoders or not isinstance(embedding, Mapping):
        return dict(parameters)
    return {**parameters, "embedding": {**embedding, "encoders": encoders}}


def _whole(text: str, project: Path, may_be_no_path: bool) -> str:
    if is_remote(text):
        return text.rstrip("/")
    path = Path(text).expanduser()
    here = Path.cwd() / path  # the path itself where it is absolute
    found = here if here.exists() else project / path
    return text if may_be_no_path and not found.exists() else found.as_posix()
