"use strict";
(() => {
  const night = matchMedia("(prefers-color-scheme: dark)");
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Plotly paints itself, so it is told the page's colours, and told again when day turns to night.
  function dress(layout) {
    const ink = colour("--ink"), faint = colour("--faint"), line = colour("--line"), card = colour("--card");
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: faint };
    layout.hoverlabel = { bgcolor: card, bordercolor: line, font: { color: ink }, align: "left", namelength: -1 };
    for (const [name, axis] of Object.entries(layout))
      if (/^[xy]axis\d*$/.test(name)) axis.gridcolor = axis.zerolinecolor = axis.linecolor = line;
    return layout;
  }

  const plots = [...document.querySelectorAll(".plot")];
  for (const plot of plots) {
    const figure = read(`${plot.id}-data`);
    Plotly.newPlot(plot, figure.data, dress(figure.layout), { displayModeBar: false, responsive: true });
  }
  night.addEventListener("change", () => plots.forEach((plot) => Plotly.relayout(plot, dress(plot.layout))));

  const map = document.getElementById("plot-map");
  if (!map) return;
  const { names, frames } = read("map-frames");
  const slider = document.getElementById("map-at"), told = document.getElementById("map-told");
  const button = document.getElementById("map-play");
  const places = [];
  frames.reduce((before, frame, at) => (places[at] = frame.x ? frame : before), null);

  function show(at) {
    const { x, y } = places[at], { up, links } = frames[at];
    const lines = { x: [], y: [] };
    for (let i = 0; i < links.length; i += 2) {
      const one = links[i], two = links[i + 1];
      lines.x.push(x[one], x[two], null);
      lines.y.push(y[one], y[two], null);
    }
    const there = (state) => {
      const some = [...names.keys()].filter((host) => up[host] === state);
      return { x: some.map((host) => x[host]), y: some.map((host) => y[host]), text: some.map((host) => names[host]) };
    };
    const on = there("1"), off = there("0");
    const change = { x: [lines.x, on.x, off.x], y: [lines.y, on.y, off.y], text: [[], on.text, off.text] };
    Plotly.restyle(map, change, [0, 1, 2]);
    slider.value = at;
    told.textContent = `${frames[at].at}: ${on.x.length} up, ${off.x.length} down, ${links.length / 2} links`;
  }

  let timer = null;
  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }
  function play() {
    if (Number(slider.value) >= frames.length - 1) show(0);
    button.textContent = "Pause";
    timer = setInterval(() => {
      const next = Number(slider.value) + 1;
      if (next >= frames.length) stop();
      else show(next);
    }, Math.max(120, Math.min(600, 12000 / frames.length)));
  }
  button.addEventListener("click", () => (timer === null ? play() : stop()));
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  if (frames.length < 2) button.parentElement.querySelectorAll("button, input").forEach((each) => (each.hidden = true));
  show(Math.floor(frames.length / 2));
})();
