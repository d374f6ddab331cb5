// The one place that knows which library draws.
import { Component, Fragment, h, render } from "/web/vendor/preact.mjs";
import htm from "/web/vendor/htm.mjs";

export const html = htm.bind(h);
export { Component, Fragment, render };
