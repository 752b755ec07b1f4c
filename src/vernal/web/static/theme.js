// Dark unless somebody chose light; the choice stays in this browser.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("vernal.theme"); } catch { return null; } };
  root.dataset.theme = kept() === "light" ? "light" : "dark";
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
      try { localStorage.setItem("vernal.theme", root.dataset.theme); } catch { /* private window */ }
      document.dispatchEvent(new Event("themechange"));
    });
  });
})();
