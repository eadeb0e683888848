// Applies the chosen theme before anything is painted. Without a choice, the system's preference holds.
try {
  const theme = localStorage.getItem("daymark:theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be switched off.
}
