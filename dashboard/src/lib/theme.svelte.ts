/** The theme: that of the system, unless one was chosen. `static/theme.js` applies the choice before the first paint. */
export type Theme = "system" | "light" | "dark";

const KEY = "daymark:theme";

function stored(): Theme {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === "light" || theme === "dark" ? theme : "system";
  } catch {
    return "system";
  }
}

class ThemeChoice {
  current = $state<Theme>(stored());

  choose(theme: Theme): void {
    this.current = theme;
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // The choice then holds for this visit only.
    }
  }
}

export const theme = new ThemeChoice();
