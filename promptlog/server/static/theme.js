// Before the first paint: the theme that was chosen here, if any.
(() => {
  try {
    const theme = localStorage.getItem("promptlog-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* no storage: as the system has it */ }
})();
