// A view that is fetched when it is first opened, so that the first view of the page stays light.
import { Component, html } from "./html.js";
import { t } from "./text.js";

// `quiet`: nothing stands in its place until then. `early` fetches it before it is opened.
export function lazy(load, quiet) {
  let View; // once it is there it is drawn at once
  const early = () => load().then((found) => { View = found; });
  return class extends Component {
    static early() { early().catch(() => {}); } // tried again, and told, when it is opened
    componentDidMount() { if (!View) early().then(() => this.setState({}), () => this.setState({ failed: true })); }
    render(props, { failed }) {
      return View ? html`<${View} ...${props} />` : quiet ? null : html`<p role="status">${t(failed ? "unreachable" : "loading")}</p>`;
    }
  };
}
