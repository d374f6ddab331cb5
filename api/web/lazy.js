// A view that is fetched when it is first opened, so that the first view of the page stays light.
import { Component, html } from "./html.js";
import { t } from "./text.js";

// `quiet`: nothing stands in its place until then.
export const lazy = (load, quiet) => class extends Component {
  componentDidMount() { load().then((View) => this.setState({ View }), () => this.setState({ failed: true })); }
  render(props, { View, failed }) {
    return View ? html`<${View} ...${props} />` : quiet ? null : html`<p role="status">${t(failed ? "unreachable" : "loading")}</p>`;
  }
};
