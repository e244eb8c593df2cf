/**
 * Light or dark: as the system says, or as the viewer chose, which is remembered in this browser. Always holds: whoever
 * draws with colours is told when they have changed.
 */
const STORED_AS = "ovation.theme";
const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const listeners: (() => void)[] = [];
const told = () => listeners.forEach((listener) => listener());

export function onColours(listener: () => void): void {
  listeners.push(listener);
}

function known(text: string | null | undefined): Theme {
  return THEMES.find((theme) => theme === text) ?? "auto";
}

function apply(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  told();
}

/** Takes over what was chosen before, and connects the control. */
export function startTheme(control: HTMLSelectElement): void {
  let theme: Theme = "auto";
  try {
    theme = known(localStorage.getItem(STORED_AS));
  } catch {
    // a browser without storage forgets the choice
  }
  control.value = theme;
  apply(theme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", told);
  control.addEventListener("change", () => {
    const chosen = known(control.value);
    apply(chosen);
    try {
      localStorage.setItem(STORED_AS, chosen);
    } catch {
      // as above
    }
  });
}
