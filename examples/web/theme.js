// Colours of the stylesheet, for what is painted on a canvas.

const value = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** "#1b6ca8" as [27, 108, 168]. */
export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

export const ink = () => rgb(value('--ink'));
export const paper = () => rgb(value('--card'));

/** One colour a class; they come round again after ten. */
export const colours = () => Array.from({ length: 10 }, (_, i) => value(`--class${i}`));

export const dark = matchMedia('(prefers-color-scheme: dark)');
