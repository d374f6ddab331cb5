// Views that few open: their scripts and their style come when one is first shown. Whose they are says the device; here
// is only where they are found.
import { Component, html } from "./html.js";
import { store } from "./store.js";
import { t } from "./text.js";

const OWN = ["patient", "clinician"];
const VIEWS = {
  report: [OWN, () => import("./report.js")],
  dose: [OWN, () => import("./dose.js")],
  diary: [["patient"], () => import("./diary.js")],
  kept: [OWN, () => import("./kept.js")],
  output: [["viewer", ...OWN], () => import("./output.js")],
};
let styled = null;

function style() {
  styled ??= new Promise((done, failed) => {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/web/views.css", onload: done, onerror: failed }));
  });
  return styled;
}

class Later extends Component {
  async componentDidMount() {
    try {
      const [{ View }] = await Promise.all([this.props.open(), style()]);
      this.setState({ View });
    } catch { this.setState({ failed: true }); }
  }
  render(_, { View, failed }) { return View ? html`<${View} />` : html`<p role="status">${t(failed ? "unreachable" : "loading")}</p>`; }
}

// The view that the address names, or null when it is none of these.
export function later() {
  const [roles, open] = VIEWS[store.route] ?? [];
  return roles?.includes(store.me.role) ? html`<${Later} key=${location.hash} open=${open} />` : null;
}
