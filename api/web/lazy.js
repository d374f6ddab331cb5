// A view that is fetched when it is first opened, so that the first view of the page stays light.
import { Component, html } from "./html.js";
import { t } from "./text.js";

export const lazy = (load) => class extends Component {
  componentDidMount() { load().then((View) => this.setState({ View }), () => this.setState({ failed: true })); }
  render(props, { View, failed }) {
    return View ? html`<${View} ...${props} />` : html`<p role="status">${t(failed ? "unreachable" : "loading")}</p>`;
  }
};
