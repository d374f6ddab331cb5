// A view that is fetched when it is first opened, so that the first view of the page stays light.
import { Component, html } from "./html.js";
import { t } from "./text.js";

const AGAIN_MS = 1000;

// `quiet`: nothing stands in its place until then. `early` fetches it before it is opened.
export function lazy(load, quiet) {
  let View; // once it is there it is drawn at once
  const early = () => load().then((found) => { View = found; });
  return class extends Component {
    static early() { early().catch(() => {}); } // tried again, and told, when it is opened
    componentDidMount() { if (!View) this.fetch(); }
    componentWillUnmount() { clearTimeout(this.again); }
    fetch() {
      early().then(() => this.setState({}), () => {
        this.setState({ failed: true });
        this.again = setTimeout(() => this.fetch(), AGAIN_MS);
      });
    }
    render(props, { failed }) {
      if (View) return html`<${View} ...${props} />`;
      if (quiet) return null;
      // Some browsers keep a module's failure until the page is loaded anew; a session goes on through that.
      return html`<p role="status">${t(failed ? "not_loaded" : "loading")}</p>
        ${failed && html`<button type="button" onClick=${() => location.reload()}>${t("reload")}</button>`}`;
    }
  };
}
