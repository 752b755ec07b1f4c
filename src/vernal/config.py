"""Configuration: parameters a person sets reach the catalog too.

`${setting:data_root}` in a catalog entry is the parameter `data_root`, wherever it was set: in
`conf/base`, in `conf/local/parameters.yml`, or with `--params`.
"""

from __future__ import annotations

from typing import Any

from kedro.config import OmegaConfigLoader


class VernalConfigLoader(OmegaConfigLoader):
    """Kedro's loader with one more resolver, `setting`, which reads the merged parameters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        resolvers = {**(kwargs.pop("custom_resolvers", None) or {}), "setting": self.setting}
        super().__init__(*args, custom_resolvers=resolvers, **kwargs)

    def setting(self, name: str) -> Any:
        """The value of a parameter, dots naming the way down.

        Raises:
            KeyError: no such parameter in any environment.
        """
        value: Any = self["parameters"]
        for part in name.split("."):
            value = value[part]
        return value
