// What every page that is printed has at its edge: what it is of, for sheets that come apart.
let rule = null;

export function edge(text) {
  rule ??= document.adoptedStyleSheets[document.adoptedStyleSheets.push(new CSSStyleSheet()) - 1];
  rule.replaceSync(text ? `@page { @bottom-left { content: ${JSON.stringify(text)}; font: 8.5pt system-ui, sans-serif; } }` : "");
}
