// The style of the views that few open: whoever imports this is there no sooner than it.
await new Promise((done) => {
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/web/views.css", onload: done, onerror: done }));
});
