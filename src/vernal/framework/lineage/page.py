"""Kedro-Viz' page for a machine without a network: no font from elsewhere, and a first view that reads well."""

from vernal.framework.kedro_compat import viz_page

# What a person has chosen before stays: only what the browser does not know yet is set.
_FIRST_VIEW = """<script>
  (function () {
    try {
      var known = JSON.parse(window.localStorage.getItem("KedroViz")) || {};
      var first = {orientation: "horizontal", showFeatureHints: false};
      window.localStorage.setItem("KedroViz", JSON.stringify(Object.assign(first, known)));
    } catch (error) { /* a browser that stores nothing shows the page as Kedro-Viz made it */ }
  })();
</script>
"""
# Kedro-Viz counts rows in runs that it records; none is recorded here, so its statistics would say N/A for ever.
_STATISTICS = '[data-label="Dataset statistics:"]'
_STYLE = f"<style>{_STATISTICS}, {_STATISTICS} + * {{ display: none !important; }}</style>\n"


def local_page() -> str:
    """Kedro-Viz' page without links to other machines, left to right at the first visit."""
    return viz_page().replace("<script", f"{_FIRST_VIEW}{_STYLE}<script", 1)
