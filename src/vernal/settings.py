"""How Kedro sees this project: its hooks, its configuration loader, and which plugins stay quiet."""

from vernal.common.logging_filters import show_what_steers
from vernal.framework.config import VernalConfigLoader
from vernal.framework.hooks import RunHooks

show_what_steers()
HOOKS = (RunHooks(),)
# Kedro-Viz records each run into the project folder and telemetry calls out; neither is wanted.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-viz", "kedro-telemetry")
CONFIG_LOADER_CLASS = VernalConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # A person who sets one key of `source` keeps the others.
    "merge_strategy": {"parameters": "soft"},
}
